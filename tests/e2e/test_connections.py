# SPDX-License-Identifier: MIT
"""Keep-alive, pipelining, half-close."""
import random
import socket
import threading
import time

import content
from case import equal, test, true
from server import Server, shared
from wire import Client, fetch, request

GET = b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n"


def address():
    return shared(content.common).address


@test
def a_connection_serves_thousands_of_requests():
    with Client(address()) as client:
        for _ in range(3000):
            equal(client.get("/hello.txt").body, content.TEXT)


@test
def http_1_0_persists_when_asked():
    with Client(address()) as client:
        for _ in range(5):
            r = client.get("/hello.txt", {"Connection": "keep-alive"}, version="1.0")
            equal((r.body, "keep-alive" in r.listed("connection")), (content.TEXT, True))
        true(client.get("/hello.txt", version="1.0").closes, "and ends when not")
        client.expect_end()


@test
def a_thousand_pipelined_requests_are_answered_in_order():
    wanted = []
    for i in range(1000):
        first = i * 7 % 9990
        wanted.append((b"GET /digits.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=%d-%d\r\n\r\n" % (first, first + i % 10), content.DIGITS[first:first + i % 10 + 1]))
    with Client(address()) as client:
        client.send(b"".join(raw for raw, _ in wanted))
        for i, (_, body) in enumerate(wanted):
            equal(client.read().body, body, "answer %d" % i)


@test
def pipelined_requests_of_all_kinds_keep_their_order():
    kinds = [("GET", "/hello.txt", (), 200, content.TEXT), ("HEAD", "/large.bin", (), 200, b""), ("GET", "/nothing", (), 404, None), ("GET", "/dir", (), 302, None),
             ("OPTIONS", "/hello.txt", (), 204, b""), ("GET", "/digits.txt", {"Range": "bytes=5-9"}, 206, content.DIGITS[5:10]), ("GET", "/hello.txt", {"If-None-Match": "*"}, 304, b""),
             ("GET", "/large.bin", (), 200, content.LARGE), ("GET", "/digits.txt", {"Range": "bytes=99999-"}, 416, None), ("GET", "/all.css", {"Accept-Encoding": "br"}, 200, content.SHEET_BR)]
    chance = random.Random(2)
    order = [chance.choice(kinds) for _ in range(120)]
    with Client(address(), timeout=20) as client:
        raw = b"".join(request(target, fields, method) for method, target, fields, _, _ in order)
        sender = threading.Thread(target=client.send, args=(raw, sorted(chance.sample(range(1, len(raw)), 50))))
        sender.start()
        for method, target, fields, status, body in order:
            r = client.read(method)
            equal(r.status, status, "%s %s %r" % (method, target, fields))
            true(body is None or r.body == body, "body of %s %s" % (method, target))
        sender.join()


@test
def pipelining_ends_at_close():
    with Client(address()) as client:
        client.send(GET * 3 + GET[:-2] + b"Connection: close\r\n\r\n" + GET * 3)
        for closes in (False, False, False, True):
            equal(client.read().closes, closes)
        client.expect_end()


@test
def pipelining_ends_at_a_fault():
    with Client(address()) as client:
        client.send(GET * 3 + b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n" + GET * 3)
        equal([client.read().status for _ in range(4)], [200, 200, 200, 400])
        client.expect_end()


@test
def empty_lines_between_requests_are_ignored():
    with Client(address()) as client:
        client.send(GET + b"\r\n" + GET)
        equal([client.read().status for _ in range(2)], [200, 200])


@test
def a_client_that_is_silent_at_first_is_served():
    with Client(address()) as client:
        time.sleep(2.5)  # the kernel has handed the connection over without an octet
        equal(client.get("/hello.txt").body, content.TEXT)


@test
def a_half_closed_client_gets_its_answers():
    with Client(address()) as client:
        client.send(GET * 5)
        client.half_close()
        equal([client.read().body for _ in range(5)], [content.TEXT] * 5)
        client.expect_end()


@test
def a_half_closed_client_gets_a_large_file_whole():
    with Client(address(), timeout=20, receive_buffer=16384) as client:
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        client.half_close()
        time.sleep(0.3)
        true(client.read().body == content.LARGE, "the octets")
        client.expect_end()


@test
def a_client_that_half_closes_within_a_request_is_let_go():
    for part in (GET[:1], GET[:-1], GET[:20], b"\r\n", b""):
        with Client(address()) as client:
            client.send(part)
            client.half_close()
            while client.fill():
                pass
            if client.buffer:
                true(client.read().status in (400, 408), "status")
                client.expect_end()


@test
def clients_that_vanish_do_no_harm():
    chance = random.Random(3)
    for _ in range(150):
        with Client(address()) as client:
            client.send((b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 5)[:chance.choice((10, 38, 38, 300))])
            if chance.random() < 0.5:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if chance.random() < 0.5:
                time.sleep(0.002)
    with Client(address()) as client:
        equal(client.get("/hello.txt").body, content.TEXT)


@test
def requests_in_odd_pieces_are_understood():
    chance = random.Random(4)
    with Client(address()) as client:
        for _ in range(60):
            raw = GET * 3
            client.send(raw, sorted(chance.sample(range(1, len(raw)), chance.randrange(12))), 0.0005)
            equal([client.read().body for _ in range(3)], [content.TEXT] * 3)


@test
def urgent_data_does_no_harm():
    with Client(address()) as client:
        client.send(GET[:10])
        client.socket.send(b"!", socket.MSG_OOB)
        client.send(GET[10:])
        true(client.read().status in (200, 400, 501), "status")


@test
def a_pipelining_client_that_does_not_read_is_not_served_without_end():
    server = shared(content.common)
    with Client(server.address, timeout=20, receive_buffer=4096) as client:
        client.socket.setblocking(False)
        sent, end = 0, time.monotonic() + 1.5
        raw = b"GET /digits.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 500
        while time.monotonic() < end:
            try:
                client.socket.send(raw)
                sent += len(raw)
            except BlockingIOError:
                time.sleep(0.01)
        true(sent < 20_000_000, "the server takes %d octets of requests whose answers nobody reads" % sent)
    with Client(server.address) as client:
        equal(client.get("/hello.txt").body, content.TEXT)


@test
def hundreds_of_connections_at_once():
    clients = [Client(address()) for _ in range(500)]
    try:
        for _ in range(3):
            for client in clients:
                client.send(GET)
            for client in clients:
                equal(client.read().body, content.TEXT)
    finally:
        for client in clients:
            client.close()


def _flood(client, data):
    """Sends as much of it as the server takes."""
    client.socket.setblocking(False)
    end = time.monotonic() + 1
    while data and time.monotonic() < end:
        try:
            data = data[client.socket.send(data):]
        except BlockingIOError:
            time.sleep(0.01)
    client.socket.setblocking(True)


@test
def who_sends_on_without_reading_stops_nobody_else():
    with Server("--loops", "1", roots=[content.make_tree()]) as server:
        with Client(server.address, receive_buffer=4096) as small, Client(server.address, receive_buffer=4096) as large:
            _flood(small, GET * 40000)
            _flood(large, b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n" + GET * 10000)
            for _ in range(5):
                equal(fetch(server.address, "/hello.txt").body, content.TEXT)


@test
def forty_thousand_pipelined_requests_are_all_answered():
    with Client(address(), timeout=20, receive_buffer=65536) as client:  # what waits for long has an old Date
        sender = threading.Thread(target=client.send, args=(GET * 40000,))
        sender.start()
        for _ in range(40000):
            equal(client.read().body, content.TEXT)
        sender.join()


@test
def empty_lines_alone_are_idle():
    with Server("--header-timeout", "300ms", roots=[content.make_tree()]) as server, Client(server.address) as client:
        equal(client.get("/hello.txt").status, 200)
        client.send(b"\r\n")
        time.sleep(1)
        equal(client.get("/hello.txt").status, 200)
