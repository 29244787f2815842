# SPDX-License-Identifier: MIT
"""A raw HTTP/1.1 client that takes nothing on trust.

It sends octets exactly as given and reads responses with a parser stricter than any
browser's; each response is checked against what must hold for every response (RFC 9110,
RFC 9112, and this server's own promises).  A breach raises WireError, whose text shows
what was sent and what came back.
"""
import calendar
import re
import socket
import time

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
VALUE = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?\Z")
STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)\Z")
ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"\Z')
IMF = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
                 r" (\d{4}) (\d\d):(\d\d):(\d\d) GMT\Z")
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
SINGLE = {"content-length", "date", "content-type", "etag", "last-modified", "location", "server",
          "content-range", "content-encoding", "accept-ranges", "x-content-type-options",
          "transfer-encoding", "access-control-allow-origin", "age", "expires", "retry-after"}
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
HEAD_MAX = 65536
READ_TIMEOUT_S = 8


class WireError(AssertionError):
    """The server broke a rule, or did not answer."""


def parse_date(text):
    """Seconds since the epoch of an IMF-fixdate, checked to the letter."""
    found = IMF.match(text)
    if not found:
        raise WireError("not an IMF-fixdate: %r" % text)
    day, date, month, year, hour, minute, second = found.groups()
    seconds = calendar.timegm((int(year), MONTHS.index(month) + 1, int(date), int(hour), int(minute), int(second)))
    if DAYS[time.gmtime(seconds).tm_wday] != day:
        raise WireError("wrong day of the week: %r" % text)
    return seconds


def format_date(seconds):
    when = time.gmtime(seconds)
    return "%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        DAYS[when.tm_wday], when.tm_mday, MONTHS[when.tm_mon - 1], when.tm_year, when.tm_hour,
        when.tm_min, when.tm_sec)


class Response:
    def __init__(self, status, reason, fields):
        self.status, self.reason, self.fields = status, reason, fields
        self.body = b""
        self.interim = []

    def get(self, name, default=None):
        """The field's value; several lines joined as a list."""
        found = [value for key, value in self.fields if key == name.lower()]
        return ", ".join(found) if found else default

    def has(self, name):
        return self.get(name) is not None

    def listed(self, name):
        return [item.strip().lower() for item in self.get(name, "").split(",") if item.strip()]

    @property
    def closes(self):
        return "close" in self.listed("connection")

    def __repr__(self):
        return "<%d %s %r>" % (self.status, dict(self.fields), self.body[:80])


def split_head(head):
    """Status and fields of a head without its empty line."""
    lines = head.split(b"\r\n")
    found = STATUS.match(lines[0])
    if not found:
        raise WireError("bad status line %r" % lines[0])
    return Response(int(found[1]), found[2].decode(), split_fields(lines[1:]))


def split_fields(lines):
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not TOKEN.match(name):
            raise WireError("bad field line %r" % line)
        if value and not VALUE.match(value):
            raise WireError("bad field value %r" % line)
        fields.append((name.decode().lower(), value.decode("latin-1")))
    names = [name for name, _ in fields]
    for name in SINGLE:
        if names.count(name) > 1:
            raise WireError("field %s sent %d times" % (name, names.count(name)))
    return fields


def check_response(r, method="GET", version="1.1", own=True):
    """What holds for every final response.  `own` adds this server's promises, and that it is new."""
    check_framing(r, method, version)
    check_dates(r, own)
    check_status_rules(r, method)
    if r.has("etag") and not ETAG.match(r.get("etag")):
        raise WireError("bad ETag %r" % r.get("etag"))
    if own:
        check_promises(r)


def check_framing(r, method, version):
    length, coding = r.get("content-length"), r.get("transfer-encoding")
    if length is not None and coding is not None:
        raise WireError("both Content-Length and Transfer-Encoding")
    if length is not None and not re.match(r"(0|[1-9][0-9]*)\Z", length):
        raise WireError("bad Content-Length %r" % length)
    if coding is not None and (coding.lower() != "chunked" or version == "1.0"):
        raise WireError("Transfer-Encoding %r to HTTP/%s" % (coding, version))
    if r.status == 204 and (length is not None or coding is not None):
        raise WireError("framing field on 204")
    if r.has("trailer") or r.has("upgrade"):
        raise WireError("unexpected Trailer or Upgrade")
    if version == "1.0" and not r.closes and "keep-alive" not in r.listed("connection"):
        raise WireError("an HTTP/1.0 client is not told whether the connection persists")


def check_dates(r, own):
    if 200 <= r.status < 500 and not r.has("date"):
        raise WireError("no Date on %d" % r.status)
    if own and r.has("date") and abs(parse_date(r.get("date")) - time.time()) > 5:
        raise WireError("Date is %r at %s" % (r.get("date"), format_date(time.time())))
    if r.has("last-modified"):
        if parse_date(r.get("last-modified")) > parse_date(r.get("date", format_date(time.time()))):
            raise WireError("Last-Modified later than Date")


def check_status_rules(r, method):
    if r.status == 405 and not r.has("allow"):
        raise WireError("405 without Allow")
    if r.status == 416 and not re.match(r"bytes \*/\d+\Z", r.get("content-range", "")):
        raise WireError("416 with Content-Range %r" % r.get("content-range"))
    if r.status == 304 and r.has("content-type"):
        raise WireError("304 with a Content-Type")
    multipart = r.get("content-type", "").lower().startswith("multipart/byteranges")
    if r.status == 206:
        if multipart == r.has("content-range"):
            raise WireError("206 needs either Content-Range or multipart/byteranges")
        if method != "GET":
            raise WireError("206 to %s" % method)
    elif multipart or (r.has("content-range") and r.status != 416):
        raise WireError("Content-Range or multipart/byteranges on %d" % r.status)
    if r.status in (301, 302, 303, 307, 308):
        check_location(r.get("location"))
    if r.status == 206 and r.has("content-range"):
        check_content_range(r.get("content-range"), int(r.get("content-length", "-1")))


def check_location(location):
    if not location:
        raise WireError("redirect without Location")
    if location.startswith(("//", "/\\", "\\")) or not re.match(r"[\x21-\x7e]+\Z", location):
        raise WireError("unsafe Location %r" % location)
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", location):
        raise WireError("Location %r is read as an absolute URI" % location)


def check_content_range(value, length):
    found = RANGE.match(value)
    if not found:
        raise WireError("bad Content-Range %r" % value)
    first, last, complete = map(int, found.groups())
    if not first <= last < complete or last - first + 1 != length:
        raise WireError("Content-Range %r with %d octets" % (value, length))
    return first, last, complete


def check_promises(r):
    if r.get("server") not in (None, "scrubjay"):
        raise WireError("Server: %s" % r.get("server"))
    if r.get("x-content-type-options") != "nosniff":
        raise WireError("no X-Content-Type-Options: nosniff on %d" % r.status)
    if r.get("etag", "").startswith("W/"):
        raise WireError("weak ETag")


def parse_multipart(r):
    """The parts of a multipart/byteranges body: (first, last, complete, fields, octets)."""
    found = re.match(r'multipart/byteranges; ?boundary=("?)([0-9A-Za-z\'()+_,\-./:=? ]{1,70})\1\Z', r.get("content-type"))
    if not found:
        raise WireError("bad multipart type %r" % r.get("content-type"))
    mark = b"--" + found[2].encode()
    body = r.body[2:] if r.body.startswith(b"\r\n") else r.body
    parts = []
    while not body.startswith(mark + b"--"):
        head, gap, rest = body.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        if not gap or lines[0] != mark:
            raise WireError("bad part at %r" % body[:200])
        fields = dict(split_fields(lines[1:]))
        first, last, complete = map(int, RANGE.match(fields.get("content-range", "")).groups())
        octets = rest[:last - first + 1]
        parts.append((first, last, complete, fields, octets))
        body = rest[last - first + 1:]
        if not body.startswith(b"\r\n" + mark):
            raise WireError("no boundary after a part: %r" % body[:100])
        body = body[2:]
    if body not in (mark + b"--", mark + b"--\r\n"):
        raise WireError("octets after the last boundary: %r" % body[:100])
    return parts


def shorten(data, limit=600):
    return repr(data) if len(data) <= limit else "%r...%r (%d octets)" % (data[:limit], data[-60:], len(data))


class Client:
    """One connection.  `address` is (host, port) or a path."""

    def __init__(self, address, own=True, timeout=READ_TIMEOUT_S, receive_buffer=None, source=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.own = own
        self.buffer = bytearray()
        self.sent = bytearray()
        self.seen = bytearray()
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def fail(self, text):
        raise WireError("%s\n    sent: %s\n    received: %s" % (text, shorten(bytes(self.sent)), shorten(bytes(self.seen))))

    def send(self, data, cuts=(), pause=0.001):
        """Sends in one piece, or cut before each offset of `cuts`.  A peer that has closed
        already is no error here: what it answered is what counts."""
        edges = [0, *cuts, len(data)]
        for start, end in zip(edges, edges[1:]):
            try:
                self.socket.sendall(data[start:end])
            except (BrokenPipeError, ConnectionResetError):
                return
            self.sent += data[start:end]
            if end != len(data):
                time.sleep(pause)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def fill(self):
        """Reads once more; false at the end of the stream."""
        if self.ended:
            return False
        try:
            data = self.socket.recv(262144)
        except socket.timeout:
            self.fail("no (complete) answer within %s s" % self.socket.gettimeout())
        except ConnectionResetError:
            self.fail("connection reset")
        if not data:
            self.ended = True
            return False
        self.buffer += data
        if len(self.seen) < 4096:
            self.seen += data[:4096]
        return True

    def take_head(self):
        while b"\r\n\r\n" not in self.buffer:
            if len(self.buffer) > HEAD_MAX:
                self.fail("header section without end")
            if not self.fill():
                self.fail("connection closed before a complete response head")
        end = self.buffer.index(b"\r\n\r\n")
        head = bytes(self.buffer[:end])
        del self.buffer[:end + 4]
        return head

    def take(self, length):
        while len(self.buffer) < length:
            if not self.fill():
                self.fail("body short: %d of %d octets" % (len(self.buffer), length))
        data = bytes(self.buffer[:length])
        del self.buffer[:length]
        return data

    def read(self, method="GET", version="1.1", expects_100=False):
        """The next final response, checked; interim ones go into its `interim`."""
        interim = []
        try:
            while True:
                r = split_head(self.take_head())
                if r.status >= 200:
                    break
                if version == "1.0" or r.has("content-length") or r.has("transfer-encoding") or not expects_100:
                    raise WireError("unexpected interim response %d" % r.status)
                interim.append(r)
            r.interim = interim
            check_response(r, method, version, self.own)
            r.body = self.read_body(r, method)
            if r.status == 206 and not r.has("content-range"):
                parse_multipart(r)
        except WireError as error:
            if "sent: " in str(error):
                raise
            self.fail(str(error))
        if method == "HEAD" or r.status in (204, 304):
            self.check_silence(r)
        return r

    def read_body(self, r, method):
        if method == "HEAD" or r.status in (204, 304):
            return b""
        if r.has("transfer-encoding"):
            return self.read_chunked()
        if r.has("content-length"):
            return self.take(int(r.get("content-length")))
        if not r.closes:
            raise WireError("no framing field and no Connection: close")
        while self.fill():
            pass
        data, self.buffer = bytes(self.buffer), bytearray()
        return data

    def read_chunked(self):
        body = b""
        while True:
            while b"\r\n" not in self.buffer:
                if not self.fill():
                    self.fail("end inside chunked framing")
            line = bytes(self.buffer).partition(b"\r\n")[0]
            del self.buffer[:len(line) + 2]
            size = int(line.split(b";")[0], 16)
            body += self.take(size)
            if self.take(2) != b"\r\n":
                self.fail("chunk without CRLF")
            if size == 0:
                return body

    def check_silence(self, r):
        """A body where none may be would begin with something other than a status line."""
        if self.buffer and not bytes(self.buffer[:5]) == b"HTTP/"[:len(self.buffer)]:
            self.fail("octets after a response without content (%d)" % r.status)

    def get(self, target="/", fields=(), method="GET", version="1.1", body=b""):
        """One request with Host, and its response."""
        self.send(request(target, fields, method, version) + body)
        return self.read(method, version)

    def expect_end(self):
        """The server closes, and not one octet comes before that."""
        while not self.buffer and self.fill():
            pass
        if self.buffer:
            self.fail("octets beyond the last response: %r" % bytes(self.buffer[:200]))

    def has_ended(self, wait):
        """Whether the server has closed within `wait` seconds; octets meanwhile are a fault."""
        before = self.socket.gettimeout()
        self.socket.settimeout(wait)
        try:
            data = self.socket.recv(65536)
        except (socket.timeout, BlockingIOError):
            return False
        except ConnectionResetError:
            return True
        finally:
            self.socket.settimeout(before)
        if data:
            self.seen += data[:4096]
            self.fail("unexpected octets: %r" % data[:200])
        self.ended = True
        return True


def request(target="/", fields=(), method="GET", version="1.1"):
    lines = ["%s %s HTTP/%s" % (method, target, version), "Host: test.example"]
    lines += ["%s: %s" % pair for pair in (fields.items() if isinstance(fields, dict) else fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def fetch(address, target="/", fields=(), method="GET", version="1.1", own=True):
    """One request on a connection of its own, which is then checked for its end."""
    with Client(address, own=own) as client:
        r = client.get(target, fields, method, version)
        if r.closes:
            client.expect_end()
        elif client.buffer:
            client.fail("octets beyond the response")
        return r
