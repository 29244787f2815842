# SPDX-License-Identifier: MIT
"""Where a message ends: Content-Length, Transfer-Encoding, chunks, Expect.

No two readings of a message may be possible, so a fault always ends the connection; what
stands behind it is never answered.
"""
import time

import content
import wire
from case import equal, one_of, table, test, true
from server import shared
from test_parsing import judge, req

POST, GET = "POST /hello.txt HTTP/1.1", "GET /hello.txt HTTP/1.1"
BAIT = b"GET /bait HTTP/1.1\r\nHost: a\r\n\r\n"
# A server may answer and close without looking at a body; if it looks, a fault is 400.
UNREAD = {200, 400, 405, 413, 431}


def length_rows():
    for value in ("+5", "-5", "-0", "+0", "5 5", "0x5", "5a", "a", "", " ", "5,5", "5, 5", "5,6", "0,0", "5;5", "1e1", "5.0", "\"5\"", "5-",
                  "18446744073709551616", "18446744073709551621", "36893488147419103237", "9" * 40, "9" * 1000, "\xb2", "5\t5",
                  "0,", ",0", "0x0", "0b0", "00x", "\x005", "5\x00", "5 \x0b"):
        yield "length %r" % (value if len(value) < 50 else len(value)), req(POST, "Content-Length: " + value, body=b"hello")
    yield "two lengths alike", req(POST, "Content-Length: 5", "Content-Length: 5", body=b"hello")
    yield "two lengths", req(POST, "Content-Length: 5", "Content-Length: 6", body=b"hello")
    yield "two lengths, one nothing", req(GET, "Content-Length: 0", "Content-Length: 33", body=BAIT)
    yield "two lengths on http 1.0", req("GET /hello.txt HTTP/1.0", "Content-Length: 5", "Content-Length: 6", body=b"hello")
    yield "bad length on get", req(GET, "Content-Length: x")
    yield "bad length on head", req("HEAD /hello.txt HTTP/1.1", "Content-Length: x")
    yield "bad length on nothing", req("GET /nothing HTTP/1.1", "Content-Length: x")


def coding_rows():
    chunks = b"5\r\nhello\r\n0\r\n\r\n"
    for length in ("Content-Length: 5", "content-length: 0", "Content-Length: 15", "Content-Length: x"):
        yield "chunked and %s" % length, req(POST, "Transfer-Encoding: chunked", length, body=chunks)
        yield "%s and chunked" % length, req(POST, length, "Transfer-Encoding: chunked", body=chunks)
    yield "chunked and length on get", req(GET, "Transfer-Encoding: chunked", "Content-Length: 5", body=chunks)
    yield "identity and length", req(GET, "Transfer-Encoding: identity", "Content-Length: 5", body=b"hello")
    for value in ("chunked, gzip", "chunked, identity", "gzip", "identity", "chunked, chunked", "chunked;q=1", "chunked;a=b", "chunked ; x",
                  "chunkedx", "xchunked", "chunk", "\"chunked\"", "chu nked", "chunked chunked", "chunked\x0b", "\x0bchunked",
                  "chunked\x00", "", "gzip chunked", "chunked gzip", ";chunked", "chunked=", "'chunked'", "[chunked]", "chunked\xa0",
                  "gzip, chunked", "foo, chunked", "deflate, gzip, chunked", "identity, chunked", "chunked, foo, chunked"):
        yield "coding %r" % value, req(POST, "Transfer-Encoding: " + value, body=chunks)
        yield "coding %r on get" % value, req(GET, "Transfer-Encoding: " + value, body=chunks)
    yield "chunked on two lines", req(POST, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=chunks)
    yield "chunked then identity", req(POST, "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=chunks)
    yield "identity then chunked", req(POST, "Transfer-Encoding: identity", "Transfer-Encoding: chunked", body=chunks)
    yield "chunked then nothing", req(POST, "Transfer-Encoding: chunked", "Transfer-Encoding:", body=chunks)
    yield "chunked on http 1.0", req("POST /hello.txt HTTP/1.0", "Transfer-Encoding: chunked", body=chunks)
    yield "chunked on http 1.0 get", req("GET /hello.txt HTTP/1.0", "Transfer-Encoding: chunked", "Connection: keep-alive", body=chunks)
    yield "chunked and length on http 1.0", req("GET /hello.txt HTTP/1.0", "Transfer-Encoding: chunked", "Content-Length: 5", body=chunks)


def good_body_rows():
    for line, statuses in ((GET, {200}), (POST, {405}), ("HEAD /hello.txt HTTP/1.1", {200}), ("GET /nothing HTTP/1.1", {404})):
        def row(name, *fields, body=b"", line=line, statuses=statuses):
            return "%s, %s" % (line.rpartition(" ")[0], name), req(line, *fields, body=body), statuses, "any"
        yield row("length", "Content-Length: 5", body=b"hello")
        yield row("length with spaces", "Content-Length: \t 5 ", body=b"hello")
        yield row("a request as body", "Content-Length: %d" % len(BAIT), body=BAIT)
        yield row("body of line ends", "Content-Length: 8", body=b"\r\n\r\n\r\n\r\n")
        for coding in ("chunked", "Chunked", "CHUNKED", " chunked\t"):
            yield row("coding %r" % coding, "Transfer-Encoding: " + coding, body=b"5\r\nhello\r\n0\r\n\r\n")
        for name, body in (("no chunk", b"0\r\n\r\n"), ("several chunks", b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n"),
                           ("capital size", b"A\r\n0123456789\r\n0\r\n\r\n"), ("small size", b"a\r\n0123456789\r\n0\r\n\r\n"),
                           ("leading zeros", b"0005\r\nhello\r\n000\r\n\r\n"), ("extension", b"5;a\r\nhello\r\n0;b\r\n\r\n"),
                           ("extension with value", b"5;a=b;c=d\r\nhello\r\n0\r\n\r\n"),
                           ("extension quoted", b"5;a=\"b;\\\"c d\"\r\nhello\r\n0\r\n\r\n"),
                           ("trailers", b"5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n"),
                           ("trailers that mean nothing here", b"0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\nHost: b\r\nConnection: close\r\n\r\n"),
                           ("a request as chunk", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BAIT), BAIT)),
                           ("a chunk end as chunk", b"7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n")):
            yield row("chunked, " + name, "Transfer-Encoding: chunked", body=body)
    for value in ("0", "00", "0000000000"):
        yield "length %s" % value, req(GET, "Content-Length: " + value), {200, 400}, "any"
    yield "length 05", req(GET, "Content-Length: 05", body=b"hello"), {200, 400}, "any"
    yield "a comma before chunked", req(GET, "Transfer-Encoding: , chunked", body=b"0\r\n\r\n"), {200, 400}, "any"
    yield "many zeros in a size", req(GET, "Transfer-Encoding: chunked", body=b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n"), UNREAD, "any"
    yield "space before an extension", req(GET, "Transfer-Encoding: chunked", body=b"5 ;a=b\r\nhello\r\n0\r\n\r\n"), UNREAD, "any"
    yield "a thousand trailers", req(GET, "Transfer-Encoding: chunked", body=b"0\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), UNREAD | {408}, "any"
    yield "extension without name", req(GET, "Transfer-Encoding: chunked", body=b"5;\r\nhello\r\n0\r\n\r\n"), UNREAD, "any"


BAD_CHUNKS = {
    "negative size": b"-5\r\nhello\r\n0\r\n\r\n", "signed size": b"+5\r\nhello\r\n0\r\n\r\n", "prefixed size": b"0x5\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n", "no size": b"\r\nhello\r\n0\r\n\r\n", "no hex": b"g\r\nhello\r\n0\r\n\r\n",
    "hex then more": b"5g\r\nhello\r\n0\r\n\r\n", "two sizes": b"5 5\r\nhello\r\n0\r\n\r\n", "LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "CR after the size": b"5\rhello\r\n0\r\n\r\n", "LF after the data": b"5\r\nhello\n0\r\n\r\n", "nothing after the data": b"5\r\nhello0\r\n\r\n",
    "data too long": b"5\r\nhello!\r\n0\r\n\r\n", "data too short": b"5\r\nhell\r\n0\r\n\r\n", "CR CR LF": b"5\r\r\nhello\r\n0\r\n\r\n",
    "CR only after the data": b"5\r\nhello\r0\r\n\r\n", "LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "nul in an extension": b"5;a\0\r\nhello\r\n0\r\n\r\n", "LF after the last chunk": b"5\r\nhello\r\n0\n\r\n",
    "LF ends the trailers": b"0\r\n\n", "LF after a trailer": b"0\r\nX: y\n\r\n", "trailer without colon": b"0\r\nX y\r\n\r\n",
    "space before the colon of a trailer": b"0\r\nX : y\r\n\r\n", "folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "nul in a trailer": b"0\r\nX: \0\r\n\r\n", "trailer without name": b"0\r\n: y\r\n\r\n",
    "size of 17 digits": b"10000000000000005\r\nhello\r\n0\r\n\r\n", "size of 64 bits": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "size that wraps to five": b"100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size line of 300 octets": b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n", 
    "extensions of 20000 octets": (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 100 + b"0\r\n\r\n",
    "trailers of 60000 octets": b"0\r\n" + b"X: %s\r\n" % (b"y" * 1000) * 60 + b"\r\n",
    "endless size": b"5" * 2000, "endless extension": b"5;" + b"a" * 20000,
    "fullwidth digit": "\uff15\r\nhello\r\n0\r\n\r\n".encode(), "vertical tab": b"5\x0b\r\nhello\r\n0\r\n\r\n",
}


@table([(name, raw, {400}) for name, raw in length_rows()] + [(name, raw, {400, 501}) for name, raw in coding_rows()])
def a_framing_fault_closes(raw, statuses):
    judge(raw, statuses, "close")
    judge(raw, statuses, "close", [len(raw) - 4])


@table(list(good_body_rows()))
def a_whole_body_leaves_the_connection_in_step(raw, statuses, fate):
    judge(raw, statuses, fate)
    judge(raw, statuses, fate, [raw.index(b"\r\n\r\n") + 4])
    judge(raw, statuses, fate, range(raw.index(b"\r\n\r\n") + 1, len(raw)), 0.0004)


@table(list(BAD_CHUNKS.items()))
def a_fault_in_the_chunks_closes(body):
    for line in (GET, POST):
        raw = req(line, "Transfer-Encoding: chunked", body=body)
        judge(raw, UNREAD, "close")
        judge(raw, UNREAD, "close", [raw.index(b"\r\n\r\n") + 4])


@table([("%s %d" % (line, size), line, size) for line in (GET, POST) for size in (10_000, 70_000, 1_000_000, 5_000_000)])
def a_long_body_is_read_or_refused(line, size):
    judge(req(line, "Content-Length: %d" % size, body=b"x" * size), {200, 405, 413}, "any")


@table([("2^63-1", 2 ** 63 - 1), ("2^64-1", 2 ** 64 - 1), ("2^32", 2 ** 32), ("1 TB", 10 ** 12)])
def a_body_that_can_never_be_read_is_refused_at_once(size):
    for line in (GET, POST):
        judge(req(line, "Content-Length: %d" % size), {200, 400, 405, 413}, "close")


@table([(value, value) for value in ("100-continue", "100-Continue", "100-CONTINUE")])
def a_final_status_or_100_comes_without_the_body(value):
    for line, status in ((GET, 200), (POST, 405)):
        with wire.Client(shared(content.common).address, timeout=3) as client:
            client.send(req(line, "Content-Length: 5", "Expect: " + value))
            head = wire.split_head(client.take_head())
            if head.status == 100:
                client.send(b"hello")
                head = client.read(expects_100=True)
                equal(head.status, status)
            else:
                equal(head.status, status)
                client.take(int(head.get("content-length", "0")))
                client.send(b"" if head.closes else b"hello")
            if head.closes:
                client.expect_end()
            else:
                equal(client.get("/probe.txt").body, content.PROBE)


@test
def http_1_0_gets_no_100():
    judge(req("GET /hello.txt HTTP/1.0", "Content-Length: 5", "Expect: 100-continue", body=b"hello"), {200}, "close")


@test
def expect_without_a_body_is_answered():
    judge(req(GET, "Expect: 100-continue"), {200}, "any")


@test
def no_expectation_gets_no_100():
    with wire.Client(shared(content.common).address) as client:
        client.send(req(GET, "Content-Length: 5"))
        time.sleep(0.2)
        client.send(b"hello")
        equal(client.read().status, 200)


@test
def a_body_cut_short_by_the_client_ends_the_connection():
    for body in (b"Content-Length: 50\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
                 b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nhello"):
        with wire.Client(shared(content.common).address) as client:
            client.send(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n" + body)
            client.half_close()
            while client.fill():
                pass
            if client.buffer:
                one_of(client.read().status, UNREAD | {408}, "status")
                client.expect_end()


@test
def the_answer_to_a_refused_upload_survives_what_is_still_sent():
    body = b"x" * 3_000_000
    for _ in range(10):
        with wire.Client(shared(content.common).address) as client:
            client.send(req(POST, "Content-Length: %d" % len(body)))
            client.send(body)
            true(client.read().status in (405, 413), "status")


@test
def a_coded_request_body_is_never_inflated():
    judge(req(POST, "Content-Encoding: gzip", "Content-Length: 5", body=b"hello"), {405, 415}, "any")
