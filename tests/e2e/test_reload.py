# SPDX-License-Identifier: MIT
"""Reload, by SIGHUP and by watching."""
import gzip
import os
import random
import shutil
import signal
import threading
import time

from case import equal, test, true
from server import Server, Tree
from wire import Client, fetch


def wait_for(check, what, seconds=8):
    end = time.monotonic() + seconds
    while not check():
        true(time.monotonic() < end, what)
        time.sleep(0.03)


def body_of(address, target):
    r = fetch(address, target)
    return r.body if r.status == 200 else r.status


@test
def hup_counts_what_has_changed():
    tree = Tree({"a.txt": b"a", "b.txt": b"b", "c.txt": b"c", "dir/d.txt": b"d"})
    with Server("--no-watch", roots=[tree]) as server, Client(server.address) as client:
        tag = client.get("/a.txt").get("etag")
        equal(client.get("/b.txt").body, b"b")
        tree.replace("b.txt", b"B!")
        tree.remove("c.txt")
        tree.write("new/e.txt", b"e")
        tree.write("f.txt", b"f")
        equal(client.get("/f.txt").status, 404)
        equal(server.reload(), (2, 2, 1, 1, 2, 0))
        equal((client.get("/a.txt").get("etag"), client.get("/b.txt").body, client.get("/c.txt").status), (tag, b"B!", 404))
        equal((client.get("/new/e.txt").body, client.get("/f.txt").body, client.get("/dir/d.txt").body), (b"e", b"f", b"d"))
        equal(server.reload()[0], 3)


@test
def new_faults_are_counted_and_named():
    tree = Tree({"a.txt": b"a"})
    with Server("--no-watch", roots=[tree]) as server:
        tree.link("dangling", "nowhere")
        equal(server.reload()[5], 1)
        true(any("dangling" in line for line in server.lines), "the log names it")


@test
def watching_sees_every_kind_of_change():
    tree = Tree({"a.txt": b"a", "b.txt": b"b", "dir/c.txt": b"c"})
    with Server(roots=[tree]) as server:
        address = server.address
        tree.write("new.txt", b"new")
        wait_for(lambda: body_of(address, "/new.txt") == b"new", "a new file")
        tree.replace("a.txt", b"A2")
        wait_for(lambda: body_of(address, "/a.txt") == b"A2", "a file exchanged by rename")
        tree.write("b.txt", b"B2 in place", int(time.time()))
        wait_for(lambda: body_of(address, "/b.txt") == b"B2 in place", "a file written in place")
        tree.remove("dir/c.txt")
        wait_for(lambda: body_of(address, "/dir/c.txt") == 404, "a removed file")
        tree.write("x/y/z/deep.txt", b"deep")
        wait_for(lambda: body_of(address, "/x/y/z/deep.txt") == b"deep", "new folders")
        tree.write("x/y/z/later.txt", b"later")
        wait_for(lambda: body_of(address, "/x/y/z/later.txt") == b"later", "a file in a folder that is new")
        os.rename(tree.path("x"), tree.path("moved"))
        wait_for(lambda: body_of(address, "/moved/y/z/deep.txt") == b"deep", "a moved folder")
        equal(body_of(address, "/x/y/z/deep.txt"), 404)
        tree.write("moved/y/z/last.txt", b"last")
        wait_for(lambda: body_of(address, "/moved/y/z/last.txt") == b"last", "a file in a folder that has moved")
        shutil.rmtree(tree.path("moved"))
        wait_for(lambda: body_of(address, "/moved/y/z/deep.txt") == 404, "a removed folder")
        tree.link("link.txt", "a.txt")
        wait_for(lambda: body_of(address, "/link.txt") == b"A2", "a new link")


@test
def no_watch_sees_nothing():
    tree = Tree({"a.txt": b"a"})
    with Server("--no-watch", roots=[tree]) as server:
        tree.write("b.txt", b"b")
        time.sleep(0.6)
        equal(body_of(server.address, "/b.txt"), 404)


@test
def an_index_that_does_not_change_is_not_published_for_ever():
    tree = Tree({"a.txt": b"a"})
    with Server(roots=[tree]) as server:
        for _ in range(20):
            fetch(server.address, "/a.txt")
        time.sleep(0.5)
        equal([line for line in server.lines if "generation 2" in line], [], "reading is no change")


@test
def variants_come_and_go():
    page = b"<p>text</p>\n" * 100
    tree = Tree({"a.html": page})
    with Server("--no-watch", roots=[tree]) as server, Client(server.address) as client:
        wish = {"Accept-Encoding": "gzip"}
        first = client.get("/a.html", wish)
        equal((first.get("content-encoding"), first.get("vary")), (None, None))
        tree.write("a.html.gz", gzip.compress(page))
        server.reload()
        equal((client.get("/a.html", wish).get("content-encoding"), client.get("/a.html").get("etag")), ("gzip", first.get("etag")))
        tree.replace("a.html", page + b"more")
        server.reload()
        r = client.get("/a.html", wish)
        equal((r.get("content-encoding"), r.body == page + b"more"), (None, True), "the variant is stale now")
        tree.remove("a.html")
        server.reload()
        equal((client.get("/a.html").status, client.get("/a.html.gz").status), (404, 200), "an orphan is a file")


@test
def a_root_that_vanishes_leaves_the_old_generation():
    tree = Tree({"a.txt": b"a", "large.bin": b"x" * 2_000_000})
    with Server("--no-watch", roots=[tree], expected_errors=".") as server, Client(server.address) as client:
        equal(client.get("/a.txt").body, b"a")
        os.rename(tree.root, tree.root + "-gone")
        start = len(server.lines)
        server.kill(signal.SIGHUP)
        wait_for(lambda: len(server.lines) > start, "the log says why")
        true(not any("generation 2" in line for line in server.lines), "no new generation")
        equal(client.get("/a.txt").body, b"a")
        os.rename(tree.root + "-gone", tree.root)
        tree.write("b.txt", b"b")
        server.reload()
        equal((client.get("/a.txt").body, client.get("/b.txt").body), (b"a", b"b"))


@test
def a_switched_link_is_a_new_root():
    one, two = Tree({"a.txt": b"one", "only1.txt": b"1"}), Tree({"a.txt": b"two", "only2.txt": b"2", "large.bin": b"x" * 2_000_000})
    place = Tree()
    place.link("current", one.root)
    with Server("--no-watch", roots=[place.path("current")]) as server, Client(server.address) as client:
        equal(client.get("/a.txt").body, b"one")
        os.symlink(two.root, place.path("next"))
        os.rename(place.path("next"), place.path("current"))
        server.reload()
        equal((client.get("/a.txt").body, client.get("/only1.txt").status, client.get("/only2.txt").body), (b"two", 404, b"2"))
        equal(len(client.get("/large.bin").body), 2_000_000)


@test
def a_slow_download_outlives_its_generation():
    data = random.Random(6).randbytes(8_000_000)
    tree = Tree({"f.bin": data, "a.txt": b"a"})
    with Server("--no-watch", roots=[tree]) as server, Client(server.address, timeout=15, receive_buffer=8192) as slow:
        slow.send(b"GET /f.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.fill()
        tree.replace("f.bin", b"new")
        for _ in range(3):
            server.reload()
        equal(body_of(server.address, "/f.bin"), b"new")
        true(slow.read().body == data, "the octets of the old file")
        equal(slow.get("/f.bin").body, b"new")


@test
def a_burst_of_hups_ends_in_the_last_state():
    tree = Tree({"f%d.txt" % i: b"0" for i in range(200)})
    with Server("--no-watch", roots=[tree]) as server:
        for round_ in range(60):
            tree.replace("f0.txt", b"%d" % round_)
            server.kill(signal.SIGHUP)
        wait_for(lambda: body_of(server.address, "/f0.txt") == b"59", "the last state")


class Load:
    """Keep-alive clients that check every answer: no error, no close, one content for an ETag.

    A file that has changed since it was indexed may be sent as it is now, without an ETag."""

    def __init__(self, address, targets, clients=6):
        self.stop, self.faults, self.tags, self.count = threading.Event(), [], {}, 0
        self.threads = [threading.Thread(target=self.read, args=(address, targets, i)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def read(self, address, targets, seed):
        chance = random.Random(seed)
        try:
            with Client(address, timeout=15) as client:
                while not self.stop.is_set():
                    batch = [chance.choice(targets) for _ in range(chance.choice((1, 1, 1, 10)))]
                    client.send(b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode() for target in batch))
                    for target in batch:
                        self.check(target, client.read())
        except (AssertionError, OSError) as error:
            self.faults.append(repr(error))

    def check(self, target, r):
        equal((r.status, r.closes), (200, False), target)
        known = self.tags.setdefault((target, r.get("etag")), r.body) if r.has("etag") else r.body
        true(known == r.body, "one ETag, two contents: %s\n    %d octets %r\n    %d octets %r\n    %r" % (
            target, len(known), known[:40], len(r.body), r.body[:40], r.fields))
        true(r.body.startswith(target.encode()), "the octets are those of %s" % target)
        self.count += 1

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        equal(self.faults, [])
        true(self.count > 100, "%d requests" % self.count)


def deploy(tree, names, version):
    for name in names:
        tree.replace(name, b"/%s %d " % (name.encode(), version) * (1 + hash(name) % 50 * (1000 if name.startswith("big") else 1)))


@test
def deploys_by_rename_under_load_lose_nothing():
    names = ["f%d.txt" % i for i in range(40)] + ["big%d.bin" % i for i in range(3)]
    tree = Tree({name: b"" for name in names})
    deploy(tree, names, 0)
    with Server("--no-watch", roots=[tree]) as server:
        load = Load(server.address, ["/" + name for name in names])
        for version in range(1, 21):
            deploy(tree, names, version)
            server.reload(20)
            time.sleep(0.02)
        load.finish()


@test
def deploys_under_watch_lose_nothing():
    names = ["f%d.txt" % i for i in range(40)]
    tree = Tree({name: b"" for name in names})
    deploy(tree, names, 0)
    with Server(roots=[tree]) as server:
        load = Load(server.address, ["/" + name for name in names], 4)
        for version in range(1, 13):
            deploy(tree, names, version)
            time.sleep(0.2)
        load.finish()
        wait_for(lambda: all(b" 12 " in fetch(server.address, "/" + name).body for name in names), "the last deploy")


@test
def descriptors_do_not_grow_with_generations():
    tree = Tree({"f%d.txt" % i: b"x" for i in range(50)})
    tree.write("large.bin", b"x" * 3_000_000)
    with Server(roots=[tree]) as server:
        server.reload()
        base = server.descriptors()
        for i in range(25):
            tree.replace("f1.txt", b"%d" % i)
            server.reload()
        fetch(server.address, "/f1.txt")
        wait_for(lambda: server.descriptors() <= base + 1, "%d descriptors, %d at first" % (server.descriptors(), base))
