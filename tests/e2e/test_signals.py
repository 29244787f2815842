# SPDX-License-Identifier: MIT
"""Signals: graceful and quick ends."""
import signal
import socket
import time

import content
from case import equal, one_of, table, test, true
from server import Server, Tree
from wire import Client, WireError

BIG = content.LARGE * 4
SLOW = b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n"


def tree():
    return Tree({"big.bin": BIG, "hello.txt": content.TEXT})


def start_download(server):
    client = Client(server.address, timeout=20, receive_buffer=8192)
    client.send(SLOW)
    client.fill()
    return client


@test
def term_lets_a_slow_download_finish():
    with Server(roots=[tree()]) as server, Client(server.address) as idle:
        equal(idle.get("/hello.txt").status, 200)
        slow = start_download(server)
        server.kill(signal.SIGTERM)
        idle.expect_end()
        time.sleep(0.5)
        try:
            with Client(server.address, timeout=2) as late:
                late.send(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n")
                late.expect_end()
        except (OSError, WireError) as error:
            true(isinstance(error, ConnectionRefusedError) or "reset" in str(error), repr(error))
        equal(server.process.poll(), None)
        true(slow.read().body == BIG, "the octets")
        slow.expect_end()
        start = time.monotonic()
        equal(server.wait(), 0)
        true(time.monotonic() - start < 3, "ends when the last response has left")


@test
def a_request_during_the_drain_is_the_last():
    with Server(roots=[tree()]) as server, Client(server.address) as client:
        client.send(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n")
        time.sleep(0.2)
        server.kill(signal.SIGTERM)
        time.sleep(0.2)
        client.send(b"\r\n")
        while client.fill():
            pass
        if client.buffer:
            r = client.read()
            equal((r.status, r.closes), (200, True))
            client.expect_end()
        equal(server.wait(), 0)


@test
def a_second_term_forces_the_end():
    with Server(roots=[tree()]) as server:
        slow = start_download(server)
        server.kill(signal.SIGTERM)
        time.sleep(0.5)
        equal(server.process.poll(), None)
        server.kill(signal.SIGTERM)
        one_of(server.wait(4), {0, 1}, "exit status")
        server.process.returncode = 0
        slow.close()


@test
def the_drain_has_an_end():
    with Server("--drain-timeout", "1s", roots=[tree()]) as server:
        slow = start_download(server)
        start = time.monotonic()
        server.kill(signal.SIGTERM)
        one_of(server.wait(8), {0, 1}, "exit status")
        true(0.5 < time.monotonic() - start < 5, "%.1f s" % (time.monotonic() - start))
        server.process.returncode = 0
        slow.close()


@table([("int", signal.SIGINT), ("quit", signal.SIGQUIT)])
def the_quick_end_waits_for_nobody(number):
    with Server(roots=[tree()]) as server:
        slow = start_download(server)
        server.kill(number)
        equal(server.wait(4), 0)
        slow.close()


@test
def an_idle_server_ends_at_once():
    with Server(roots=[tree()]) as server:
        clients = [Client(server.address) for _ in range(50)]
        for client in clients:
            equal(client.get("/hello.txt").status, 200)
        start = time.monotonic()
        server.kill(signal.SIGTERM)
        equal(server.wait(), 0)
        true(time.monotonic() - start < 3, "%.1f s" % (time.monotonic() - start))
        for client in clients:
            client.expect_end()
            client.close()


@test
def a_broken_pipe_signal_is_nothing():
    with Server(roots=[tree()]) as server, Client(server.address) as client:
        server.kill(signal.SIGPIPE)
        time.sleep(0.1)
        equal(client.get("/hello.txt").status, 200)


@test
def other_signals_in_a_storm_do_no_harm():
    with Server(roots=[tree()]) as server, Client(server.address) as client:
        for i in range(100):
            server.kill((signal.SIGHUP, signal.SIGUSR1)[i % 2])
            equal(client.get("/hello.txt").status, 200)


@test
def term_under_load_cuts_no_response():
    for _ in range(5):
        with Server(roots=[tree()]) as server:
            clients = [Client(server.address) for _ in range(30)]
            for client in clients:
                equal(client.get("/hello.txt").status, 200)
            for client in clients:
                client.send(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
            server.kill(signal.SIGTERM)
            equal(server.wait(), 0)
            for client in clients:
                while client.fill():
                    pass
                last = None
                while client.buffer:
                    last = client.read()
                true(last is None or last.status == 200, "status")
                client.close()


@test
def the_port_is_free_again_at_once():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(3):
        with Server(roots=[tree()], listen=("127.0.0.1:%d" % port,)) as server, Client(server.address) as client:
            equal(client.get("/hello.txt").status, 200)
            server.kill(signal.SIGTERM)
            equal(server.wait(), 0)


@test
def term_right_after_the_start_or_a_reload_ends_clean():
    for wait in range(10):
        with Server(roots=[tree()], wait=False) as server:
            time.sleep(0.03 * wait)
            if wait > 4:
                server.wait_line("listening on")
                server.kill(signal.SIGHUP)
            server.kill(signal.SIGTERM)
            one_of(server.wait(), {0, -signal.SIGTERM}, "exit status")
            server.process.returncode = 0
