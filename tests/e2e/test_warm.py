# SPDX-License-Identifier: MIT
"""Warm starts: what is answered before the first build has ended, and what waits for it."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

from case import Skip, equal, table, test, true
from server import Server, Tree, temporary
from wire import Client, fetch, request

FILES = {"a.css": b"a{}\n" * 100, "index.html": b"<p>first", "d/index.html": b"<p>d", "d/b.txt": b"0123456789",
         "d/app.5f3a9c1b.js": b"js\n" * 50, "empty": b"", "large.bin": b"0123456789abcdef" * 100000, "old.txt": b"old"}
SILENCE_S = 0.1
GENERATION = "generation 1: "


def can_trace():
    return shutil.which("strace") and subprocess.run(["strace", "-q", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0


class Start:
    """A start on a tree that the last run knew, and that `edit` has changed since.  The first build
    stands still, at its first directory, until it is released."""

    def __init__(self, *options, edit=None, **more):
        if not can_trace():
            raise Skip("strace is missing, or may not trace")
        self.tree, cache = Tree(FILES), temporary("-cache")
        options = ("--cache-dir", cache, "--no-compress", "--no-watch", *options)
        time.sleep(0.05)  # older than what may still change unseen
        Server("--cache-dir", cache, "--no-compress", roots=[self.tree]).stop()
        if edit:
            edit(self.tree)
        wrap = ("strace", "-D", "-I", "2", "-f", "-q", "-e", "signal=none", "-o", "/dev/null", "-e", "trace=getdents64",
                "-e", "inject=getdents64:delay_enter=600000000")
        self.server = Server(*options, roots=[self.tree], wrap=wrap, wait="early", **more)
        self.address = self.server.address

    def release(self):
        """Ends the tracer, which lets go of what it delays."""
        if self.server.process.poll() is not None:
            return
        with open("/proc/%d/status" % self.server.pid) as file:
            tracer = int(next(line for line in file if line.startswith("TracerPid")).split()[1])
        if tracer:
            os.kill(tracer, signal.SIGTERM)

    def build(self):
        equal([line for line in self.server.lines if GENERATION in line], [], "the build waits")
        self.release()
        self.server.wait_line(GENERATION)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.release()
        self.server.__exit__(kind)


def edit(tree):
    tree.write("d/b.txt", b"in place, now")
    tree.replace("a.css", b"another file")
    tree.remove("old.txt")
    tree.write("new.txt", b"new")


def known(response):
    """All that one response is, but for the time of day."""
    return response.status, [field for field in response.fields if field[0] != "date"], response.body


REQUESTS = [("/a.css", {}, "GET"), ("/", {}, "GET"), ("/d/", {}, "GET"), ("/d/b.txt?query", {}, "GET"), ("/d/%62.txt", {}, "GET"),
            ("/d/app.5f3a9c1b.js", {}, "GET"), ("/empty", {}, "GET"), ("/large.bin", {}, "GET"), ("/large.bin", {}, "HEAD"),
            ("/d/b.txt", {"Range": "bytes=2-4"}, "GET"), ("/a.css", {"Accept-Encoding": "gzip, br"}, "GET"), ("/d/../a.css", {}, "GET"),
            ("/a.css", {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"}, "GET"), ("/a.css", {"If-None-Match": "*"}, "HEAD"),
            ("/a.css", {"If-Match": '"other"'}, "GET"), ("/d/b.txt", {"Range": "bytes=100-"}, "GET"),
            ("/a.css", {}, "OPTIONS"), ("/a.css", {}, "DELETE")]


@table([("as it is", ()), ("with fields", ("--max-age", "7", "--no-cors", "--immutable", "css$", "--type", ".css=text/x-mine"))])
def what_the_last_run_knew_is_answered_with_the_octets_of_the_first_generation(options):
    with Start(*options) as start:
        early = [known(fetch(start.address, target, fields, method)) for target, fields, method in REQUESTS]
        equal([status for status, _, _ in early], [200] * 9 + [206, 200, 200, 304, 304, 412, 416, 204, 405])
        equal(early[0][2], FILES["a.css"])
        equal(early[7][2], FILES["large.bin"])
        start.build()
        for (target, fields, method), before in zip(REQUESTS, early):
            equal(known(fetch(start.address, target, fields, method)), before, "%s %s %s" % (method, target, fields))


@table([("a new file", "/new.txt", 200, b"new"), ("one that was edited in place", "/d/b.txt", 200, b"in place, now"),
        ("one that was replaced", "/a.css", 200, b"another file"), ("one that has gone", "/old.txt", 404, None),
        ("one that never was", "/none", 404, None), ("a directory", "/d", 302, None), ("a page by its name", "/d/index.html", 302, None),
        ("an empty segment", "//empty", 404, None)])
def what_is_not_known_waits_for_the_first_generation(target, status, body):
    with Start(edit=edit) as start, Client(start.address) as client:
        client.send(request(target))
        equal(fetch(start.address, "/").body, FILES["index.html"])
        true(not client.has_ended(SILENCE_S), "it is held")
        start.build()
        r = client.read()
        equal(r.status, status)
        if body is not None:
            equal(r.body, body)
        equal(client.get("/empty").status, 200, "the connection goes on")


@test
def requests_behind_one_that_waits_are_answered_after_it():
    with Start(edit=edit) as start, Client(start.address) as client:
        client.send(request("/empty") + request("/new.txt") + request("/d/"))
        equal(client.read().body, b"")
        true(not client.has_ended(SILENCE_S), "the second is held, and the third with it")
        client.send(request("/none"))
        start.build()
        equal([client.read().body, client.read().body, client.read().status], [b"new", FILES["d/index.html"], 404])


@test
def many_wait_and_all_are_answered():
    with Start("--loops", "4", edit=edit) as start:
        clients = [Client(start.address) for _ in range(200)]
        for client in clients:
            client.send(request("/new.txt"))
        equal(fetch(start.address, "/empty").status, 200)
        start.build()
        for client in clients:
            equal(client.read().body, b"new")
            client.close()


@test
def a_server_that_is_told_to_end_answers_first_what_waits():
    with Start(edit=edit) as start, Client(start.address) as client, Client(start.address) as idle:
        equal(idle.get("/empty").status, 200)
        client.send(request("/new.txt"))
        true(not client.has_ended(SILENCE_S), "it is held")
        start.server.kill(signal.SIGTERM)
        start.server.wait_line("draining")
        idle.expect_end()
        true(not client.has_ended(SILENCE_S), "it is still held")
        start.release()
        r = client.read()
        equal((r.status, r.body, r.closes), (200, b"new", True))
        client.expect_end()
        equal(start.server.wait(), 0)


@test
def a_server_that_ends_at_once_says_503_to_what_waits():
    with Start(edit=edit) as start, Client(start.address) as client:
        client.send(request("/new.txt"))
        true(not client.has_ended(SILENCE_S), "it is held")
        start.server.kill(signal.SIGINT)
        r = client.read()
        equal((r.status, r.has("retry-after"), r.closes), (503, True, True))
        start.release()
        equal(start.server.wait(), 0)


@test
def a_first_build_that_fails_ends_the_server():
    with Start("--refuse-if", "urls<100") as start, Client(start.address) as client:
        equal(client.get("/empty").status, 200)
        client.send(request("/none"))
        true(not client.has_ended(SILENCE_S), "it is held")
        start.release()
        equal(client.read().status, 503)
        equal(start.server.wait(), 1)
        true(any(line.startswith("scrubjay: refused: urls") for line in start.server.lines), "it is said why")
        start.server.process.returncode = 0


@test
def clients_that_leave_while_they_wait_do_no_harm():
    with Start(edit=edit) as start:
        for how in (struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)):  # by a reset, or in order
            for what in (request("/new.txt"), request("/new.txt") + request("/empty"), request("/none")):
                with Client(start.address) as client:
                    client.send(what)
                    true(not client.has_ended(SILENCE_S), "it is held")
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
        equal(fetch(start.address, "/empty").status, 200)
        start.build()
        equal(fetch(start.address, "/new.txt").body, b"new")


@test
def a_ledger_that_knows_nothing_of_the_tree_holds_all():
    def exchange(tree):
        for path, data in FILES.items():
            tree.replace(path, data)

    with Start(edit=exchange) as start, Client(start.address) as client:
        client.send(request("/a.css"))
        true(not client.has_ended(SILENCE_S), "it is held")
        start.build()
        equal(client.read().body, FILES["a.css"])
