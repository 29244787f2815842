# SPDX-License-Identifier: MIT
"""Large files, and files that change while they are being sent."""
import hashlib
import os
import random
import threading
import time

from case import equal, one_of, table, test, true
from server import Server, Tree
from wire import Client, WireError, fetch

MIB = 1 << 20


@table([("%d octets" % size, size) for size in (MIB - 1, MIB, MIB + 1, 5 * MIB + 7, 40 * MIB)])
def a_large_file_arrives_whole(size):
    data = random.Random(size).randbytes(size)
    with Server(roots=[Tree({"f.bin": data})]) as server, Client(server.address, timeout=20) as client:
        for _ in range(2):
            true(client.get("/f.bin").body == data, "the octets")
        r = client.get("/f.bin", {"Range": "bytes=%d-%d" % (size // 3, size - 2)})
        true(r.body == data[size // 3:size - 1], "a range of them")
        client.get("/f.bin", method="HEAD")


@test
def a_file_beyond_4_gib_has_its_true_length():
    tree = Tree()
    size = (4 << 30) + 13
    with open(tree.path("sparse.bin"), "wb") as file:
        file.truncate(size)
        file.seek(size - 3)
        file.write(b"end")
    try:
        with Server(roots=[tree], start_s=120) as server, Client(server.address) as client:
            equal(client.get("/sparse.bin", method="HEAD").get("content-length"), str(size))
            equal(client.get("/sparse.bin", {"Range": "bytes=-5"}).body, b"\0\0end")
            equal(client.get("/sparse.bin", {"Range": "bytes=%d-%d" % (4 << 30, (4 << 30) + 9)}).body, bytes(10))
    finally:
        tree.remove("sparse.bin")


@test
def many_slow_and_fast_readers_at_once():
    data = random.Random(8).randbytes(3 * MIB)
    faults = []

    def read(address, slow):
        try:
            with Client(address, timeout=20, receive_buffer=8192 if slow else None) as client:
                client.send(b"GET /f.bin HTTP/1.1\r\nHost: a\r\n\r\n")
                if slow:
                    time.sleep(0.5)
                true(client.read().body == data, "the octets")
        except AssertionError as error:
            faults.append(str(error))
    with Server(roots=[Tree({"f.bin": data})]) as server:
        readers = [threading.Thread(target=read, args=(server.address, i % 2)) for i in range(40)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    equal(faults, [])


def edit(tree, kind, data):
    path = tree.path("f.bin")
    if kind == "truncate":
        os.truncate(path, len(data) // 3)
    elif kind == "empty":
        os.truncate(path, 0)
    elif kind == "grow":
        with open(path, "ab") as file:
            file.write(b"y" * MIB)
    elif kind == "write over":
        with open(path, "r+b") as file:
            file.write(b"z" * len(data))
    elif kind == "delete":
        os.unlink(path)
    elif kind == "rename over":
        tree.replace("f.bin", b"w" * 1000)
    elif kind == "rename away":
        os.rename(path, path + ".old")


def read_declared(client):
    """The head and what came of its body; an early end is allowed, more is not."""
    r = None
    client.send(b"GET /f.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    while b"\r\n\r\n" not in client.buffer and client.fill():
        pass
    head, _, rest = bytes(client.buffer).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return head, length, rest


@table([("%s, %s" % (kind, "watching" if watch else "not watching"), kind, watch)
        for kind in ("truncate", "empty", "grow", "write over", "delete", "rename over", "rename away") for watch in (True, False)])
def a_body_stays_what_its_head_declared(kind, watch):
    data = b"x" * (12 * MIB)
    tree = Tree({"f.bin": data, "hello.txt": b"hello"})
    with Server(*(() if watch else ("--no-watch",)), roots=[tree], expected_errors="f.bin") as server:
        with Client(server.address, timeout=15, receive_buffer=16384) as client:
            _, length, rest = read_declared(client)
            equal(length, len(data))
            edit(tree, kind, data)
            time.sleep(0.3)
            body = bytearray(rest)
            client.buffer.clear()
            while len(body) < length and client.fill():
                body += client.buffer
                client.buffer.clear()
            true(b"HTTP/1.1" not in body[:length], "a status line inside a declared body")
            true(not body[:length].strip(b"xyz\0"), "only octets of the file")
            if kind in ("grow", "delete", "rename over", "rename away"):
                true(len(body) >= length or client.ended, "whole or ended")
                true(body[:length].strip(b"x") == b"", "octets of one state")
            if len(body) >= length:
                client.buffer[:0] = body[length:]
                equal(client.read().body, b"hello")
        equal(fetch(server.address, "/hello.txt").body, b"hello")


@table([(kind, kind) for kind in ("truncate", "empty", "grow", "write over", "delete", "rename over", "rename away")])
def an_edit_between_requests_never_mixes_states(kind):
    """Without watching: the old state whole, or an error, or the new state whole."""
    for size in (1000, 300_000, 4 * MIB):
        data = b"x" * size
        tree = Tree({"f.bin": data, "hello.txt": b"hello"})
        with Server("--no-watch", roots=[tree], expected_errors="f.bin") as server:
            first = fetch(server.address, "/f.bin")
            edit(tree, kind, data)
            with Client(server.address) as client:
                for _ in range(3):
                    r = client.get("/f.bin")
                    one_of(r.status, {200, 404, 500, 503}, kind)
                    if r.status == 200 and r.get("etag") == first.get("etag"):
                        true(r.body == data, "the same tag means the same octets")
                    if r.closes:
                        client.expect_end()
                        break
            if kind != "empty":
                server.reload()
                want = tree.path("f.bin")
                r = fetch(server.address, "/f.bin")
                if os.path.exists(want):
                    with open(want, "rb") as file:
                        true(r.body == file.read(), "the new state after a reload")
                else:
                    equal(r.status, 404)


@table([(kind, kind) for kind in ("truncate", "write over", "delete", "rename over")])
def a_body_in_memory_is_sent_as_it_was(kind):
    """To readers so slow that it is freed, and its memory used again, while they read."""
    data, later = (random.Random(seed).randbytes(1_000_000) for seed in (1, 2))
    tree = Tree({"f.bin": data, "hello.txt": b"hello"})
    with Server("--no-watch", "--retain-generations", "1", roots=[tree]) as server:
        clients = [Client(server.address, timeout=15, receive_buffer=16384) for _ in range(4)]
        for client in clients:
            client.send(b"GET /f.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            client.fill()
        edit(tree, kind, data)
        server.reload()
        for name in ("f.bin", "g.bin"):
            tree.write(name, later, int(time.time()))
        server.reload()
        true(fetch(server.address, "/f.bin").body == later, "the new octets")
        for client in clients:
            true(client.read().body == data, "the old octets, whole")
            client.close()


@test
def without_a_memory_file_large_bodies_are_held_as_before():
    data = random.Random(3).randbytes(300_000)
    tree = Tree({"f.bin": data})
    with Server("--no-watch", roots=[tree], wrap=["prlimit", "--fsize=1000000000"], expected_errors="no memory file") as server:
        server.wait_line("warning.*no memory file for large bodies")
        tree.write("f.bin", data[::-1], int(time.time()))
        equal(server.reload()[2], 1)
        true(fetch(server.address, "/f.bin").body == data[::-1], "the octets")


@test
def edits_in_place_under_load_keep_all_connections_in_step():
    tree = Tree({"f.bin": b"x" * 2 * MIB, "s.bin": b"x" * 3000, "hello.txt": b"hello"})
    stop, faults, tags = threading.Event(), [], {}

    def read(address):
        while not stop.is_set():
            try:
                with Client(address, timeout=15) as client:
                    while not stop.is_set():
                        for target in ("/f.bin", "/s.bin", "/hello.txt"):
                            r = client.get(target)
                            true(b"HTTP/1.1" not in r.body, "a status line inside a body")
                            if target != "/f.bin" and r.status == 200 and r.has("etag"):
                                known = tags.setdefault(r.get("etag"), hashlib.sha1(r.body).digest())
                                true(known == hashlib.sha1(r.body).digest(), "one tag, two contents")
            except WireError as error:
                if not any(text in str(error) for text in ("body short", "closed before")):
                    faults.append(str(error))
                    return
            except AssertionError as error:
                faults.append(str(error))
                return
    with Server(roots=[tree], expected_errors="f.bin|s.bin") as server:
        readers = [threading.Thread(target=read, args=(server.address,)) for _ in range(6)]
        for reader in readers:
            reader.start()
        chance = random.Random(9)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            name, letter = chance.choice(("f.bin", "s.bin")), chance.choice(b"abcxyz")
            size = chance.choice((0, 10, 5000, MIB, 2 * MIB)) if name == "f.bin" else chance.randrange(6000)
            if chance.random() < 0.5:
                tree.write(name, bytes([letter]) * size, int(time.time()) - chance.randrange(1000))
            elif chance.random() < 0.7:
                os.truncate(tree.path(name), size)
            else:
                tree.replace(name, bytes([letter]) * size)
            time.sleep(chance.random() * 0.03)
        stop.set()
        for reader in readers:
            reader.join()
        equal(fetch(server.address, "/hello.txt").body, b"hello")
    equal(faults, [])
