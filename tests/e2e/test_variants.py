# SPDX-License-Identifier: MIT
"""Variants that the server makes, the cache directory, and warm starts."""
import ctypes
import gzip
import json
import os
import random
import shutil
import time

from case import Skip, equal, one_of, table, test, true
from server import Server, Tree, run_program, temporary
from wire import Client, fetch

WAIT_S = 120
CODINGS = ("gzip", "br", "zstd")
KILLS = int(os.environ.get("SCRUBJAY_KILLS", "6"))
WORDS = ("compress", "index", "generation", "variant", "the", "of", "a", "serves", "content", "worker", "is", "and")


def library(name):
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise Skip(str(error))


def expand(coding, data, length):
    """`data` in that coding, which must come to `length` octets at the most."""
    if coding in (None, "identity"):
        return data
    if coding == "gzip":
        return gzip.decompress(data)
    room = ctypes.create_string_buffer(length + 1)
    if coding == "zstd":
        call = library("libzstd.so.1").ZSTD_decompress
        call.restype = ctypes.c_size_t
        n = call(room, ctypes.c_size_t(length + 1), data, ctypes.c_size_t(len(data)))
    else:
        size = ctypes.c_size_t(length + 1)
        true(library("libbrotlidec.so.1").BrotliDecoderDecompress(ctypes.c_size_t(len(data)), data, ctypes.byref(size), room), "br: it decodes")
        n = size.value
    true(n <= length, "%s: it decodes" % coding)
    return room.raw[:n]


def text(seed, length=6000):
    choose = random.Random(seed)
    return " ".join(choose.choice(WORDS) for _ in range(length // 5))[:length].encode()


def settled(files):
    """A tree so old that what is read of it can be trusted."""
    tree = Tree(files)
    time.sleep(0.05)
    return tree


def serve(tree, cache, control, *options, **more):
    return Server("--cache-dir", cache, "--control", control, *options, roots=[tree], **more)


def status(control):
    code, out, errors = run_program("status", "--json", "--control", control)
    equal((code, errors), (0, ""))
    return json.loads(out)


def finish(control, count="improving"):
    """Waits until nothing of that is left to do; what status says then."""
    end = time.monotonic() + WAIT_S
    while True:
        said = status(control)
        if said["variants"][count] == 0:
            return said
        true(time.monotonic() < end, "variants are made: %r" % said["variants"])
        time.sleep(0.05)


def check(address, path, coding, allowed, coded=None):
    """The response expands to one of the contents; `coded`: is it in that coding?"""
    r = fetch(address, path, {"Accept-Encoding": coding})
    equal(r.status, 200, path)
    got = r.get("content-encoding")
    if coded:
        equal(got, coded, path)
    one_of(expand(got, r.body, max(map(len, allowed))), allowed, "%s as %s" % (path, got))
    return r


def check_all(address, contents):
    for path, content in contents.items():
        for coding in CODINGS:
            check(address, "/" + path, coding, [content], coding)
        check(address, "/" + path, "identity", [content])


CONTENTS = {"a.css": text(1), "d/b.html": text(2, 60000), "d/c.js": text(3, 700)}


@test
def each_coding_is_answered_after_a_moment():
    cache, control = temporary(), temporary()
    with serve(Tree(CONTENTS), cache, control) as server:
        finish(control)
        check_all(server.address, CONTENTS)
        r = fetch(server.address, "/a.css")
        equal((r.get("content-encoding"), r.listed("vary")), (None, ["accept-encoding"]), "without Accept-Encoding")


@test
def a_variant_has_validators_and_ranges_of_its_own():
    cache, control = temporary(), temporary()
    with serve(Tree(CONTENTS), cache, control) as server:
        finish(control)
        tags = set()
        for coding in (*CODINGS, "identity"):
            r = fetch(server.address, "/a.css", {"Accept-Encoding": coding})
            tags.add(r.get("etag"))
            again = fetch(server.address, "/a.css", {"Accept-Encoding": coding, "If-None-Match": r.get("etag")})
            equal(again.status, 304, coding)
            part = fetch(server.address, "/a.css", {"Accept-Encoding": coding, "Range": "bytes=5-20"})
            equal((part.status, part.body), (206, r.body[5:21]), coding)
        equal(len(tags), 4, "tags differ")


@test
def the_first_answer_does_not_wait_for_variants():
    cache, control = temporary(), temporary()
    with serve(Tree(CONTENTS), cache, control) as server:
        for path, content in CONTENTS.items():
            check(server.address, "/" + path, "br", [content])


@test
def a_restart_reads_and_compresses_nothing():
    tree, cache, control = settled(CONTENTS), temporary(), temporary()
    with serve(tree, cache, control):
        made = finish(control)
    equal(made["variants"]["compressed"], 2 * 3 * len(CONTENTS), "both efforts")
    with serve(tree, cache, control) as server:
        for path, content in CONTENTS.items():
            check(server.address, "/" + path, "identity", [content])
        found = finish(control)
        check_all(server.address, CONTENTS)
    equal((found["index"]["files_read"], found["variants"]["compressed"]), (0, 0), "after the restart")
    equal(found["variants"]["served_bytes"], made["variants"]["served_bytes"], "the same variants")


@test
def many_files_are_right_before_they_are_filled():
    contents = {"%d/%d.txt" % (i % 7, i): text(i, 200 + 40 * i) for i in range(400)}
    tree, cache, control = settled(contents), temporary(), temporary()
    with serve(tree, cache, control, "--no-compress"):
        pass
    with serve(tree, cache, control, "--no-compress") as server:
        with Client(server.address) as client:
            for path, content in contents.items():
                equal(client.get("/" + path).body, content, path)
        equal(status(control)["index"]["files_read"], 0, "read before it served")


@test
def what_changed_meanwhile_is_right_after_a_restart():
    tree, cache, control = settled(CONTENTS), temporary(), temporary()
    with serve(tree, cache, control):
        finish(control)
    contents = dict(CONTENTS)
    contents["a.css"] = text(9)  # of the same length
    tree.write("a.css", contents["a.css"])  # and time
    with serve(tree, cache, control) as server:
        for path, content in contents.items():
            for coding in (*CODINGS, "identity"):
                check(server.address, "/" + path, coding, [content])
        said = finish(control)
        check_all(server.address, contents)
    equal((said["index"]["files_read"], said["variants"]["compressed"]), (1, 6), "the one file")


@test
def one_touched_file_is_the_only_one_that_is_compressed():
    contents = {"%d.txt" % i: text(i, 900) for i in range(60)}
    tree, cache, control = settled(contents), temporary(), temporary()
    with serve(tree, cache, control) as server:
        before = finish(control)["variants"]["compressed"]
        contents["7.txt"] = text(1000, 900)
        tree.replace("7.txt", contents["7.txt"])
        server.reload()
        equal(finish(control)["variants"]["compressed"], before + 6, "one content, three codings, two efforts")
        check_all(server.address, contents)


@test
def a_sidecar_in_the_tree_wins():
    tree, cache, control = settled(CONTENTS), temporary(), temporary()
    sidecar = gzip.compress(CONTENTS["a.css"], 1)
    tree.write("a.css.gz", sidecar)
    with serve(tree, cache, control) as server:
        finish(control)
        equal(fetch(server.address, "/a.css", {"Accept-Encoding": "gzip"}).body, sidecar)
        check(server.address, "/a.css", "br", [CONTENTS["a.css"]], "br")


@test
def without_compression_files_are_sent_as_they_are():
    cache, control = temporary(), temporary()
    with serve(Tree(CONTENTS), cache, control, "--no-compress") as server:
        equal(status(control)["variants"]["pending"], 0)
        r = fetch(server.address, "/a.css", {"Accept-Encoding": "gzip, br, zstd"})
        equal((r.get("content-encoding"), r.has("vary"), r.body), (None, False, CONTENTS["a.css"]))


@test
def systemds_cache_directory_is_the_default():
    cache, control = temporary(), temporary()
    with Server("--control", control, roots=[Tree(CONTENTS)], env={**os.environ, "CACHE_DIRECTORY": cache}):
        finish(control)
    true(os.path.isdir(os.path.join(cache, "variants")), "variants are there")


@test
def a_directory_that_cannot_be_used_is_named_once():
    control, cache = temporary(), temporary()
    with open(cache, "w") as file:
        file.write("a file")
    with serve(Tree(CONTENTS), cache, control) as server:
        finish(control)
        check_all(server.address, CONTENTS)
        server.reload()
        equal(len([line for line in server.lines if cache in line and "variants" not in line]), 1, "warnings that name it")


@table([("of gzip", "gzip"), ("of br", "br"), ("of zstd", "zstd")])
def a_variant_larger_than_memory_allows_is_sent_from_the_cache(coding):
    content = bytes(random.Random(5).choices(b"abcdefgh", k=300000))
    cache, control = temporary(), temporary()
    with serve(Tree({"a.txt": content}), cache, control, "--memory-file-limit", "10K") as server:
        finish(control)
        check(server.address, "/a.txt", coding, [content], coding)
        part = fetch(server.address, "/a.txt", {"Accept-Encoding": coding, "Range": "bytes=-10"})
        equal((part.status, len(part.body)), (206, 10), "its end")


@test
def an_emptied_cache_directory_does_no_harm():
    tree, cache, control = settled(CONTENTS), temporary(), temporary()
    with serve(tree, cache, control) as server:
        finish(control)
        shutil.rmtree(cache)
        tree.replace("a.css", text(77))
        server.reload()
        finish(control)
        check_all(server.address, {**CONTENTS, "a.css": text(77)})


@test
def servers_that_are_killed_leave_no_wrong_variant():
    """Two share one cache directory and one tree, whose files change.  SCRUBJAY_KILLS says how often
    one of them is killed."""
    choose = random.Random(KILLS)
    versions = {"%d.txt" % i: [text(i, 500 + 300 * i)] for i in range(40)}
    tree, cache = Tree({path: contents[0] for path, contents in versions.items()}), temporary()
    controls = [temporary(), temporary()]
    servers = [serve(tree, cache, control) for control in controls]
    try:
        for n in range(KILLS):
            time.sleep(choose.random() * 0.4)
            at = choose.randrange(2)
            servers[at].abandon()
            for path in choose.sample(sorted(versions), 3):
                versions[path].append(text(1000 + len(versions[path]) * 100 + n, 3000))
                tree.replace(path, versions[path][-1])
            servers[at] = serve(tree, cache, controls[at])
            for path in choose.sample(sorted(versions), 8):
                for coding in (*CODINGS, "identity"):
                    check(servers[n % 2].address, "/" + path, coding, versions[path])
        for server, control in zip(servers, controls):
            server.reload()
            finish(control)
            check_all(server.address, {path: contents[-1] for path, contents in versions.items()})
            server.stop()
        with serve(tree, cache, controls[0]) as server:
            equal(finish(controls[0])["variants"]["compressed"], 0, "all of them had been stored")
            check_all(server.address, {path: contents[-1] for path, contents in versions.items()})
    finally:
        for server in servers:
            server.abandon()
