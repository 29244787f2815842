# SPDX-License-Identifier: MIT
"""Preconditions, in the order of RFC 9110 section 13.2.2."""
import calendar
import time

import content
from case import equal, table, test, true
from server import OLD, Tree, Server, shared
from wire import Client, fetch, format_date

ASCTIME = "%a %b %e %H:%M:%S %Y"
KEPT = ("etag", "cache-control", "vary", "expires", "content-location", "access-control-allow-origin")


def rfc850(seconds):
    return time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(seconds))


def asctime(seconds):
    return time.strftime(ASCTIME, time.gmtime(seconds))


# E stands for the ETag, D the date of the file, P and F a second before and after, X for another tag.
ROWS = [
    ("if-none-match hit", {"If-None-Match": "E"}, 304), ("if-none-match miss", {"If-None-Match": "X"}, 200),
    ("if-none-match star", {"If-None-Match": "*"}, 304), ("if-none-match weak hit", {"If-None-Match": "W/E"}, 304),
    ("if-none-match list", {"If-None-Match": 'X, W/"y", E'}, 304), ("if-none-match list without spaces", {"If-None-Match": "X,E,X"}, 304),
    ("if-none-match list with empty elements", {"If-None-Match": ", ,X,, E ,"}, 304), ("if-none-match list of misses", {"If-None-Match": 'X, W/"y", "z"'}, 200),
    ("if-none-match without quotes", {"If-None-Match": "U"}, 200), ("if-none-match lower weak", {"If-None-Match": "w/E"}, 200),
    ("if-none-match empty", {"If-None-Match": ""}, 200), ("if-none-match tag with a comma", {"If-None-Match": '"a,b", E'}, 304),
    ("if-none-match beats a date that matches", {"If-None-Match": "X", "If-Modified-Since": "D"}, 200),
    ("if-none-match beats a date that does not", {"If-None-Match": "E", "If-Modified-Since": "P"}, 304),
    ("if-modified-since same", {"If-Modified-Since": "D"}, 304), ("if-modified-since later", {"If-Modified-Since": "F"}, 304),
    ("if-modified-since earlier", {"If-Modified-Since": "P"}, 200), ("if-modified-since rfc 850", {"If-Modified-Since": "D850"}, 304),
    ("if-modified-since asctime", {"If-Modified-Since": "Dasc"}, 304), ("if-modified-since rfc 850 earlier", {"If-Modified-Since": "P850"}, 200),
    ("if-modified-since asctime earlier", {"If-Modified-Since": "Pasc"}, 200), ("if-modified-since garbage", {"If-Modified-Since": "yesterday"}, 200),
    ("if-modified-since number", {"If-Modified-Since": "9999999999"}, 200), ("if-modified-since empty", {"If-Modified-Since": ""}, 200),
    ("if-modified-since bad day", {"If-Modified-Since": "Sun, 32 Sep 2030 12:26:40 GMT"}, 200),
    ("if-modified-since bad month", {"If-Modified-Since": "Sun, 13 Foo 2030 12:26:40 GMT"}, 200),
    ("if-modified-since bad hour", {"If-Modified-Since": "Sun, 13 Sep 2030 24:26:40 GMT"}, 200),
    ("if-modified-since no zone", {"If-Modified-Since": "Fri, 13 Sep 2030 12:26:40"}, 200),
    ("if-modified-since junk behind", {"If-Modified-Since": "Fri, 13 Sep 2030 12:26:40 GMT; length=5"}, 200),
    ("if-modified-since epoch", {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
    ("if-match hit", {"If-Match": "E"}, 200), ("if-match miss", {"If-Match": "X"}, 412), ("if-match star", {"If-Match": "*"}, 200),
    ("if-match weak never", {"If-Match": "W/E"}, 412), ("if-match list", {"If-Match": "X, E"}, 200), ("if-match list of misses", {"If-Match": 'X, "y", W/E'}, 412),
    ("if-match beats a date that fails", {"If-Match": "E", "If-Unmodified-Since": "P"}, 200),
    ("if-match fails despite a date that holds", {"If-Match": "X", "If-Unmodified-Since": "F"}, 412),
    ("if-unmodified-since same", {"If-Unmodified-Since": "D"}, 200), ("if-unmodified-since later", {"If-Unmodified-Since": "F"}, 200),
    ("if-unmodified-since earlier", {"If-Unmodified-Since": "P"}, 412), ("if-unmodified-since rfc 850", {"If-Unmodified-Since": "P850"}, 412),
    ("if-unmodified-since asctime", {"If-Unmodified-Since": "Pasc"}, 412), ("if-unmodified-since garbage", {"If-Unmodified-Since": "never"}, 200),
    ("if-match before if-none-match", {"If-None-Match": "E", "If-Match": "X"}, 412), ("both hold", {"If-Match": "E", "If-None-Match": "E"}, 304),
    ("if-unmodified-since before if-none-match", {"If-None-Match": "E", "If-Unmodified-Since": "P"}, 412),
    ("if-match hit and if-modified-since", {"If-Match": "E", "If-Modified-Since": "D"}, 304),
    ("if-unmodified-since and if-modified-since", {"If-Unmodified-Since": "D", "If-Modified-Since": "D"}, 304),
    ("304 before a range", {"If-None-Match": "E", "Range": "bytes=0-1"}, 304), ("412 before a range", {"If-Match": "X", "Range": "bytes=0-1"}, 412),
    ("304 before a bad range", {"If-None-Match": "E", "Range": "bytes=999999-"}, 304), ("range after a miss", {"If-None-Match": "X", "Range": "bytes=0-1"}, 206),
]


def expand(value, etag):
    dates = {"D": OLD, "P": OLD - 1, "F": OLD + 1}
    for letter, seconds in dates.items():
        for text, form in ((letter, format_date), (letter + "850", rfc850), (letter + "asc", asctime)):
            if value == text:
                return form(seconds)
    parts = []
    for part in value.split(","):
        bare = part.strip()
        new = {"E": etag, "W/E": "W/" + etag, "w/E": "w/" + etag, "X": '"other"', "U": etag.strip('"')}.get(bare, bare)
        parts.append(part.replace(bare, new) if bare else part)
    return ",".join(parts)


@table(ROWS)
def a_precondition_decides(fields, status):
    address = shared(content.common).address
    for target in ("/hello.txt", "/large.bin"):
        plain = fetch(address, target, method="HEAD")
        wanted = {name: expand(value, plain.get("etag")) for name, value in fields.items()}
        for method in ("GET", "HEAD"):
            with Client(address) as client:
                r = client.get(target, wanted, method)
                equal(r.status, 200 if method == "HEAD" and status == 206 else status, "%s %s %r" % (method, target, wanted))
                if status == 304:
                    for name in KEPT:
                        equal(r.get(name), plain.get(name), name + " on 304")
                    true(r.get("content-length") in (None, plain.get("content-length")), "Content-Length on 304")
                equal(client.get("/probe.txt").body, content.PROBE)


@table([("%s %s" % (field, target), field, value, target, status) for target, status in (("/nothing", 404), ("/dir", 302))
        for field, value in (("If-Match", '"x"'), ("If-Match", "*"), ("If-None-Match", "*"), ("If-Unmodified-Since", format_date(1)),
                             ("If-Modified-Since", format_date(OLD)), ("Range", "bytes=99999-")) if (field, value) != ("If-Match", "*")])
def no_precondition_changes_what_is_no_200(field, value, target, status):
    for method in ("GET", "HEAD"):
        got = fetch(shared(content.common).address, target, {field: value}, method).status
        true(got == status or status == 302 and got in (301, 307, 308), "status %d" % got)


@table([(method, method) for method in ("POST", "OPTIONS", "PUT", "DELETE")])
def other_methods_ignore_if_modified_since(method):
    r = fetch(shared(content.common).address, "/hello.txt", {"If-Modified-Since": format_date(OLD), "Content-Length": "0"}, method)
    true(r.status in (405, 204, 200), "status %d" % r.status)


@test
def lists_on_several_lines_combine():
    address = shared(content.common).address
    etag = fetch(address, "/hello.txt").get("etag")
    equal(fetch(address, "/hello.txt", [("If-None-Match", '"x"'), ("If-None-Match", etag)]).status, 304)
    equal(fetch(address, "/hello.txt", [("If-Match", '"x"'), ("If-Match", etag)]).status, 200)


@test
def a_304_of_a_variant_carries_its_own_etag():
    address = shared(content.common).address
    tags = {}
    for coding in ("identity", "gzip", "br", "zstd"):
        r = fetch(address, "/all.css", {"Accept-Encoding": coding})
        tags[coding] = r.get("etag")
        again = fetch(address, "/all.css", {"Accept-Encoding": coding, "If-None-Match": r.get("etag")})
        equal((again.status, again.get("etag"), again.get("vary")), (304, r.get("etag"), r.get("vary")), coding)
    equal(len(set(tags.values())), 4, "different ETags: %r" % tags)
    equal(fetch(address, "/all.css", {"Accept-Encoding": "gzip", "If-None-Match": tags["identity"]}).status, 200, "the tag of another form")


@test
def the_etag_depends_on_the_content_only():
    one, two = Tree({"a.txt": b"same\n", "b.txt": b"other\n"}), Tree()
    two.write("a.txt", b"same\n", OLD + 5000)
    with Server(roots=[one]) as first, Server(roots=[two], env={"TZ": "Asia/Tokyo"}) as second:
        equal(fetch(first.address, "/a.txt").get("etag"), fetch(second.address, "/a.txt").get("etag"))
        true(fetch(first.address, "/a.txt").get("etag") != fetch(first.address, "/b.txt").get("etag"), "different content, different tag")


@test
def last_modified_is_absent_without_time_and_never_in_the_future():
    tree = Tree()
    tree.write("zero.txt", b"x", 0)
    tree.write("future.txt", b"x", int(time.time()) + 86400)
    tree.write("old.txt", b"x", calendar.timegm((1999, 12, 31, 23, 59, 59)))
    with Server(roots=[tree]) as server:
        equal(fetch(server.address, "/zero.txt").get("last-modified"), None)
        equal(fetch(server.address, "/future.txt").status, 200)
        equal(fetch(server.address, "/old.txt").get("last-modified"), "Fri, 31 Dec 1999 23:59:59 GMT")
