# SPDX-License-Identifier: MIT
"""Access and error logs."""
import os
import re
import signal
import time

import content
from case import equal, one_of, test, true
from server import Server, Tree, temporary
from wire import Client, fetch

COMBINED = re.compile(r'(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"\Z')


def tree():
    return Tree({"hello.txt": content.TEXT, "large.bin": content.LARGE * 6})


def lines_of(path, count, wait=5):
    """The log's lines once there are as many."""
    end = time.monotonic() + wait
    while True:
        data = b""
        if os.path.exists(path):
            with open(path, "rb") as file:
                data = file.read()
        lines = data.split(b"\n")[:-1]
        if len(lines) >= count or time.monotonic() > end:
            equal(len(lines), count, "lines in the log: %r" % lines[-3:])
            return [line.decode("ascii") for line in lines]
        time.sleep(0.03)


def parse(line):
    found = COMBINED.match(line)
    true(found, "not in combined form: %r" % line)
    return found.groups()


@test
def each_request_has_a_line_in_combined_form():
    path = temporary(".log")
    with Server("--access-log", path, roots=[tree()]) as server, Client(server.address) as client:
        client.get("/hello.txt?x=y", {"User-Agent": "jay/1.0 (test)", "Referer": "http://from.example/page"})
        client.get("/hello.txt", method="HEAD")
        client.get("/nothing")
        client.get("/hello.txt", {"If-None-Match": "*"})
        client.get("/large.bin", {"Range": "bytes=5-104"})
        client.get("/hello.txt", {"Connection": "keep-alive"}, version="1.0")
        rows = [parse(line) for line in lines_of(path, 6)]
        equal({row[0] for row in rows}, {"127.0.0.1"})
        equal([row[2] for row in rows], ["GET /hello.txt?x=y HTTP/1.1", "HEAD /hello.txt HTTP/1.1", "GET /nothing HTTP/1.1", "GET /hello.txt HTTP/1.1", "GET /large.bin HTTP/1.1",
                                         "GET /hello.txt HTTP/1.0"])
        equal([row[3] for row in rows], ["200", "200", "404", "304", "206", "200"])
        equal(rows[0][4:], (str(len(content.TEXT)), "http://from.example/page", "jay/1.0 (test)"))
        one_of(rows[1][4], {"0", "-"}, "octets of HEAD")
        one_of(rows[3][4], {"0", "-"}, "octets of 304")
        equal(rows[4][4], "100")
        equal(rows[1][5:], ("-", "-"))
        stamp = time.mktime(time.strptime(rows[0][1][:20], "%d/%b/%Y:%H:%M:%S"))
        true(abs(stamp - time.time()) < 86400, rows[0][1])


@test
def the_octets_of_a_broken_download_are_counted_truly():
    path = temporary(".log")
    with Server("--access-log", path, roots=[tree()]) as server:
        with Client(server.address, receive_buffer=4096) as client:
            client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            client.take(50000)
        row = parse(lines_of(path, 1)[0])
        true(49000 <= int(row[4]) < len(content.LARGE) * 6, "%s octets" % row[4])
        with Client(server.address) as client:
            client.get("/large.bin")
            equal(parse(lines_of(path, 2)[1])[4], str(len(content.LARGE) * 6))


@test
def evil_input_is_escaped():
    path = temporary(".log")
    evil = b'"q\\b\x1b[31m\t\x80\xff\xc3\xa9 x'
    with Server("--access-log", path, roots=[tree()]) as server:
        for raw in (b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nUser-Agent: \"q\\b\t\x80\xff\xc3\xa9 x\r\nReferer: \" - \"\r\nConnection: close\r\n\r\n",
                    b"GET /" + evil + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x00\xff\r\n\r\n", b"G\nT / HTTP/1.1\r\n\r\n", b"GET /\rX HTTP/1.1\r\n\r\n",
                    b"GET /hello.txt?%0d%0a\"' HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"):
            with Client(server.address) as client:
                client.send(raw)
                client.read()
        lines = lines_of(path, 7)
        for line in lines:
            true(re.match(r"[\x20-\x7e]*\Z", line) and len(line) <= 8192, "octets of a line: %r" % line[:300])
            parse(line)
        row = next(row for row in map(parse, lines) if row[3] == "200" and row[6] != "-")
        equal(row[6], r"\x22q\x5Cb\x09\x80\xFF\xC3\xA9 x" if "\\xFF" in row[6] else r"\x22q\x5cb\x09\x80\xff\xc3\xa9 x")


@test
def pipelined_requests_have_their_lines_in_order():
    path = temporary(".log")
    with Server("--access-log", path, roots=[tree()]) as server, Client(server.address) as client:
        client.send(b"".join(b"GET /hello.txt?%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(300)))
        for _ in range(300):
            client.read()
        equal([parse(line)[2] for line in lines_of(path, 300)], ["GET /hello.txt?%d HTTP/1.1" % i for i in range(300)])


@test
def refused_requests_have_lines_too():
    path = temporary(".log")
    with Server("--access-log", path, "--header-timeout", "1s", roots=[tree()]) as server:
        for raw in (b"BAD\r\n\r\n", b"GET /hello.txt HTTP/3.0\r\n\r\n", b"FOO /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET /half"):
            with Client(server.address) as client:
                client.send(raw)
                client.read()
        equal(sorted(parse(line)[3] for line in lines_of(path, 4)), ["400", "408", "501", "505"])


@test
def a_dash_means_standard_output():
    path = temporary(".log")
    with open(path, "wb") as out, Server("--access-log", "-", roots=[tree()], stdout=out) as server:
        fetch(server.address, "/hello.txt")
        equal(parse(lines_of(path, 1)[0])[3], "200")


@test
def the_log_is_off_by_default():
    path = temporary(".log")
    with open(path, "wb") as out, Server(roots=[tree()], stdout=out) as server:
        fetch(server.address, "/hello.txt")
        time.sleep(0.2)
        equal(os.path.getsize(path), 0)


@test
def usr1_opens_both_logs_again():
    access, errors, address = temporary(".access"), temporary(".errors"), temporary(".socket")
    with Server("--access-log", access, "--error-log", errors, "--no-watch", listen=("unix:" + address,), roots=[tree()], wait=False) as server:
        end = time.monotonic() + 20
        while not (os.path.exists(address) and os.path.exists(errors) and b"listening on" in open(errors, "rb").read() + "\n".join(server.lines).encode()):
            true(time.monotonic() < end, "the server starts")
            time.sleep(0.05)
        fetch(address, "/hello.txt?one")
        lines_of(access, 1)
        os.rename(access, access + ".1")
        os.rename(errors, errors + ".1")
        fetch(address, "/hello.txt?two")
        lines_of(access + ".1", 2)
        server.kill(signal.SIGUSR1)
        end = time.monotonic() + 5
        while not (os.path.exists(access) and os.path.exists(errors)):
            true(time.monotonic() < end, "the files are opened again")
            time.sleep(0.03)
        fetch(address, "/hello.txt?three")
        true("three" in lines_of(access, 1)[0], "the new file has the new line")
        server.kill(signal.SIGHUP)
        end = time.monotonic() + 5
        while b"generation 2" not in open(errors, "rb").read():
            true(time.monotonic() < end, "the error log is the new file")
            time.sleep(0.03)
        lines_of(access + ".1", 2)


@test
def an_error_log_has_levels():
    def text(level):
        tree_ = tree()
        tree_.link("dangling", "nowhere")
        path, address = temporary(".log"), temporary(".socket")
        with Server("--error-log", path, "--log-level", level, listen=("unix:" + address,), roots=[tree_], wait=False) as server:
            end = time.monotonic() + 20
            while True:
                try:
                    fetch(address, "/hello.txt")
                    break
                except OSError:
                    true(time.monotonic() < end, "the server starts")
                    time.sleep(0.05)
            server.kill(signal.SIGTERM)
            server.wait()
        with open(path) as file:
            return file.read()
    true("dangling" in text("warning"), "a fault is a warning")
    true("dangling" not in text("error"), "and no error")
    true("loop 0:" in text("info") and "loop 0:" not in text("warning"), "the loops' figures are for information")


@test
def rotation_under_load_loses_no_line():
    path = temporary(".log")
    with Server("--access-log", path, roots=[tree()]) as server:
        with Client(server.address) as client:
            for i in range(2000):
                client.get("/hello.txt?%d" % i)
                if i % 300 == 299:
                    os.rename(path, "%s.%d" % (path, i))
                    server.kill(signal.SIGUSR1)
        end, lines = time.monotonic() + 5, []
        while len(lines) < 2000 and time.monotonic() < end:
            lines = []
            for name in os.listdir(os.path.dirname(path)):
                with open(os.path.join(os.path.dirname(path), name)) as file:
                    lines += [parse(line.rstrip("\n"))[2] for line in file]
        equal(sorted(lines), sorted("GET /hello.txt?%d HTTP/1.1" % i for i in range(2000)))


@test
def a_log_that_nobody_reads_blocks_nothing():
    reader, writer = os.pipe()
    try:
        with Server("--access-log", "-", roots=[tree()], stdout=writer) as server:
            with Client(server.address) as client:
                for i in range(4000):
                    equal(client.get("/hello.txt?" + "x" * 200).body, content.TEXT)
            server.kill(signal.SIGTERM)
            time.sleep(1)
            os.set_blocking(reader, False)
            end = time.monotonic() + 15
            while server.process.poll() is None and time.monotonic() < end:
                try:
                    os.read(reader, 1 << 20)
                except BlockingIOError:
                    time.sleep(0.02)
            equal(server.wait(1), 0)
    finally:
        os.close(reader)
        os.close(writer)


@test
def a_log_whose_reader_has_gone_does_no_harm():
    reader, writer = os.pipe()
    with Server("--access-log", "-", roots=[tree()], stdout=writer, expected_errors="(?i)log|stdout|output|pipe") as server:
        os.close(reader)
        os.close(writer)
        with Client(server.address) as client:
            for _ in range(200):
                equal(client.get("/hello.txt").body, content.TEXT)


@test
def a_full_disk_does_no_harm():
    with Server("--access-log", "/dev/full", roots=[tree()], expected_errors="(?i)log|space") as server:
        with Client(server.address) as client:
            for _ in range(2000):
                equal(client.get("/hello.txt").body, content.TEXT)
        time.sleep(0.3)
        true(len(server.lines) < 100, "%d lines of complaint" % len(server.lines))
