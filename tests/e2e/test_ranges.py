# SPDX-License-Identifier: MIT
"""Range requests: RFC 9110 section 14, and our limits."""
import random

import content
import wire
from case import equal, one_of, table, test, true
from server import OLD, shared
from test_conditionals import expand
from wire import Client, fetch, format_date

SIZE = len(content.DIGITS)
HUGE = "9" * 60


@table([(value, value, first, last) for value, first, last in (
    ("bytes=0-0", 0, 0), ("bytes=0-9", 0, 9), ("bytes=5-5", 5, 5), ("bytes=%d-%d" % (SIZE - 1, SIZE - 1), SIZE - 1, SIZE - 1),
    ("bytes=0-", 0, SIZE - 1), ("bytes=9-", 9, SIZE - 1), ("bytes=%d-" % (SIZE - 1), SIZE - 1, SIZE - 1), ("bytes=-1", SIZE - 1, SIZE - 1),
    ("bytes=-10", SIZE - 10, SIZE - 1), ("bytes=-%d" % SIZE, 0, SIZE - 1), ("bytes=-%d" % (SIZE + 1), 0, SIZE - 1), ("bytes=-" + HUGE, 0, SIZE - 1),
    ("bytes=0-%d" % (SIZE - 1), 0, SIZE - 1), ("bytes=0-%d" % SIZE, 0, SIZE - 1), ("bytes=7-" + HUGE, 7, SIZE - 1),
    ("bytes=7-18446744073709551615", 7, SIZE - 1), ("bytes=7-18446744073709551616", 7, SIZE - 1), ("bytes=7-9223372036854775807", 7, SIZE - 1),
    ("BYTES=0-1", 0, 1), ("Bytes=2-3", 2, 3), ("bytes=00-01", 0, 1), ("bytes=0000000000000000000000000000003-4", 3, 4),
    ("bytes=0-1 ", 0, 1), ("bytes=,0-1", 0, 1), ("bytes=0-1,", 0, 1), ("bytes=0-1, ,", 0, 1), ("bytes=-18446744073709551617", 0, SIZE - 1))])
def a_single_range_is_served(value, first, last):
    with Client(shared(content.common).address) as client:
        r = client.get("/digits.txt", {"Range": value})
        equal((r.status, r.get("content-range")), (206, "bytes %d-%d/%d" % (first, last, SIZE)), value)
        equal(r.body, content.DIGITS[first:last + 1], value)
        plain = client.get("/digits.txt")
        for name in ("etag", "last-modified", "cache-control", "vary", "content-type", "access-control-allow-origin"):
            equal(r.get(name), plain.get(name), name)


@table([(value, value) for value in (
    "bytes=5-3", "bytes=", "bytes", "bytes=a-b", "bytes=1-b", "bytes=--1", "bytes=-", "bytes=1", "bytes=1-2-3", "bytes=1 -2", "bytes=1- 2", "bytes=+1-2",
    "bytes=-+1", "bytes=1-+2", "bytes=0x0-0x1", "bytes 0-1", "bytes:0-1", "bytes =0-1", "=0-1", "0-1", "items=0-1", "byte=0-1", "bytess=0-1", "bytes=0-1;2-3", "bytes=0-1,x",
    "bytes=x,0-1", "bytes=0-1,5-3", "bytes==0-1", "bytes=\"0-1\"", "none=0-1", "lines=1-2", "bytes=1.0-2", "bytes=0-1,--1", "bytes=0-\xb2", "bytes=1e1-20")])
def an_invalid_range_is_ignored_or_refused(value):
    r = fetch(shared(content.common).address, "/digits.txt", {"Range": value})
    one_of(r.status, {200, 416} if value.lower().startswith("bytes=") else {200}, value)
    if r.status == 200:
        equal(r.body, content.DIGITS)


@test
def a_range_from_end_to_start_is_ignored():
    equal(fetch(shared(content.common).address, "/digits.txt", {"Range": "bytes=5-3"}).status, 200)


@table([(value, value) for value in ("bytes=%d-" % SIZE, "bytes=%d-%d" % (SIZE, SIZE + 5), "bytes=-0", "bytes=-000", "bytes=" + HUGE + "-", "bytes=%s-%s" % (HUGE, HUGE),
                                     "bytes=18446744073709551616-", "bytes=18446744073709551616-18446744073709551617", "bytes=%d-,-0" % SIZE, "bytes=9223372036854775808-")])
def an_unsatisfiable_range_gets_416(value):
    r = fetch(shared(content.common).address, "/digits.txt", {"Range": value})
    equal((r.status, r.get("content-range")), (416, "bytes */%d" % SIZE), value)
    equal(r.get("access-control-allow-origin"), "*")


@table([(value, value, spans) for value, spans in (
    ("bytes=0-1,5-6", [(0, 1), (5, 6)]), ("bytes=0-0,2-2,4-4", [(0, 0), (2, 2), (4, 4)]), ("bytes=0-1, 5-6 ,9-10", [(0, 1), (5, 6), (9, 10)]),
    ("bytes=0-1,-2", [(0, 1), (SIZE - 2, SIZE - 1)]), ("bytes=0-1,9000-", [(0, 1), (9000, SIZE - 1)]), ("bytes=0-1,9990-99999", [(0, 1), (9990, SIZE - 1)]),
    ("bytes=,0-1,,5-6,", [(0, 1), (5, 6)]), ("bytes=10-19,100-199,1000-1999", [(10, 19), (100, 199), (1000, 1999)]),
    ("bytes=" + ",".join("%d-%d" % (i * 100, i * 100 + 3) for i in range(16)), [(i * 100, i * 100 + 3) for i in range(16)]))])
def several_ranges_come_as_multipart(value, spans):
    address = shared(content.common).address
    plain = fetch(address, "/digits.txt")
    r = fetch(address, "/digits.txt", {"Range": value})
    equal(r.status, 206)
    parts = wire.parse_multipart(r)
    equal([(first, last) for first, last, *_ in parts], spans)
    for first, last, complete, fields, octets in parts:
        equal(complete, SIZE)
        equal(octets, content.DIGITS[first:last + 1])
        equal(fields.get("content-type"), plain.get("content-type"))
    equal(r.get("etag"), plain.get("etag"))


@table([(value[:40], value) for value in (
    "bytes=0-100,50-150", "bytes=0-,0-", "bytes=0-9,0-9", "bytes=5-6,0-1", "bytes=0-,5-6", "bytes=-5,-6", "bytes=" + ",".join("%d-%d" % (i * 9, i * 9) for i in range(17)),
    "bytes=" + ",".join(["0-"] * 500), "bytes=" + ",".join("%d-%d" % (i, i) for i in range(0, 1300)), "bytes=" + ",".join(["-1"] * 1000), "bytes=0-4999,5001-",
    "bytes=0-1,2-3,1-2")])
def overlaps_and_many_parts_never_cost_more_than_the_file(value):
    r = fetch(shared(content.common).address, "/digits.txt", {"Range": value})
    one_of(r.status, {200, 206, 416}, value)
    true(len(r.body) <= SIZE + 1000, "body of %d octets" % len(r.body))
    if r.status == 200:
        equal(r.body, content.DIGITS)
    elif r.status == 206 and not r.has("content-range"):
        for first, last, _, _, octets in wire.parse_multipart(r):
            equal(octets, content.DIGITS[first:last + 1])


@table([(value, value) for value in ("bytes=0-100,50-150", "bytes=5-6,0-1", "bytes=" + ",".join("%d-%d" % (i * 9, i * 9) for i in range(17)), "bytes=0-4999,5000-")])
def ranges_past_our_limits_get_the_whole_file(value):
    r = fetch(shared(content.common).address, "/digits.txt", {"Range": value})
    equal((r.status, r.body == content.DIGITS), (200, True))


@table([(value, value, first, last) for value, first, last in (("bytes=0-1,%d-" % SIZE, 0, 1), ("bytes=%d-,0-1" % SIZE, 0, 1), ("bytes=-0,3-4", 3, 4))])
def one_satisfiable_of_two_is_served(value, first, last):
    r = fetch(shared(content.common).address, "/digits.txt", {"Range": value})
    one_of(r.status, {200, 206}, value)
    if r.status == 206 and r.has("content-range"):
        equal(r.body, content.DIGITS[first:last + 1])


@test
def a_single_range_is_never_multipart():
    for value in ("bytes=0-0", "bytes=0-", "bytes=-5"):
        r = fetch(shared(content.common).address, "/digits.txt", {"Range": value})
        true(r.has("content-range"), value)


@table([(method, method) for method in ("HEAD", "POST", "OPTIONS")])
def only_get_has_ranges(method):
    r = fetch(shared(content.common).address, "/digits.txt", {"Range": "bytes=0-1", "Content-Length": "0"}, method)
    one_of(r.status, {200, 204, 405}, method)
    if method == "HEAD":
        equal(r.get("content-length"), str(SIZE))


@test
def ranges_of_an_empty_file():
    address = shared(content.common).address
    for value in ("bytes=0-", "bytes=0-0", "bytes=-1"):
        one_of(fetch(address, "/empty.txt", {"Range": value}).status, {200, 416}, value)


@test
def two_range_lines_are_no_riddle():
    r = fetch(shared(content.common).address, "/digits.txt", [("Range", "bytes=0-1"), ("Range", "bytes=5-6")])
    one_of(r.status, {200, 206, 400, 416}, "status")


IF_RANGE = [
    ("etag hit", "E", 206), ("etag miss", '"x"', 200), ("weak etag", "W/E", 200), ("date", "D", 206), ("date later", "F", 200), ("date earlier", "P", 200),
    ("garbage", "soon", 200), ("star", "*", 200), ("list", 'E, "x"', 200), ("empty", "", 200), ("without quotes", "U", 200), ("lower case w", "w/E", 200)]


@table(IF_RANGE)
def if_range_guards_the_range(value, status):
    address = shared(content.common).address
    etag = fetch(address, "/digits.txt").get("etag")
    wanted = expand(value, etag)
    r = fetch(address, "/digits.txt", {"Range": "bytes=0-1", "If-Range": wanted})
    equal(r.status, status, wanted)
    equal(r.body, content.DIGITS if status == 200 else content.DIGITS[:2])
    equal(fetch(address, "/digits.txt", {"If-Range": wanted}).status, 200, "without Range")


@test
def if_range_false_beats_an_unsatisfiable_range():
    r = fetch(shared(content.common).address, "/digits.txt", {"Range": "bytes=99999-", "If-Range": '"x"'})
    equal((r.status, len(r.body)), (200, SIZE))


@test
def if_range_comes_after_if_none_match():
    address = shared(content.common).address
    etag = fetch(address, "/digits.txt").get("etag")
    equal(fetch(address, "/digits.txt", {"Range": "bytes=0-1", "If-Range": etag, "If-None-Match": etag}).status, 304)
    equal(fetch(address, "/digits.txt", {"Range": "bytes=0-1", "If-Range": format_date(OLD), "If-Match": '"x"'}).status, 412)


@test
def ranges_apply_to_the_chosen_form():
    address = shared(content.common).address
    for coding, data in (("gzip", content.SHEET_GZ), ("br", content.SHEET_BR), ("zstd", content.SHEET_ZST)):
        r = fetch(address, "/all.css", {"Accept-Encoding": coding, "Range": "bytes=1-9"})
        equal((r.status, r.get("content-range"), r.get("content-encoding")), (206, "bytes 1-9/%d" % len(data), coding))
        equal(r.body, data[1:10])
    plain = fetch(address, "/all.css").get("etag")
    r = fetch(address, "/all.css", {"Accept-Encoding": "gzip", "Range": "bytes=1-9", "If-Range": plain})
    equal((r.status, r.body), (200, content.SHEET_GZ), "If-Range with another form's tag")


@test
def ranges_of_a_large_file_fit_together():
    chance = random.Random(5)
    size = len(content.LARGE)
    with Client(shared(content.common).address) as client:
        for _ in range(60):
            first = chance.randrange(size)
            last = min(size - 1, first + chance.choice((0, 1, 4095, 65536, 1 << 20, size)))
            r = client.get("/large.bin", {"Range": "bytes=%d-%d" % (first, last)})
            equal(r.status, 206)
            true(r.body == content.LARGE[first:last + 1], "octets %d-%d" % (first, last))


@test
def several_ranges_of_a_large_file():
    size = len(content.LARGE)
    spans = [(0, 99), (1 << 20, (1 << 20) + 300000), (size - 50000, size - 1)]
    with Client(shared(content.common).address) as client:
        for _ in range(5):
            r = client.get("/large.bin", {"Range": "bytes=" + ",".join("%d-%d" % span for span in spans)})
            equal(r.status, 206)
            equal([(first, last, octets == content.LARGE[first:last + 1]) for first, last, _, _, octets in wire.parse_multipart(r)],
                  [(first, last, True) for first, last in spans])
        equal(client.get("/probe.txt").body, content.PROBE)
