# SPDX-License-Identifier: MIT
"""Content codings: which form of a file a client gets."""
import gzip
import zlib

import content
from case import equal, one_of, table, test, true
from server import OLD, Server, Tree, shared
from wire import fetch

FORMS = {"identity": content.SHEET, "gzip": content.SHEET_GZ, "br": content.SHEET_BR, "zstd": content.SHEET_ZST}
assert len(content.SHEET_ZST) < len(content.SHEET_BR) < len(content.SHEET_GZ) < len(content.SHEET)


def check_form(r, coding, what):
    equal(r.status, 200, what)
    equal(r.get("content-encoding", "identity"), coding, what)
    true(r.body == FORMS[coding], "the octets are those of %s" % coding)
    equal(r.listed("vary"), ["accept-encoding"], "Vary")
    equal(r.get("content-type"), "text/css; charset=utf-8")


@table([(value, value, coding) for value, coding in (
    ("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("GZIP", "gzip"), ("Br", "br"), ("ZStd", "zstd"), ("gzip, br", "br"), ("br, gzip", "br"), ("gzip,br,zstd", "zstd"),
    ("zstd, br, gzip, deflate", "zstd"), ("gzip, deflate, br, zstd", "zstd"), ("gzip, deflate", "gzip"), ("", "identity"), (" ", "identity"), ("identity", "identity"),
    ("deflate", "identity"), ("compress, deflate", "identity"), ("gzip;q=0", "identity"), ("gzip;q=0.0", "identity"), ("gzip;q=0.000", "identity"), ("gzip; q=0", "identity"),
    ("gzip ; q=0", "identity"), ("gzip;Q=0", "identity"), ("gzip;q=0, br;q=0, zstd;q=0", "identity"), ("gzip;q=0, br", "br"), ("gzip;q=0.001", "gzip"), ("gzip;q=1", "gzip"),
    ("gzip;q=1.0", "gzip"), ("gzip;q=1.000", "gzip"), ("gzip;q=0.5", "gzip"), ("*", "zstd"), ("*;q=0.5", "zstd"), ("*;q=0, gzip", "gzip"), ("gzip, *;q=0", "gzip"),
    ("zstd;q=0, *", "br"), ("*, zstd;q=0, br;q=0", "gzip"), ("zstd;q=0, br;q=0, gzip;q=0, *", "identity"), ("identity;q=0, gzip", "gzip"), ("gzip, identity;q=0", "gzip"),
    ("identity;q=0, *", "zstd"), ("br;q=0.5, gzip;q=1", "gzip"), ("gzip;q=1.0, br;q=0.9, zstd;q=0.8", "gzip"), ("gzip;q=0.2, br;q=0.3, zstd;q=0.1", "br"),
    ("gzip;q=0.5, br;q=0.5", "br"), ("gzip;q=0.5, *;q=0.1", "gzip"), ("gzip;q=0.5, identity", "identity"), ("gzip;q=0.5, identity;q=0.6", "identity"),
    ("identity;q=0.5, gzip;q=0.6", "gzip"), ("identity, gzip", "gzip"), ("identity;q=1, *;q=0", "identity"), ("identity;q=0.1, *;q=0", "identity"), (",gzip", "gzip"), ("gzip,", "gzip"),
    (", ,gzip, ,", "gzip"), ("gzip\t,\tbr", "br"), ("gzipx", "identity"), ("xgzip", "identity"), ("brx, zstdx", "identity"), ("b", "identity"), ("gzi", "identity"),
    ("gzip-br", "identity"), ("x-br", "identity"), ("unknown, br;q=0.1", "br"), ("deflate;q=1.0, gzip;q=0.1", "gzip"))])
def the_client_gets_the_form_it_prefers(value, coding):
    address = shared(content.common).address
    check_form(fetch(address, "/all.css", {"Accept-Encoding": value}), coding, "Accept-Encoding: " + value)
    head = fetch(address, "/all.css", {"Accept-Encoding": value}, "HEAD")
    equal(head.get("content-encoding", "identity"), coding)
    equal(head.get("content-length"), str(len(FORMS[coding])))


@test
def without_the_field_the_plain_form_is_sent():
    check_form(fetch(shared(content.common).address, "/all.css"), "identity", "no field")


@test
def lists_on_two_lines_combine():
    address = shared(content.common).address
    check_form(fetch(address, "/all.css", [("Accept-Encoding", "gzip"), ("Accept-Encoding", "br")]), "br", "two lines")
    check_form(fetch(address, "/all.css", [("Accept-Encoding", "gzip"), ("Accept-Encoding", "gzip;q=0.5, identity;q=0.1")]), "gzip", "two lines")


@table([(value, value) for value in ("gzip;q=2", "gzip;q=abc", "gzip;q=0.1234", "gzip;q=", "gzip;q=-1", "gzip;q", "gzip;", "gzip;q=1;x=y", "gzip;x=y", "gzip;q=.5", "gzip;q=1.001",
                                     "gzip q=1", "gzip;q =1", "gzip;q= 1", "gzip=1", ";q=1", "gzip;q=\"1\"", "gzip, gzip;q=0", "x-gzip", "**", "*gzip", "gz ip", "gzip\"")])
def a_strange_field_gives_some_true_form(value):
    r = fetch(shared(content.common).address, "/all.css", {"Accept-Encoding": value})
    if r.status == 200:
        check_form(r, r.get("content-encoding", "identity"), value)
    else:
        one_of(r.status, {400, 406}, value)


@table([(value, value) for value in ("*;q=0", "identity;q=0", "identity;q=0, gzip;q=0", "identity;q=0.000, deflate", "*;q=0.0, deflate")])
def nothing_acceptable_is_no_riddle(value):
    for target in ("/all.css", "/hello.txt"):
        one_of(fetch(shared(content.common).address, target, {"Accept-Encoding": value}).status, {200, 406}, value)


@table([("gz", "gzip", "gz"), ("br", "br", "br"), ("zst", "zstd", "zst")])
def a_single_variant_is_found(coding, kind):
    address = shared(content.common).address
    check_form(fetch(address, "/%s.css" % kind, {"Accept-Encoding": "gzip, br, zstd"}), coding, kind)
    equal(fetch(address, "/%s.css.%s" % (kind, kind)).status, 404, "a variant is no resource of its own")


@test
def vary_stands_only_where_something_varies():
    address = shared(content.common).address
    for target in ("/hello.txt", "/large.bin", "/dir/"):
        for fields in ({}, {"Accept-Encoding": "gzip"}):
            equal(fetch(address, target, fields).get("vary"), None, target)


def serve_one(path, data, sidecars, *options):
    tree = Tree({path: data})
    for name, (body, mtime) in sidecars.items():
        tree.write(name, body, mtime)
    return Server(*options, roots=[tree])


SHORT = b"abc\n" * 100


@table([("older", gzip.compress(SHORT), OLD - 2), ("of other content", gzip.compress(SHORT + b"x"), OLD + 2), ("cut short", gzip.compress(SHORT)[:-4], OLD + 2),
        ("not compressed", SHORT, OLD + 2), ("empty", b"", OLD + 2), ("with a wrong checksum", gzip.compress(SHORT)[:-8] + bytes(8), OLD + 2),
        ("of the right beginning", gzip.compress(SHORT[:-1]), OLD + 2), ("in zlib form", zlib.compress(SHORT), OLD + 2)])
def a_variant_is_ignored_and_named(data, mtime):
    with serve_one("a.txt", SHORT, {"a.txt.gz": (data, mtime)}) as server:
        r = fetch(server.address, "/a.txt", {"Accept-Encoding": "gzip"})
        equal((r.status, r.get("content-encoding"), r.body == SHORT), (200, None, True))
        true(server.faults >= 1, "the start line counts the fault")
        true(any("a.txt.gz" in line for line in server.lines), "the log names the variant")


@table([(kind, kind, coding) for kind, coding in (("br", "br"), ("zst", "zstd"))])
def a_broken_variant_of_another_coding_is_ignored(kind, coding):
    good = {"br": content.SHEET_BR, "zst": content.SHEET_ZST}[kind]
    for data in (good[:-3], b"", b"garbage", good[:10] + b"\xff\xff" + good[12:], good + b"more"):
        with serve_one("a.css", content.SHEET, {"a.css." + kind: (data, OLD)}) as server:
            r = fetch(server.address, "/a.css", {"Accept-Encoding": coding})
            equal((r.status, r.get("content-encoding"), r.body == content.SHEET), (200, None, True), repr(data[:12]))


@test
def a_variant_of_several_members_is_true():
    data = gzip.compress(SHORT[:200]) + gzip.compress(SHORT[200:])
    with serve_one("a.txt", SHORT, {"a.txt.gz": (data, OLD)}) as server:
        r = fetch(server.address, "/a.txt", {"Accept-Encoding": "gzip"})
        equal(gzip.decompress(r.body) if r.has("content-encoding") else r.body, SHORT)


@test
def a_variant_larger_than_its_file_loses():
    with serve_one("a.txt", b"tiny", {"a.txt.gz": (gzip.compress(b"tiny"), OLD)}) as server:
        r = fetch(server.address, "/a.txt", {"Accept-Encoding": "gzip"})
        equal((r.get("content-encoding"), r.body), (None, b"tiny"))
        r = fetch(server.address, "/a.txt", {"Accept-Encoding": "gzip, identity;q=0"})
        equal((r.get("content-encoding"), gzip.decompress(r.body)), ("gzip", b"tiny"))


@test
def an_orphan_is_an_ordinary_file():
    with serve_one("x.css.gz", content.SHEET_GZ, {}) as server:
        r = fetch(server.address, "/x.css.gz", {"Accept-Encoding": "gzip"})
        equal((r.status, r.get("content-encoding"), r.body == content.SHEET_GZ, r.get("content-type")), (200, None, True, "application/gzip"))


@test
def index_files_and_404_pages_have_variants():
    page = b"<p>page</p>\n" * 200
    with serve_one("index.html", page, {"index.html.gz": (gzip.compress(page), OLD), "404.html": (page, OLD), "404.html.gz": (gzip.compress(page), OLD)}) as server:
        r = fetch(server.address, "/", {"Accept-Encoding": "gzip"})
        equal((r.get("content-encoding"), gzip.decompress(r.body) == page), ("gzip", True))
        r = fetch(server.address, "/nothing", {"Accept-Encoding": "gzip"})
        equal((r.status, (gzip.decompress(r.body) if r.has("content-encoding") else r.body) == page), (404, True))


@test
def a_large_variant_is_served_whole():
    data = b"".join(b"%d\n" % (i * i) for i in range(400_000))
    packed = gzip.compress(data, 1)
    with serve_one("big.txt", data, {"big.txt.gz": (packed, OLD)}) as server:
        r = fetch(server.address, "/big.txt", {"Accept-Encoding": "gzip"})
        equal((r.get("content-encoding"), r.body == packed), ("gzip", True))
        equal(fetch(server.address, "/big.txt").body == data, True)
