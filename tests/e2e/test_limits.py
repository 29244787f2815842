# SPDX-License-Identifier: MIT
"""Limits and timeouts, each set so low that a test can wait for it."""
import resource
import socket
import threading
import time

import content
from case import equal, test, true
from server import Server, Tree
from wire import Client, WireError, fetch

HEAD = b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n"
SLACK_S = 4  # how much later than its limit a timeout may come on a busy machine


def tree():
    return Tree({"hello.txt": content.TEXT, "large.bin": content.LARGE * 6})


def seconds_until_end(client, limit):
    start = time.monotonic()
    client.socket.settimeout(limit)
    while client.fill():
        pass
    return time.monotonic() - start


def expect_408_or_end(client):
    if client.buffer:
        r = client.read()
        equal((r.status, r.closes), (408, True))
        client.expect_end()


@test
def limits_of_the_head_can_be_set():
    with Server("--request-line-limit", "100", "--fields-limit", "5", "--fields-size-limit", "300", roots=[tree()]) as server:
        equal(fetch(server.address, "/hello.txt?" + "q" * 50).status, 200)
        equal(fetch(server.address, "/" + "x" * 120).status, 414)
        equal(fetch(server.address, "/hello.txt", [("X-%d" % i, "y") for i in range(4)]).status, 200)
        equal(fetch(server.address, "/hello.txt", [("X-%d" % i, "y") for i in range(5)]).status, 431)
        equal(fetch(server.address, "/hello.txt", {"X": "y" * 200}).status, 200)
        equal(fetch(server.address, "/hello.txt", {"X": "y" * 320}).status, 431)


@test
def a_head_that_stops_gets_408():
    for part in (b"G", HEAD[:10], HEAD, HEAD + b"X: y"):
        with Server("--header-timeout", "1s", roots=[tree()]) as server, Client(server.address) as client:
            client.send(part)
            took = seconds_until_end(client, 1 + SLACK_S + 5)
            true(0.7 <= took <= 1 + SLACK_S, "%.1f s" % took)
            equal(client.read().status, 408)
            client.expect_end()


@test
def an_octet_at_a_time_does_not_hold_a_connection():
    with Server("--header-timeout", "1s", roots=[tree()]) as server, Client(server.address) as client:
        start = time.monotonic()
        stop = threading.Event()

        def drip():
            for octet in HEAD + b"X: " + b"y" * 1000:
                if stop.wait(0.1):
                    return
                try:
                    client.socket.send(bytes([octet]))
                except OSError:
                    return
        dripper = threading.Thread(target=drip)
        dripper.start()
        try:
            while b"\r\n\r\n" not in client.buffer and client.fill():
                pass
        except WireError as error:
            true("reset" in str(error), str(error))
        finally:
            stop.set()
            dripper.join()
        true(time.monotonic() - start < 1 + SLACK_S, "cut off after %.1f s" % (time.monotonic() - start))


@test
def the_deadline_counts_for_the_second_request_too():
    with Server("--header-timeout", "1s", roots=[tree()]) as server, Client(server.address) as client:
        client.send(HEAD + b"\r\n" + HEAD)
        equal(client.read().status, 200)
        took = seconds_until_end(client, 10)
        true(took <= 1 + SLACK_S, "%.1f s" % took)
        equal(client.read().status, 408)


@test
def a_slow_body_does_not_hold_a_connection():
    with Server("--header-timeout", "1s", "--keepalive-timeout", "2s", "--write-timeout", "2s", "--body-limit", "1M", roots=[tree()]) as server, Client(server.address) as client:
        client.send(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        start = time.monotonic()
        ended = False
        while time.monotonic() - start < 45 and not ended:
            try:
                client.socket.send(b"x")
            except OSError:
                break
            client.socket.settimeout(0.5)
            try:
                ended = not client.socket.recv(4096)
            except (TimeoutError, ConnectionResetError):
                pass
        true(time.monotonic() - start < 45, "a body of one octet in half a second holds the connection")


@test
def an_idle_connection_is_closed_without_a_word():
    with Server("--keepalive-timeout", "1s", roots=[tree()]) as server, Client(server.address) as client, Client(server.address) as fresh:
        equal(client.get("/hello.txt").status, 200)
        took = seconds_until_end(client, 10)
        true(0.7 <= took <= 1 + SLACK_S, "%.1f s" % took)
        client.expect_end()
        seconds_until_end(fresh, 30)
        expect_408_or_end(fresh)


@test
def a_busy_connection_is_not_idle():
    with Server("--keepalive-timeout", "1s", "--header-timeout", "1s", roots=[tree()]) as server, Client(server.address) as client:
        for _ in range(8):
            equal(client.get("/hello.txt").status, 200)
            time.sleep(0.4)


@test
def a_client_that_does_not_read_is_cut_off():
    with Server("--write-timeout", "1s", "--access-log", "-", roots=[tree()]) as server, Client(server.address, receive_buffer=4096) as client:
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        client.socket.recv(1)
        before = server.descriptors()
        end = time.monotonic() + 12
        while server.descriptors() >= before and time.monotonic() < end:
            time.sleep(0.1)
        true(server.descriptors() < before, "the connection is still held after 12 s")
        equal(fetch(server.address, "/hello.txt").status, 200)


@test
def a_slow_but_honest_reader_gets_everything():
    with Server("--write-timeout", "2s", "--min-rate", "500", roots=[tree()]) as server, Client(server.address, timeout=20, receive_buffer=8192) as client:
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        head = client.take_head()
        true(b" 200 " in head, "status")
        size, got, end = len(content.LARGE) * 6, len(client.buffer), time.monotonic() + 6
        while time.monotonic() < end:
            got += len(client.socket.recv(20000))
            time.sleep(0.05)
        client.buffer = bytearray()
        while got < size:
            data = client.socket.recv(1 << 20)
            true(data, "cut off after %d octets" % got)
            got += len(data)
        equal(got, size)


@test
def connections_in_all_are_limited():
    with Server("--connections", "10", roots=[tree()]) as server:
        clients = [Client(server.address, timeout=3) for _ in range(10)]
        for client in clients:
            equal(client.get("/hello.txt").status, 200)
        with Client(server.address, timeout=2) as late:
            try:
                late.send(HEAD + b"\r\n")
                while late.fill():
                    if b"\r\n\r\n" in late.buffer:
                        equal(late.read().status, 503)
            except WireError as error:
                true("no (complete) answer" in str(error) or "reset" in str(error), str(error))
        for client in clients:
            equal(client.get("/hello.txt").status, 200)
        clients.pop().close()
        time.sleep(0.3)
        equal(fetch_soon(server.address).status, 200)
        for client in clients:
            client.close()


def fetch_soon(address, target="/hello.txt", wait=5):
    """Tries again until the server takes connections."""
    end = time.monotonic() + wait
    while True:
        try:
            with Client(address, timeout=2) as client:
                return client.get(target)
        except (WireError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@test
def connections_of_one_address_are_limited():
    with Server("--connections-per-address", "3", roots=[tree()]) as server:
        clients = [Client(server.address) for _ in range(3)]
        for client in clients:
            equal(client.get("/hello.txt").status, 200)
        with Client(server.address, timeout=3) as late:
            try:
                late.send(HEAD + b"\r\n")
                while late.fill():
                    pass
                true(not late.buffer or late.read().status in (429, 503), "refused")
            except WireError as error:
                true("reset" in str(error), str(error))
        with Client(server.address, source="127.0.0.2") as other:
            equal(other.get("/hello.txt").status, 200)
        clients.pop().close()
        time.sleep(0.2)
        equal(fetch_soon(server.address).status, 200)
        for client in clients:
            client.close()


def exhaust(server, count):
    """Opens connections until the server's descriptors are gone."""
    clients = []
    for _ in range(count):
        try:
            clients.append(Client(server.address, timeout=1))
        except OSError:
            break
    return clients


def has_answer(client):
    client.socket.settimeout(0.001)
    try:
        return client.socket.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
    except OSError:
        return False


@test(alone=True)
def running_out_of_descriptors_neither_spins_nor_kills():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wrap = ["prlimit", "--nofile=64:%d" % min(hard, 64)]
    with Server("--loops", "2", "--keepalive-timeout", "60s", roots=[tree()], wrap=wrap, expected_errors="(?i)descriptor|accept|open file|limit") as server:
        clients = exhaust(server, 100)
        time.sleep(0.5)
        before = server.cpu_seconds()
        time.sleep(1)
        spent = server.cpu_seconds() - before
        true(spent <= 0.05, "%.2f s of CPU in a second at the descriptor limit" % spent)
        for client in clients:
            client.send(HEAD + b"\r\n")
        time.sleep(1)
        served = sum(has_answer(client) for client in clients)
        true(served >= 20, "%d connections still served" % served)
        for client in clients:
            client.close()
        equal(fetch_soon(server.address).status, 200)
        end = time.monotonic() + 5
        with Client(server.address) as client:
            true(client.get("/large.bin").body[:1000] == content.LARGE[:1000] and time.monotonic() < end, "large files again")


@test(alone=True)
def idle_connections_cost_no_cpu():
    with Server("--loops", "2", roots=[tree()]) as server:
        clients = [Client(server.address) for _ in range(300)]
        for client in clients:
            equal(client.get("/hello.txt").status, 200)
        ticks = []  # of 10 ms; sanitizers have some of their own now and then
        while len(ticks) < 5 and min(ticks, default=2) > 1:
            before = server.cpu_seconds()
            time.sleep(2)
            ticks.append(round((server.cpu_seconds() - before) * 100))
        for client in clients:
            client.close()
        true(min(ticks) <= 1, "%s ticks of CPU time in two idle seconds" % ticks)


@test
def descriptors_go_back_to_the_base():
    with Server(roots=[tree()]) as server:
        equal(fetch(server.address, "/hello.txt").status, 200)
        time.sleep(0.3)
        base = server.descriptors()
        for _ in range(50):
            with Client(server.address) as client:
                client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
                client.socket.recv(100)
            fetch(server.address, "/nothing")
        end = time.monotonic() + 10
        while server.descriptors() > base and time.monotonic() < end:
            time.sleep(0.1)
        true(server.descriptors() <= base, "%d descriptors, %d at first" % (server.descriptors(), base))


def held_for(server, base, limit):
    """Seconds until the server holds no more descriptors than at first."""
    start = time.monotonic()
    while server.descriptors() > base:
        if time.monotonic() - start > limit:
            raise AssertionError("still held after %d s" % limit)
        time.sleep(0.05)
    return time.monotonic() - start


@test
def a_reader_below_the_rate_is_cut_off():
    with Server("--write-timeout", "1s", "--min-rate", "1M", roots=[tree()]) as server, Client(server.address, receive_buffer=4096) as client:
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        client.socket.recv(1)
        before, end = server.descriptors(), time.monotonic() + 15
        while server.descriptors() >= before and time.monotonic() < end:
            try:
                client.socket.recv(500)
            except OSError:
                break
            time.sleep(0.1)
        true(server.descriptors() < before, "5 KB/s hold a connection where 1 MB/s is asked for")


@test
def a_client_that_never_stops_after_an_error_is_let_go():
    with Server("--header-timeout", "1s", "--keepalive-timeout", "2s", roots=[tree()]) as server:
        base = server.descriptors()
        with Client(server.address) as client:
            client.send(b"BAD\r\n\r\n")
            equal(client.read().status, 400)
            end, alive = time.monotonic() + 20, True
            while alive and time.monotonic() < end:
                try:
                    client.socket.send(b"x" * 1000)
                except OSError:
                    alive = False
                time.sleep(0.02)
            true(not alive, "the connection takes octets for 20 s after it was closed")
        held_for(server, base, 3)


@test
def a_client_that_never_closes_is_let_go():
    with Server("--header-timeout", "1s", "--keepalive-timeout", "2s", roots=[tree()]) as server:
        base = server.descriptors()
        with Client(server.address) as client, Client(server.address) as other:
            client.send(HEAD + b"Connection: close\r\n\r\n")
            equal(client.read().status, 200)
            other.send(b"BAD\r\n\r\n")
            equal(other.read().status, 400)
            held_for(server, base, 12)


@test
def endless_empty_lines_do_not_hold_a_connection():
    with Server("--header-timeout", "1s", "--keepalive-timeout", "1s", roots=[tree()]) as server, Client(server.address) as client:
        end, alive = time.monotonic() + 12, True
        while alive and time.monotonic() < end:
            try:
                client.socket.send(b"\r\n")
            except OSError:
                alive = False
            time.sleep(0.05)
        true(not alive, "empty lines hold a connection for 12 s")


@test
def endless_trailers_and_chunks_do_not_hold_a_connection():
    for first, more in ((b"0\r\n", b"X: y\r\n"), (b"", b"1\r\nx\r\n")):
        with Server("--header-timeout", "1s", "--keepalive-timeout", "1s", roots=[tree()]) as server, Client(server.address) as client:
            client.send(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + first)
            end, alive = time.monotonic() + 40, True
            while alive and time.monotonic() < end:
                try:
                    client.socket.send(more)
                except OSError:
                    alive = False
                time.sleep(0.05)
            true(not alive, "held for 40 s")
