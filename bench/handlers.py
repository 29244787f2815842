# SPDX-License-Identifier: MIT
"""Servers with tasks: how they are started and asked."""
import http.client
import os
import time

from servers import Unusable

# What modules need, by their names.
TOOLS = {"fetch_sync": "libcurl4-openssl-dev libexpat1-dev", "fetch_async": "libevent-dev libssl-dev libexpat1-dev"}


def load(context, module):
    """The option.  Raises Unusable."""
    path = os.path.join(context.program("modules"), module + ".so")
    if not os.path.exists(path):
        needed = f"apt-get install {TOOLS[module]}, configure, " if module in TOOLS else ""
        raise Unusable(f"{path} is not there ({needed}make bench)")
    return "--module " + path


def start(context, row, tasks, settings, root):
    """With the modules of these tasks and no others.  Raises Unusable."""
    words = []
    if "$handlers" in row.command:
        words += [load(context, module) for module in sorted({task.module for task in tasks})]
        words += [f"--route /{task.name}={task.module}:{task.name}" for task in tasks]
    return context.start(row, root, settings, handlers=" ".join(words))


def check(server, task, expected):
    """One request: status, body, and that it took its time."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.ports[None], timeout=30)
    try:
        connection.request("GET", "/" + task.name, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.HTTPException, OSError) as error:
        raise Unusable(f"{task.name}: {error!r}") from error
    finally:
        connection.close()
    took_ms = (time.monotonic() - began) * 1000
    if answer.status != 200:
        raise Unusable(f"{task.name}: status {answer.status}")
    if body != expected:
        raise Unusable(f"{task.name}: {len(body)} octets, other than the {len(expected)} expected")
    if took_ms < task.wait_ms * 0.95:
        raise Unusable(f"{task.name}: answered after {took_ms:.0f} ms, before it can be done")
