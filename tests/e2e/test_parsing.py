# SPDX-License-Identifier: MIT
"""Raw requests, good and bad: which status, and what becomes of the connection.

Behind each request stands a second, innocent one in the same segment.  Where the first
says that the connection closes, the second must not be answered; where not, it must be.
"""
import random


import content
import wire
from case import table
from server import shared

PROBE = b"GET /probe.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MARK = "mArKeR"
OK, BAD = {200}, {400}
REFUSED = {400, 405, 501}


def req(line="GET /hello.txt HTTP/1.1", *fields, host="Host: a", body=b"", end="\r\n"):
    """A request from text, octet for octet (latin-1)."""
    lines = [line, *([host] if host is not None else []), *fields]
    return "".join(text + end for text in lines).encode("latin-1") + end.encode() + body


def judge(raw, statuses, fate, cuts=(), pause=0.001):
    """Sends and checks; `fate` is keep, close or any (but as announced)."""
    first = raw.lstrip(b"\r\n").split(b"\r\n")[0]
    method = "HEAD" if first.startswith(b"HEAD ") else "GET"
    version = "1.0" if first.endswith(b" HTTP/1.0") else "1.1"
    with wire.Client(shared(content.common).address) as client:
        client.send(raw + PROBE, cuts, pause)
        r = client.read(method, version, expects_100=b"100-continue" in raw.lower())
        if r.status not in statuses:
            client.fail("status %d, not one of %s" % (r.status, sorted(statuses)))
        if MARK.encode() in r.body or MARK in str(r.fields):
            client.fail("the answer reflects the request: %r" % r)
        if fate != "any" and r.closes != (fate == "close"):
            client.fail("the connection should %s" % fate)
        if not r.closes:
            probe = client.read()
            if probe.status != 200 or probe.body != content.PROBE:
                client.fail("the next request was answered by %r" % probe)
        client.expect_end()


def good_rows():
    yield "plain", req()
    yield "method head", req("HEAD /hello.txt HTTP/1.1")
    yield "one crlf before", b"\r\n" + req()
    yield "higher minor version 1.2", req("GET /hello.txt HTTP/1.2")
    yield "higher minor version 1.9", req("GET /hello.txt HTTP/1.9")
    for host in ("a:80", "a:", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8080", "xn--bcher-kva.example",
                 "A.EXAMPLE", "a-b.example", "a_b", "example.com.", "[2001:db8::1]:", "0", "1.2.3"):
        yield "host %s" % host, req(host="Host: " + host)
    for name in ("host", "HOST", "hOsT"):
        yield "field name %s" % name, req(host=name + ": a")
    yield "no space after the colon", req(host="Host:a")
    yield "spaces and tabs around a value", req(host="Host: \t a \t ")
    yield "empty value", req("GET /hello.txt HTTP/1.1", "X-Empty:")
    yield "blank value", req("GET /hello.txt HTTP/1.1", "X-Blank: \t ")
    yield "tab in a value", req("GET /hello.txt HTTP/1.1", "X: a\tb")
    yield "obs-text in a value", req("GET /hello.txt HTTP/1.1", "X: caf\xe9 \xff\x80")
    yield "colons in a value", req("GET /hello.txt HTTP/1.1", "X: a:b::c")
    yield "all token characters in a name", req("GET /hello.txt HTTP/1.1", "!#$%&'*+-.^_`|~09azAZ: x")
    yield "all visible characters in a value", req("GET /hello.txt HTTP/1.1", "X: " + "".join(map(chr, range(33, 127))))
    yield "name of 2000 octets", req("GET /hello.txt HTTP/1.1", "X" * 2000 + ": y")
    yield "value of 20000 octets", req("GET /hello.txt HTTP/1.1", "X: " + "y" * 20000)
    yield "query of 7900 octets", req("GET /hello.txt?%s HTTP/1.1" % ("q" * 7900))
    yield "90 fields", req("GET /hello.txt HTTP/1.1", *("X-%d: y" % i for i in range(90)))
    yield "the same field twice", req("GET /hello.txt HTTP/1.1", "X: 1", "X: 2")
    yield "upgrade ignored", req("GET /hello.txt HTTP/1.1", "Connection: upgrade", "Upgrade: websocket")
    yield "upgrade h2c ignored", req("GET /hello.txt HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                                     "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    yield "connection keep-alive", req("GET /hello.txt HTTP/1.1", "Connection: keep-alive")
    yield "empty elements in connection", req("GET /hello.txt HTTP/1.1", "Connection: ,, keep-alive ,,")
    yield "closed is not close", req("GET /hello.txt HTTP/1.1", "Connection: closed, xclose, clos")
    yield "te field ignored", req("GET /hello.txt HTTP/1.1", "TE: trailers, deflate;q=0.5", "Connection: TE")
    yield "query with everything legal", req("GET /hello.txt?a=b&c=%20%2F%2f/?:@!$'()*+,;~ HTTP/1.1")
    yield "empty query", req("GET /hello.txt? HTTP/1.1")
    yield "escaped nul in the query", req("GET /hello.txt?%00%ff HTTP/1.1")


def closing_rows():
    for value in ("close", "Close", "CLOSE", "keep-alive, close", "close, keep-alive", "x, close ,y", ",close", "close,", "\tclose"):
        yield "connection %r" % value, req("GET /hello.txt HTTP/1.1", "Connection: " + value)
    yield "close on the second line", req("GET /hello.txt HTTP/1.1", "Connection: x", "Connection: close")
    yield "close on the first line", req("GET /hello.txt HTTP/1.1", "Connection: close", "Connection: keep-alive")
    yield "http 1.0", req("GET /hello.txt HTTP/1.0")
    yield "http 1.0 without host", req("GET /hello.txt HTTP/1.0", host=None)
    yield "http 1.0 with close and keep-alive", req("GET /hello.txt HTTP/1.0", "Connection: keep-alive, close")
    yield "head with close", req("HEAD /hello.txt HTTP/1.1", "Connection: close")


def bad_line_rows():
    for line in ("GET  /hello.txt HTTP/1.1", "GET /hello.txt  HTTP/1.1", "GET\t/hello.txt HTTP/1.1", "GET /hello.txt\tHTTP/1.1",
                 "GET /hello.txt HTTP/1.1 ", "GET /hello.txt HTTP/1.1\t", " GET /hello.txt HTTP/1.1", "\tGET /hello.txt HTTP/1.1",
                 "GET /hello.txt", "GET /hello.txt ", "GET", "GET ", "GET HTTP/1.1", "GET  HTTP/1.1", "/hello.txt HTTP/1.1",
                 "GET /hello.txt HTTP/1.1 x", "GET /hello.txt HTTP/1.1 HTTP/1.1", "GET /hello.txt x HTTP/1.1", "GET /a b.txt HTTP/1.1",
                 "GET /hello.txt HTTP/1.10", "GET /hello.txt HTTP/01.1", "GET /hello.txt HTTP/1.", "GET /hello.txt HTTP/1",
                 "GET /hello.txt HTTP/.1", "GET /hello.txt HTTP/", "GET /hello.txt HTTP", "GET /hello.txt HTTP/+1.1",
                 "GET /hello.txt HTTP/-1.1", "GET /hello.txt HTTP /1.1", "GET /hello.txt HTTP/ 1.1", "GET /hello.txt HTTP/1 .1",
                 "GET /hello.txt HTTP/1,1", "GET /hello.txt HTTPS/1.1", "GET /hello.txt HTTP/11.1", "GET /hello.txt HTTP-1.1",
                 "GET /hello.txt HTTP/1.a", "GET /hello.txt HTTP/a.1", "GET /hello.txt HTTP\\1.1", "GET /hello.txt XTTP/1.1",
                 "GET /hello.txt http/1.1", "GET /hello.txt Http/1.1", "GET /hello.txt HTTP/1.1\x00", "GET /hello.txt HTTP/1.\xb9",
                 "GET /hello.txt HTTP/1.1.1", "GET /hello.txt HTTP/0x1.1", "GET /hello.txt HTTP/1.1;", "GET /hello.txt HTTP//1.1",
                 "GET /hello.txt HTTP/1.1\r", "GET /hello.txt\rHTTP/1.1", "GET\r/hello.txt HTTP/1.1", "GET /hello.txt\x0bHTTP/1.1",
                 "GET /hello.txt\x0cHTTP/1.1", "GET\xa0/hello.txt HTTP/1.1", "G", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                 "HTTP/1.1 200 OK", ":", ": x", "Host: a", "\x00", "\xef\xbb\xbfGET /hello.txt HTTP/1.1",
                 "GET /hello.txt?%s HTTP/1.1" % ("q" * 100 + " " + MARK), "GET hello.txt HTTP/1.1", "GET ?x HTTP/1.1",
                 "GET . HTTP/1.1", "GET ../hello.txt HTTP/1.1", "GET * HTTP/1.1", "HEAD * HTTP/1.1", "GET *x HTTP/1.1",
                 "OPTIONS ** HTTP/1.1", "OPTIONS *x HTTP/1.1", "GET a:80 HTTP/1.1", "GET a HTTP/1.1", "GET \\hello.txt HTTP/1.1"):
        yield "line %r" % line, req(line)
    for octet in b"\"(),/:;<=>?@[\\]{}\x00\x01\x1f\x7f\x80\xff":
        yield "octet %#04x in the method" % octet, req("G%cT /hello.txt HTTP/1.1" % octet)
    for octet in [*range(0, 9), 0x0b, 0x0c, *range(0x0e, 0x20), 0x7f, 0x80, 0x85, 0xa0, 0xc3, 0xff]:
        yield "octet %#04x in the path" % octet, req("GET /x%cy%s HTTP/1.1" % (octet, MARK))
        yield "octet %#04x in the query" % octet, req("GET /hello.txt?x%cy%s HTTP/1.1" % (octet, MARK))
    for target in ("/hello.txt#", "/hello.txt#frag", "/#", "/hello.txt?a#b", "#", "/%", "/%4", "/%zz", "/%4g", "/%g4", "/hello.txt%",
                   "/%%41", "/% 41", "/%u0041", "/x%-1", "/%+1", "/% 1", "/%0x"):
        yield "target %s" % target, req("GET %s HTTP/1.1" % target)


def version_rows():
    for version in ("2.0", "3.0", "9.9", "0.9", "0.0", "2.1"):
        yield "version %s" % version, req("GET /hello.txt HTTP/" + version)
    yield "the http 2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def host_rows():
    yield "none", req(host=None)
    yield "two the same", req("GET /hello.txt HTTP/1.1", "Host: a")
    yield "two different", req("GET /hello.txt HTTP/1.1", "Host: b")
    yield "two in different case", req("GET /hello.txt HTTP/1.1", "hOST: a")
    yield "two, one empty", req("GET /hello.txt HTTP/1.1", "Host:")
    yield "two far apart", req("GET /hello.txt HTTP/1.1", *("X-%d: y" % i for i in range(40)), "Host: a")
    yield "two with http 1.0", req("GET /hello.txt HTTP/1.0", "Host: a")
    yield "two with absolute-form", req("GET http://a/hello.txt HTTP/1.1", "Host: a")
    yield "none with absolute-form", req("GET http://a/hello.txt HTTP/1.1", host=None)
    yield "none with http 1.2", req("GET /hello.txt HTTP/1.2", host=None)
    yield "invalid with absolute-form", req("GET http://a/hello.txt HTTP/1.1", host="Host: a/b")
    yield "none on options asterisk", req("OPTIONS * HTTP/1.1", host=None)
    yield "only in another name", req(host="XHost: a")
    for value in ("", " ", "a b", "a/b", "a/", "/", "a@b", "u:p@a", "a?b", "a#b", "a:b", "a:80:80", "a:8x", "a:-1", "a:+1", "a: 80",
                  "a :80", "[::1", "::1]", "[::1]x", "[]", "[]:80", "[::g]", "[1.2.3.4]", "::1", "2001:db8::1", "a\\b", "<a>", "{a}",
                  "\"a\"", "a^b", "a|b", "a`b", "a%zz", "a%", "a%4", "a\xe9", "http://a", "[::1]:x", "[::1]80", "[:::1]", "[1:2]",
                  "[1:2:3:4:5:6:7:8:9]", "[12345::]", "[::1.2.3]", "[::1]]", "[[::1]]", "[::1]@a", "a\x7f", "a\x01b", ":80", ":"):
        yield "value %r" % value, req(host="Host: " + value)


def field_rows():
    for octet in [*range(0x00, 0x0a), 0x0b, 0x0c, *range(0x0e, 0x21), *b"\"(),/;<=>?@[\\]{}", 0x7f, 0x80, 0xe9, 0xff]:
        yield "octet %#04x in a name" % octet, req("GET /hello.txt HTTP/1.1", "X%cY: z" % octet)
    for octet in [*range(0x00, 0x09), 0x0b, 0x0c, 0x0d, *range(0x0e, 0x20), 0x7f]:
        yield "octet %#04x in a value" % octet, req("GET /hello.txt HTTP/1.1", "X: y%cz" % octet)
        yield "octet %#04x ends a value" % octet, req("GET /hello.txt HTTP/1.1", "X: y%c" % octet)
        yield "octet %#04x begins a value" % octet, req("GET /hello.txt HTTP/1.1", "X:%cy" % octet)
    for field in ("X : y", "X\t: y", "Host : a", "X", "X y", ": y", ":", "=", " X: y", "\tX: y", " ", "\t", "X Y: z", "X\x00: y",
                  "Content-Length : 0", "Transfer-Encoding : chunked", "Transfer-Encoding\x0b: chunked", "GET / HTTP/1.1", "X\xa0: y"):
        yield "line %r" % field, req("GET /hello.txt HTTP/1.1", field)
        yield "first line %r" % field, req("GET /hello.txt HTTP/1.1", "Host: a", host=field)
    yield "folded with a space", req("GET /hello.txt HTTP/1.1", "X: y", " z")
    yield "folded with a tab", req("GET /hello.txt HTTP/1.1", "X: y", "\tz")
    yield "folded empty", req("GET /hello.txt HTTP/1.1", "X: y", " ")
    yield "folded host", req("GET /hello.txt HTTP/1.1", " b", host="Host: a")
    yield "folded transfer-encoding", req("GET /hello.txt HTTP/1.1", "Transfer-Encoding:", " chunked")
    yield "folded content-length", req("GET /hello.txt HTTP/1.1", "Content-Length:", " 0")


def line_end_rows():
    yield "bare LF throughout", req(end="\n")
    yield "bare LF after the request line", b"GET /hello.txt HTTP/1.1\nHost: a\r\n\r\n"
    yield "bare LF after a field", b"GET /hello.txt HTTP/1.1\r\nHost: a\n\r\n"
    yield "bare LF as the empty line", b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\n"
    yield "bare LF twice", b"GET /hello.txt HTTP/1.1\r\nHost: a\n\n"
    yield "bare LF before the request line", b"\n" + req()
    yield "bare CR before the request line", b"\r" + req()
    yield "bare CR throughout", req(end="\r")
    yield "CR CR LF after a field", b"GET /hello.txt HTTP/1.1\r\nHost: a\r\r\n\r\n"
    yield "CR CR LF as the empty line", b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\r\n"
    yield "CR CR LF after the request line", b"GET /hello.txt HTTP/1.1\r\r\nHost: a\r\n\r\n"
    yield "LF CR after a field", b"GET /hello.txt HTTP/1.1\r\nHost: a\n\r\n\r"
    yield "bare CR hides a field", b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n"
    yield "bare LF hides a field", b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n"
    yield "nul hides a field", b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nX: y\0Transfer-Encoding: chunked\r\n\r\n"
    yield "garbage", bytes(range(256)) * 2 + b"\r\n\r\n"
    yield "zeros", bytes(100) + b"\r\n\r\n"


def other_rows():
    yield "two crlf before", b"\r\n\r\n" + req(), {200, 400}, "any"
    yield "host with a comma", req(host="Host: a,b"), {200, 400}, "any"
    yield "host with sub-delims", req(host="Host: !$&'()*+;=a"), {200, 400}, "any"
    yield "host with an escape", req(host="Host: a%20b"), {200, 400}, "any"
    yield "host with a great port", req(host="Host: a:99999"), {200, 400}, "any"
    yield "host with a future address", req(host="Host: [v1.a]"), {200, 400}, "any"
    yield "empty host on http 1.0", req("GET /hello.txt HTTP/1.0", host="Host:"), {200, 400}, "close"
    yield "http 1.0 keep-alive", req("GET /hello.txt HTTP/1.0", "Connection: keep-alive"), OK, "keep"
    yield "http 1.0 keep-alive in capitals", req("GET /hello.txt HTTP/1.0", "Connection: X, Keep-Alive"), OK, "keep"
    for octet in "\"<>\\^`{|}[]":
        yield "octet %s in the path" % octet, req("GET /x%sy HTTP/1.1" % octet), {400, 404}, "any"
        yield "octet %s in the query" % octet, req("GET /hello.txt?x%sy HTTP/1.1" % octet), {200, 400}, "any"
    for method in ("get", "Get", "GETT", "G", "head", "M-SEARCH", "FOO", "BREW", MARK, "!#$%&'*+-.^_`|~09", "X" * 100):
        yield "unknown method %s" % method, req(method + " /hello.txt HTTP/1.1"), {501}, "any"
    yield "unknown method on nothing", req("FOO /nothing HTTP/1.1"), {404, 501}, "any"
    yield "method of 7000 octets", req("X" * 7000 + " /hello.txt HTTP/1.1"), {400, 414, 501}, "any"
    yield "method of 20000 octets", req("X" * 20000 + " /hello.txt HTTP/1.1"), {400, 414, 501}, "close"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        yield "method %s" % method, req(method + " /hello.txt HTTP/1.1", "Content-Length: 0"), {405}, "any"
        yield "method %s without a length" % method, req(method + " /hello.txt HTTP/1.1"), {405, 411}, "any"
    yield "trace", req("TRACE /hello.txt HTTP/1.1", "X: " + MARK), REFUSED, "any"
    yield "trace with max-forwards", req("TRACE /hello.txt HTTP/1.1", "Max-Forwards: 0", "X: " + MARK), REFUSED, "any"
    yield "connect", req("CONNECT a:80 HTTP/1.1"), REFUSED, "any"
    yield "connect to a path", req("CONNECT /hello.txt HTTP/1.1"), REFUSED, "any"
    yield "connect without a port", req("CONNECT a HTTP/1.1"), REFUSED, "any"
    yield "propfind", req("PROPFIND /hello.txt HTTP/1.1"), {405, 501}, "any"
    yield "options", req("OPTIONS /hello.txt HTTP/1.1"), {200, 204}, "keep"
    yield "options asterisk", req("OPTIONS * HTTP/1.1"), {200, 204}, "keep"
    yield "options of an authority", req("OPTIONS http://a HTTP/1.1"), {200, 204}, "any"
    yield "not found", req("GET /nothing-%s HTTP/1.1" % MARK), {404}, "keep"
    yield "head not found", req("HEAD /nothing-%s HTTP/1.1" % MARK), {404}, "keep"
    yield "expect unknown", req("GET /hello.txt HTTP/1.1", "Expect: tea"), {200, 417}, "any"
    yield "expect unknown with a body", req("GET /hello.txt HTTP/1.1", "Expect: tea", "Content-Length: 3", body=b"abc"), {200, 417}, "any"
    yield "line of 8100 octets", req("GET /%s HTTP/1.1" % ("x" * 8086)), {404}, "keep"
    yield "line of 8300 octets", req("GET /%s HTTP/1.1" % ("x" * 8286)), {414}, "close"
    yield "line of 100000 octets", req("GET /%s HTTP/1.1" % (MARK * 16664)), {414}, "close"
    yield "endless line", b"GET /" + b"x" * 300000, {414}, "close"
    yield "endless line of another method", b"X" * 300000, {400, 414, 501}, "close"
    yield "100 fields", req("GET /hello.txt HTTP/1.1", *("X-%d: y" % i for i in range(99))), OK, "keep"
    yield "101 fields", req("GET /hello.txt HTTP/1.1", *("X-%d: y" % i for i in range(100))), {431}, "close"
    yield "1000 fields", req("GET /hello.txt HTTP/1.1", *("X-%d: y" % i for i in range(1000))), {431}, "close"
    yield "fields of 40000 octets", req("GET /hello.txt HTTP/1.1", *("X-%d: %s" % (i, "y" * 1000) for i in range(40))), {431}, "close"
    yield "value of 40000 octets", req("GET /hello.txt HTTP/1.1", "X: " + "y" * 40000), {431}, "close"
    yield "name of 40000 octets", req("GET /hello.txt HTTP/1.1", "X" * 40000 + ": y"), {431}, "close"
    yield "endless field", req()[:-2] + b"X: " + b"y" * 300000, {431}, "close"
    yield "endless name", req()[:-2] + b"X" * 300000, {400, 431}, "close"
    yield "range field of 8000 octets", req("GET /digits.txt HTTP/1.1", "Range: bytes=" + "0-1," * 1999 + "5-6"), {200, 206, 416}, "keep"
    yield "accept-encoding of 8000 octets", req("GET /all.css HTTP/1.1", "Accept-Encoding: " + "gzip;q=0.5," * 700), OK, "keep"
    yield "if-none-match of 8000 octets", req("GET /hello.txt HTTP/1.1", "If-None-Match: " + "\"x\"," * 1900 + "\"y\""), OK, "keep"
    yield "only commas in lists", req("GET /hello.txt HTTP/1.1", "Connection: ,,,", "Accept-Encoding: ,,", "If-None-Match: ,,", "Range: bytes=,,"), {200, 416}, "keep"


def rows():
    for make, statuses, fate in ((good_rows, OK, "keep"), (closing_rows, OK, "close"), (bad_line_rows, BAD, "close"),
                                 (version_rows, {505}, "close"), (host_rows, BAD, "close"), (field_rows, BAD, "close"),
                                 (line_end_rows, BAD, "close")):
        for name, raw in make():
            yield "%s, %s" % (make.__name__.removesuffix("_rows").replace("_", " "), name), raw, statuses, fate
    for name, *rest in other_rows():
        yield (name, *rest)


ROWS = list(rows())
# Short enough to be sent octet by octet and cut at every place.
SHORT = [row for row in ROWS if len(row[1]) < 80]
SUBSET = list({row[0]: row for row in SHORT[::12] + [row for row in ROWS if row[0].startswith("line end")]}.values())


@table(ROWS)
def a_raw_request_gets_its_answer(raw, statuses, fate):
    judge(raw, statuses, fate)


@table([("%d to %d" % (i, i + 19), ROWS[i:i + 20]) for i in range(0, len(ROWS), 20)])
def where_the_segments_end_does_not_matter(part):
    for name, raw, statuses, fate in part:
        chance = random.Random(name)
        cuts = sorted(chance.sample(range(1, len(raw)), min(3, len(raw) - 1)))
        judge(raw, statuses, fate, cuts)


@table([(row[0], *row[1:]) for row in SUBSET])
def octet_by_octet_gives_the_same(raw, statuses, fate):
    judge(raw, statuses, fate, range(1, len(raw)), 0.0004)


@table([(row[0], *row[1:]) for row in SUBSET[::2]])
def a_cut_at_any_place_gives_the_same(raw, statuses, fate):
    for cut in range(1, len(raw)):
        judge(raw, statuses, fate, [cut], 0.0004)
