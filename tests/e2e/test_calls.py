# SPDX-License-Identifier: MIT
"""Calls of handlers, and what the server does around them: places and spares, limits, clients that leave,
the end, and what is counted."""
import json
import random
import re
import resource
import signal
import socket
import threading
import time

from case import equal, one_of, table, test, true
from handling import common, get, module, reset, serve, states, wait_for
from server import Server, Tree, is_sanitized, run_program, shared, temporary
from wire import Client, request


@test
def a_slow_client_holds_the_handler_up_not_the_memory():
    with serve() as server:
        with Client(server.address, receive_buffer=8192) as slow:
            slow.send(request("/flow?n=400"))
            time.sleep(1)
            with open("/proc/%d/status" % server.pid) as file:
                resident = int(re.search(r"VmRSS:\s*(\d+)", file.read())[1])
            limit = 400 if is_sanitized() else 20
            true(resident < limit * 1024, "%d KiB" % resident)
            equal(len(slow.read().body), 400 * 65536)
        with Client(server.address, receive_buffer=8192) as slow:
            slow.send(request("/chunks?n=100&size=65536"))
            time.sleep(0.5)
            equal(len(slow.read().body), 6 + 100 * 65536)


@test
def blocking_handlers_run_beside_each_other():
    with Server("--workers", "1", "--module", module(), "--route", "/said=tasks:block", "--route", "/blocking=tasks:block,class=blocking",
                "--route", "/heavy=tasks:spin", roots=[Tree()]) as server:
        for target in ("/said?say&ms=700", "/blocking?ms=700"):
            clients = [Client(server.address) for _ in range(20)]
            start = time.monotonic()
            for client in clients:
                client.send(request(target))
            equal(get("/heavy", server=server).body, b"xxxxx")
            for client in clients:
                equal(client.read().body, b"slept\n")
                client.close()
            true(time.monotonic() - start < 10, "20 sleeps of 0.7 s took %.1f s" % (time.monotonic() - start))


@test
def subtasks_that_block_are_joined_beside_each_other():
    for spares in (64, 3, 0):
        with serve(options=["--workers", "2", "--spares", spares]) as server:
            clients = [Client(server.address, timeout=60) for _ in range(24)]
            for _ in range(3):
                for i, client in enumerate(clients):
                    client.send(request(("/split?n=12&ms=9", "/block?say&ms=7", "/spin?us=300", "/split?n=3&ms=2")[i % 4]))
                for client in clients:
                    equal(client.read().status, 200)

            def all_released():
                made, released = states(server)
                return made == released
            wait_for(all_released)


@table([(name, name) for name in ("heavy", "blocking")])
def slow_readers_of_one_route_leave_spares_to_others(route_class):
    path = temporary(".sock")
    with serve("/slow=tasks:chunks,time=none,class=" + route_class, "/blocking=tasks:block,class=blocking", expected_errors="tasks:chunks",
               options=["--workers", "1", "--spares", "8", "--control", path]) as server:
        slow = [Client(server.address, receive_buffer=4096) for _ in range(16)]
        for client in slow:
            client.send(request("/slow?n=10000&size=65536"))

        def has_its_share():
            return states(server)[0] >= 6
        wait_for(has_its_share)
        for _ in range(20):
            equal(get("/blocking?ms=1", server=server).body, b"slept\n")
            equal(get("/block?say&ms=1", server=server).body, b"slept\n")
        true(states(server)[0] <= 40 + 7, "more than its share is at work")
        code, out, _ = run_program("status", "--json", "--control", path)
        route = [one for one in json.loads(out)["routes"] if one["prefix"] == "/slow"][0]
        equal(route["running"] + route["queued"], 16)
        for client in slow:
            reset(client)

        def all_released():
            made, released = states(server)
            return made == released
        wait_for(all_released, 30)


@test
def without_spares_blocking_handlers_queue():
    with Server("--workers", "1", "--spares", "0", "--module", module(), "--route", "/b=tasks:block,class=blocking", roots=[Tree()]) as server:
        clients = [Client(server.address) for _ in range(3)]
        start = time.monotonic()
        for client in clients:
            client.send(request("/b?ms=200"))
        for client in clients:
            equal(client.read().body, b"slept\n")
        true(time.monotonic() - start >= 0.59, "one after the other")


@test
def without_descriptors_long_bodies_are_refused_one_by_one():
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    def send(client, data):
        try:
            client.send(data)
        except (AssertionError, OSError):
            pass  # it has been refused
    with serve("/large=tasks:show,body=10M", expected_errors="cannot keep a request's body|cannot accept", preexec_fn=limit) as server:
        clients = [Client(server.address) for _ in range(48)]
        for client in clients:
            send(client, request("/large", {"Content-Length": "300001"}, "POST") + b"b" * 300000)
        server.wait_line("cannot keep a request's body: Too many open files")
        for client in clients:
            send(client, b"b")
        answers = [client.read("POST") for client in clients]
        equal({r.status for r in answers}, {200, 503})
        for client in clients:
            client.close()
        equal(get("/large", {"Content-Length": "300001"}, "POST", body=b"b" * 300001, server=server).status, 200)


@test
def a_late_answer_is_504_and_dropped():
    for target in ("/short?ms=6000", "/short-heavy?ms=6000"):
        with Client(shared(common).address) as client:
            start = time.monotonic()
            equal(client.get(target).status, 504)
            true(0.25 < time.monotonic() - start < 5.9, "%.2f s" % (time.monotonic() - start))
            equal(client.get("/a.txt").body, b"static\n")


@test
def queues_are_limited():
    with serve("/limited=tasks:later,running=1,queue=3") as server:
        clients = [Client(server.address) for _ in range(8)]
        for client in clients:
            client.send(request("/limited?ms=500"))
        answers = [client.read() for client in clients]
        equal(sorted(r.status for r in answers)[:4], [200] * 4)
        true(503 in [r.status for r in answers], "some are refused")
        for r in answers:
            equal(r.has("retry-after"), r.status == 503)
        equal(get("/limited?ms=1", server=server).status, 200)


@test
def one_after_the_other_if_so_limited():
    with serve("/limited=tasks:block,running=1,class=blocking") as server:
        clients = [Client(server.address) for _ in range(4)]
        start = time.monotonic()
        for client in clients:
            client.send(request("/limited?ms=150"))
        for client in clients:
            equal(client.read().status, 200)
        true(time.monotonic() - start >= 0.59, "they ran at the same time")


@test
def a_quick_handler_holds_a_loop_up_once():
    with serve("/quick=tasks:spin,class=quick", options=["--loops", "1"]) as server:
        with Client(server.address) as client:
            client.send(request("/quick?us=1000000"))
            server.wait_line("tasks:spin held up a loop for [0-9]{4,}")
            equal(client.read().status, 200)
            client.send(request("/quick?us=5000000"))
            time.sleep(0.3)
            start = time.monotonic()
            equal(get("/a.txt", server=server).status, 200)
            true(time.monotonic() - start < 4.5, "the loop is held up again")
            equal(client.read().status, 200)


@test
def a_handler_that_is_quick_is_promoted():
    with serve() as server, Client(server.address) as client:
        def is_promoted():
            for _ in range(100):
                client.get("/spin?n=1")
            return any("tasks:spin is quick" in line for line in server.lines)
        wait_for(is_promoted, 60)
        equal(client.get("/spin?n=2").body, b"xx")


@test
def states_are_released_once_whoever_leaves():
    with serve("/short=tasks:block,time=100ms,class=blocking", "/narrow=tasks:later,running=2",
               expected_errors="tasks:chunks|tasks:flow") as server:
        targets = ["/later?ms=20", "/later?ms=2000", "/later?then", "/block?ms=5", "/block?say&ms=20", "/short?ms=300", "/narrow?ms=30",
                   "/chunks?n=50&size=20000", "/flow?n=50", "/posted", "/file?length=9000", "/spin?us=300", "/split?n=6&ms=5"]

        def annoy(seed):
            chance = random.Random(seed)
            for _ in range(60):
                client = Client(server.address, receive_buffer=chance.choice((None, 4096)))
                try:
                    client.send(b"".join(request(chance.choice(targets)) for _ in range(chance.randrange(1, 4))))
                    if chance.random() < 0.5:
                        time.sleep(chance.random() * 0.02)
                    if chance.random() < 0.3:
                        client.fill()
                except (AssertionError, OSError):
                    pass
                reset(client)
        threads = [threading.Thread(target=annoy, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        def all_released():
            made, released = states(server)
            true(released <= made, "%d of %d" % (released, made))
            return made == released
        wait_for(all_released, 20)


@test
def a_client_that_has_ended_its_side_gets_its_answer():
    for target, text in (("/later?ms=1500", b"later\n"), ("/blocking?ms=1500", b"slept\n")):
        with Client(shared(common).address) as get_it, Client(shared(common).address) as post:
            get_it.send(request(target))
            post.send(request(target, {"Content-Length": "5"}, "POST") + b"12345")
            for client in (get_it, post):
                client.socket.shutdown(socket.SHUT_WR)
            for client, method in ((get_it, "GET"), (post, "POST")):
                equal(client.read(method).body, text)


def close_for_good(client):
    """As any client, but its kernel forgets the connection after a second, not a minute."""
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
    client.close()


@table([(name, act) for name, act in (("by a reset", reset), ("in the ordinary way", close_for_good))])
def a_client_that_has_gone_after_ending_its_side_is_dropped(act):
    with serve("/long=tasks:later,time=none") as server:
        client = Client(server.address)
        client.send(request("/long?ms=600000", {"Content-Length": "5"}, "POST") + b"12345")
        client.socket.shutdown(socket.SHUT_WR)

        def is_called():
            return states(server) == [1, 0]
        wait_for(is_called)
        act(client)

        def is_dropped():
            return states(server) == [1, 1]
        wait_for(is_dropped, 30)


@test
def term_answers_what_is_accepted():
    with serve("/b=tasks:block,running=20,queue=2000,class=blocking,time=none", options=["--drain-timeout", "3s"]) as server:
        clients = [Client(server.address, timeout=20) for _ in range(1000)]
        for client in clients:
            client.send(request("/b?ms=100"))
        time.sleep(0.5)
        server.kill(signal.SIGTERM)
        counts = {200: 0, 503: 0}
        for client in clients:
            r = client.read()
            one_of(r.status, (200, 503))
            counts[r.status] += 1
            client.close()
        true(counts[200] > 20, "%r" % counts)
        start = time.monotonic()
        server.wait()
        true(time.monotonic() - start < 10, "the end took %.1f s" % (time.monotonic() - start))


@test
def who_is_waited_for_at_the_end_is_said():
    with serve("/b=tasks:block,class=blocking", options=["--drain-timeout", "100ms"]) as server, Client(server.address) as client:
        client.send(request("/b?ms=2000"))

        def has_begun():
            return states(server)[0] == 1
        wait_for(has_begun)
        server.kill(signal.SIGTERM)
        equal(client.read().status, 503)
        server.wait_line("ending; tasks of workers that are waited for: 1")


def metrics(data):
    """{name with labels: value} of a response that is checked."""
    head, _, body = data.partition("\r\n\r\n")
    true(head.startswith("HTTP/1.1 200 OK\r\n") and "Content-Length: %d" % len(body) in head, head)
    found = {}
    for line in body.splitlines():
        if not line.startswith("# "):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
            true(re.match(r'scrubjay_[a-z0-9_]+(\{([a-z]+="[^"]*",?)+\})?\Z', name), line)
    return found


def ask_metrics(client, target="/metrics"):
    client.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode())
    return hear_metrics(client)


def hear_metrics(client):
    data = b""
    while True:
        more = client.recv(65536)
        if not more:
            return data.decode()
        data += more


@test
def each_route_has_its_counts():
    path = temporary(".sock")
    with serve("/late=tasks:later,time=100ms", options=["--control", path, "--metrics", "unix:" + path + "2"]) as server:
        for target in ("/spin", "/spin?status=404", "/late?ms=1000", "/later"):
            get(target, server=server)
        for at in (path, path + "2"):
            client = socket.socket(socket.AF_UNIX)
            client.connect(at)
            found = metrics(ask_metrics(client))
            labels = 'route="/spin",handler="tasks:spin"'
            for name, value in (('responses_total{%s,code="2xx"}' % labels, 1), ('responses_total{%s,code="4xx"}' % labels, 1),
                                ('run_seconds_count{%s}' % labels, 2), ('run_seconds_bucket{%s,le="+Inf"}' % labels, 2),
                                ('late_total{route="/late",handler="tasks:later"}', 1),
                                ('responses_total{route="/late",handler="tasks:later",code="5xx"}', 1)):
                equal(found["scrubjay_route_" + name], value, name)
            client.close()
        client = socket.socket(socket.AF_UNIX)
        client.connect(path + "2")
        client.sendall(b"stop\n")
        equal(client.recv(100)[:6], b"error\n")
        client.close()
        code, out, _ = run_program("status", "--json", "--control", path)
        route = [one for one in json.loads(out)["routes"] if one["prefix"] == "/spin"][0]
        equal((route["handler"], route["class"], route["2xx"], route["4xx"]), ("tasks:spin", "heavy", 1, 1))
        equal((route["queued"], route["running"]), (0, 0))
        true("asynchronous" in run_program("status", "--control", path)[1], "the text")


@test
def metrics_are_told_at_each_address():
    with Server("--metrics", ":0", listen=(":0",), roots=[Tree()]) as server:
        found = [re.search(r"metrics at http://(\S+):([0-9]+)", line) for line in server.lines]
        addresses = [(line[1].strip("[]"), int(line[2])) for line in found if line]
        equal(sorted(host for host, _ in addresses), sorted(host for host, _ in server.addresses))
        for host, port in addresses:
            with socket.create_connection(("::1" if ":" in host else "127.0.0.1", port), 5) as client:
                equal(metrics(ask_metrics(client))["scrubjay_connections"], 0)
            with socket.create_connection(("::1" if ":" in host else "127.0.0.1", port), 5) as client:
                true(ask_metrics(client, "/").startswith("HTTP/1.1 404"), "there is only /metrics")


@test
def metrics_reach_a_slow_client_that_sends_in_pieces():
    routes = ["/%d=tasks:show" % i for i in range(40)]
    with serve(*routes, options=["--metrics", "127.0.0.1:0"]) as server:
        port = int(server.wait_line(r"metrics at \S+:([0-9]+)")[1])
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /metrics HTTP/1.1\r\n")
            time.sleep(0.3)
            client.sendall(b"Host: a\r\n\r\n")
            time.sleep(0.3)
            metrics(hear_metrics(client))
