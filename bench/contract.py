# SPDX-License-Identifier: MIT
"""What a reference server (models/*.c) has to do right, and scrubjay too, before it is timed."""
import os
import random
import resource
import shlex
import socket
import string
import struct
import subprocess
import time
from typing import NamedTuple

from peers import SUBJECT, rows_of
from servers import CORES, Unusable

SMALL, LARGE = 1024, 2 << 20
CONNECTIONS = 1000
TIMEOUT_S = 30
REFUSED = 77  # a model's exit status
MODELS = [row for row in rows_of("io-models") if row.name != SUBJECT]


class Page(NamedTuple):
    port: int
    target: str
    content: bytes


class Subject(NamedTuple):
    pid: int  # of the server of the small page
    small: Page
    large: Page
    holds: bool = True  # many connections at a time; else the others wait until one ends


class Broken(AssertionError):
    """A server does not do what it has to."""


def make_files(folder):
    """Makes SMALL.txt and LARGE.txt: their contents."""
    contents = []
    for size in (SMALL, LARGE):
        contents.append(random.Random(size).randbytes(size))
        with open(os.path.join(folder, f"{size}.txt"), "wb") as file:
            file.write(contents[-1])
    return contents


def start_model(row, path, folder, contents):
    """A process for each of the files that make_files has made in the folder, and what to check of them.  Raises Unusable
    where the kernel cannot run it, Broken where it does not start."""
    processes, pages = [], []
    try:
        for content in contents:
            words = string.Template(row.command).substitute(port=0, root=folder, bytes=len(content), cores=CORES)
            processes.append(subprocess.Popen([path, *shlex.split(words)], stdin=subprocess.DEVNULL,
                                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            port = processes[-1].stdout.readline()
            if not port:
                said = processes[-1].communicate()[1].strip()
                raise (Unusable if processes[-1].returncode == REFUSED else Broken)(said)
            pages.append(Page(int(port), "/", content))
    except BaseException:
        for process in processes:
            process.kill()
            process.communicate()
        raise
    return processes, Subject(processes[0].pid, *pages, holds=row.name != "blocking")


def end(processes):
    """SIGTERM must end each of them with 0, and they may not have complained."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            said = process.communicate(timeout=TIMEOUT_S)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Broken("SIGTERM does not end it") from None
        if process.returncode != 0 or said:
            raise Broken(f"exit status {process.returncode} after SIGTERM: {said}")


class Client:
    """One connection to a page."""

    def __init__(self, page, receive_buffer=0):
        self.page = page
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT_S)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", page.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def vanish(self):
        """Closes with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def half_close_and_vanish(self):
        """A server that goes on sending gets SIGPIPE, unless it has said that it does not want it."""
        self.socket.shutdown(socket.SHUT_WR)
        self.vanish()

    def ask(self, count=1):
        self.socket.sendall(self.request() * count)
        return self

    def request(self, fields=""):
        return f"GET {self.page.target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode()

    def read(self, pause_s=0):
        """The fields of the next answer, which must be right."""
        status, fields = self.stream.readline(), {}
        if not status.startswith(b"HTTP/1.1 200 "):
            raise Broken(f"no answer but {status!r}")
        for line in iter(self.stream.readline, b"\r\n"):
            name, colon, value = line.decode("ascii").partition(":")
            if not colon:
                raise Broken(f"the head ends in {line!r}")
            fields[name.lower()] = value.strip()
        if fields.get("content-length") != str(len(self.page.content)) or "content-type" not in fields:
            raise Broken(f"wrong fields: {fields}")
        if self.read_body(pause_s) != self.page.content:
            raise Broken("other octets than the file's")
        return fields

    def read_body(self, pause_s):
        parts, left = [], len(self.page.content)
        while left > 0:
            parts.append(self.stream.read(min(left, 16384)))
            if not parts[-1]:
                raise Broken(f"the connection ends {left} octets too early")
            left -= len(parts[-1])
            time.sleep(pause_s)
        return b"".join(parts)

    def read_end(self):
        more = self.stream.read(1)
        if more:
            raise Broken(f"{more!r} behind the last answer")


def answer(page):
    """One request on a connection of its own."""
    with Client(page) as client:
        client.ask().read()


def answers_one_request_after_the_other(subject):
    with Client(subject.small) as client:
        for _ in range(3):
            client.ask().read()
    answer(subject.large)


def answers_100_requests_sent_at_once(subject):
    with Client(subject.small) as client:
        client.ask(100)
        for _ in range(100):
            client.read()


def finds_the_end_of_a_head_that_comes_octet_by_octet(subject):
    with Client(subject.small) as client:
        for octet in client.request("X: \r\n") * 2:
            client.socket.sendall(bytes((octet,)))
            time.sleep(0.0005)
        for _ in range(2):
            client.read()


def sends_large_answers_to_a_slow_reader(subject):
    with Client(subject.large, receive_buffer=4096) as client:
        client.ask(3)  # more than a socket takes
        for _ in range(3):
            client.read(pause_s=0.0005)


def closes_the_connection_when_asked_to(subject):
    for field in ("Connection: close\r\n", "connection:CLOSE\r\n", "Accept: */*\r\nConnection:  close \r\nConnect: x\r\n"):
        with Client(subject.small) as client:
            client.socket.sendall(client.request() + client.request(field))
            if "connection" in client.read():
                raise Broken("Connection in an answer to a request without")
            if client.read().get("connection") != "close":
                raise Broken("no Connection: close in the last answer")
            client.read_end()


def answers_a_client_that_has_sent_all(subject):
    with Client(subject.large, receive_buffer=4096) as client:
        client.ask(3).socket.shutdown(socket.SHUT_WR)
        for _ in range(3):
            client.read()
        client.read_end()


def answers_1000_connections(subject):
    clients = []
    try:
        for _ in range(CONNECTIONS):
            clients.append(Client(subject.small).ask())
        for client in clients:
            client.read()
            if not subject.holds:
                client.close()
    finally:
        for client in clients:
            client.close()


def outlives_clients_that_vanish(subject):
    for leave in (Client.close, Client.vanish, Client.half_close_and_vanish):
        client = Client(subject.small)
        client.socket.sendall(b"GET / HTTP/1.1\r\nHost: ")
        leave(client)
        client = Client(subject.large, receive_buffer=4096).ask(3)
        client.stream.read(1000)
        leave(client)
        answer(subject.small)
        answer(subject.large)


def outlives_a_lack_of_descriptors(subject):
    soft, hard = resource.prlimit(subject.pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{subject.pid}/fd"))
    resource.prlimit(subject.pid, resource.RLIMIT_NOFILE, (used + 8, hard))
    try:
        clients = [Client(subject.small) for _ in range(64)]
        answered = [is_answered(client) for client in clients]
    finally:
        resource.prlimit(subject.pid, resource.RLIMIT_NOFILE, (soft, hard))
    if not any(answered):
        raise Broken("nobody is answered any more")
    await_answer(subject.small)


def is_answered(client):
    """Else it was refused."""
    with client:
        try:
            client.ask()
            if not client.stream.peek(1):
                return False
        except (BrokenPipeError, ConnectionResetError):
            return False
        client.read()
        return True


def await_answer(page):
    """Connections that have ended may still be held for a moment."""
    deadline = time.monotonic() + TIMEOUT_S
    while not is_answered(Client(page)):
        if time.monotonic() > deadline:
            raise Broken("it does not recover")


CHECKS = (
    answers_one_request_after_the_other,
    answers_100_requests_sent_at_once,
    finds_the_end_of_a_head_that_comes_octet_by_octet,
    sends_large_answers_to_a_slow_reader,
    closes_the_connection_when_asked_to,
    answers_a_client_that_has_sent_all,
    answers_1000_connections,
    outlives_clients_that_vanish,
    outlives_a_lack_of_descriptors,
)


def first_fault(subject):
    """None, or what is wrong."""
    for check in CHECKS:
        try:
            check(subject)
        except (Broken, OSError) as error:
            return f"{check.__name__.replace('_', ' ')}: no, {error!r}"
    return None
