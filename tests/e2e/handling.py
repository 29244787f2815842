# SPDX-License-Identifier: MIT
"""A server with the handlers of tests/modules/tasks.c, and what its tests ask of it."""
import os
import socket
import struct
import time

from case import Skip, true
from server import Server, Tree, shared
from wire import Client

MODULES = os.environ.get("MODULES", "")
TEXT = b"0123456789" * 1000
NAMES = "show spin fail block fork chunks file states later posted flow split".split()


def module(name="tests/modules/tasks.so"):
    path = os.path.join(MODULES, name)
    if not MODULES or not os.path.exists(path):
        raise Skip("MODULES does not name the folder with %s" % name)
    return path


def serve(*routes, expected_errors=None, options=(), **popen):
    """A server with a route /NAME for each handler of the module, and those given."""
    tree = Tree({"a.txt": b"static\n", "show/inside.txt": b"never\n", "text": TEXT})
    arguments = ["--module", "%s,%s" % (module(), tree.path("text"))]
    for route in ["/%s=tasks:%s" % (name, name) for name in NAMES] + list(routes):
        arguments += ["--route", route]
    return Server(*arguments, *options, roots=[tree], expected_errors=expected_errors, **popen)


def common():
    return serve("/quick=tasks:spin,class=quick", "/quick-chunks=tasks:chunks,class=quick", "/heavy=tasks:spin,class=heavy",
                 "/blocking=tasks:block,class=blocking", "/short=tasks:later,time=300ms",
                 "/short-heavy=tasks:block,class=blocking,time=300ms", "/small=tasks:show,body=1000",
                 "/large=tasks:show,body=10M", "/quick-fork=tasks:fork,class=quick",
                 "/blocking-fork=tasks:fork,class=blocking", expected_errors="tasks:fail|tasks:chunks|tasks:flow")


def get(target, fields=(), method="GET", version="1.1", body=b"", server=None):
    with Client((server or shared(common)).address) as client:
        return client.get(target, fields, method, version, body)


def states(server):
    """How many states have been made, and how many released."""
    return [int(word) for word in get("/states", server=server).body.split()]


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        true(time.monotonic() < end, "does not come about: %s" % what.__name__)
        time.sleep(0.02)


def reset(client):
    """The client goes without a word: an RST."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
