# SPDX-License-Identifier: MIT
"""The control socket, and the commands of the program to a running server."""
import ctypes
import json
import os
import re
import signal
import socket
import stat
import threading
import time

import content
from case import Skip, equal, table, test, true
from server import Server, Tree, run_program, temporary
from wire import Client, fetch

LINE = re.compile(r"generation (\d+): ([\d,]+) added, ([\d,]+) changed, ([\d,]+) removed, ([\d,]+) unchanged, (\d+) faults; \d+ ms\n\Z")
NOBODY = 65534
SYS_SETRESUID = 117  # x86-64


def serve(path, *options, files=None, **more):
    return Server("--no-watch", "--control", path, *options, roots=[Tree(files or {"a.txt": b"a"})], **more)


def ask(path, *command):
    return run_program(*command, "--control", path)


def status(path):
    code, out, errors = ask(path, "status", "--json")
    equal((code, errors), (0, ""))
    return json.loads(out)


def connect(path, timeout=20):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    client.connect(path)
    return client


def read_all(client):
    data = b""
    while True:
        try:
            more = client.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            client.close()
            return data.decode()
        data += more


def raw(path, *pieces):
    client = connect(path)
    for i, piece in enumerate(pieces):
        if i > 0:
            time.sleep(0.05)
        client.sendall(piece)
    return read_all(client)


def wait_for(check, what, seconds=8):
    end = time.monotonic() + seconds
    while not check():
        true(time.monotonic() < end, what)
        time.sleep(0.02)


@test
def reload_waits_and_prints_the_result():
    path, tree = temporary(".sock"), Tree({"f%d.txt" % i: b"x" for i in range(1100)})
    with Server("--no-watch", "--control", path, roots=[tree]) as server:
        tree.write("new.txt", b"new")
        tree.write("f1.txt", b"changed", content.server.OLD + 5)
        tree.remove("f2.txt")
        tree.link("dangling", "nowhere")
        code, out, errors = ask(path, "reload")
        equal((code, errors), (0, ""))
        found = LINE.match(out)
        true(found, out)
        equal(found.groups(), ("2", "1", "1", "1", "1,098", "1"))
        equal(fetch(server.address, "/new.txt").body, b"new")


@test
def a_reload_that_is_refused_says_why_and_fails():
    path, tree = temporary(".sock"), Tree({"site/a.txt": b"a"})
    with Server("--no-watch", "--control", path, roots=[tree.path("site")], expected_errors="not reloaded") as server:
        os.rename(tree.path("site"), tree.path("away"))
        os.chmod(tree.root, 0o755)
        tree.write("site", b"not a folder")
        code, out, errors = ask(path, "reload")
        equal((code, out), (1, ""), errors)
        true("not reloaded, generation 1 serves on" in errors and tree.path("site") in errors, errors)
        equal(len(errors.splitlines()), 1)
        equal(fetch(server.address, "/a.txt").body, b"a")


@test
def reload_means_a_build_that_began_after_the_request():
    path, tree = temporary(".sock"), Tree({"d%d/f%d.txt" % (i % 50, i): b"x" for i in range(5000)})
    with Server("--no-watch", "--control", path, roots=[tree]) as server:
        over = threading.Event()

        def disturb():
            while not over.wait(0.002):
                server.kill(signal.SIGHUP)

        other = threading.Thread(target=disturb)
        other.start()
        try:
            for i in range(60):
                name = "d%d/f%d.txt" % (i % 50, i)
                tree.replace(name, b"new")
                answer = raw(path, b"reload\n")
                true(answer.startswith("ok\n"), answer)
                equal(fetch(server.address, "/" + name).body, b"new")
        finally:
            over.set()
            other.join()


@test
def many_may_wait_for_one_build():
    path = temporary(".sock")
    with serve(path) as server:
        clients = [connect(path) for _ in range(12)]
        status(path)  # by now all of them are accepted
        server.kill(signal.SIGSTOP)  # so that it reads all of them in one turn
        os.waitid(os.P_PID, server.pid, os.WSTOPPED)
        for client in clients:
            client.sendall(b"reload\n")
        server.kill(signal.SIGCONT)
        answers = [read_all(client) for client in clients]
        true(all(re.match(r"ok\ngeneration [23]: ", answer) for answer in answers), answers)


@test
def status_as_json_counts():
    path = temporary(".sock")
    with serve(path, "--loops", "2", "--workers", "3", files={"a.txt": b"12345", "b.txt": b"678"}) as server, Client(server.address) as client:
        for _ in range(5):
            equal(client.get("/a.txt").status, 200)
        wait_for(lambda: status(path)["requests"] == 5, "five requests")
        got = status(path)
        equal((got["version"], got["state"], got["pid"]), (server.version, "serving", server.pid))
        equal(got["addresses"], ["http://%s:%d" % server.address])
        equal((got["connections"], got["accepted"], got["responses_holding_entries"]), (1, 1, 0))
        index = got["index"]
        equal((index["generation"], index["urls"], index["content_bytes"], index["faults"]), (1, 2, 8, 0))
        equal((len(got["loops"]), len(got["workers"])), (2, 3))
        equal(sum(loop["requests"] for loop in got["loops"]), 5)
        true(got["sent_bytes"] > 25 and got["memory_bytes"] > 1_000_000, got)


@test
def status_as_text_says_the_same():
    path = temporary(".sock")
    with serve(path) as server:
        code, out, errors = ask(path, "status")
        equal((code, errors), (0, ""))
        rows = [re.split(r"  +", line.strip(), 1) for line in out.splitlines()]
        found = {row[0]: row[1] for row in rows if len(row) > 1}
        equal((found["pid"], found["state"], found["generation"], found["urls"]), (str(server.pid), "serving", "1", "1"))
        true("http://%s:%d" % server.address in found["addresses"], out)


@test
def status_counts_responses_that_hold_an_entry():
    path = temporary(".sock")
    with serve(path, "--memory-file-limit", "64M", files={"big.bin": content.LARGE * 4}) as server:
        for end in ("read", "cut"):
            slow = Client(server.address, timeout=20, receive_buffer=8192)
            slow.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            slow.fill()
            wait_for(lambda: status(path)["responses_holding_entries"] == 1, "one that waits")
            if end == "read":
                slow.read()
            slow.close()
            wait_for(lambda: status(path)["responses_holding_entries"] == 0, "none after it was " + end)


@test
def stop_drains_and_a_second_one_forces():
    path = temporary(".sock")
    with serve(path, files={"big.bin": content.LARGE * 4}) as server:
        slow = Client(server.address, timeout=20, receive_buffer=8192)
        slow.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.fill()
        equal(ask(path, "stop"), (0, "draining 1 connections, at most 30000 ms\n", ""))
        time.sleep(0.3)
        equal(server.process.poll(), None)
        equal(status(path)["state"], "draining")
        equal(ask(path, "stop"), (0, "stopping at once\n", ""))
        equal(server.wait(4), 0)
        slow.close()
        true(not os.path.exists(path), "the socket's file is removed")


@test
def where_nobody_listens_is_said_in_one_line():
    path = temporary(".sock")
    for command in ("reload", "status", "stop"):
        code, out, errors = ask(path, command)
        equal((code, out, len(errors.splitlines())), (1, "", 1), errors)
        true(path in errors and "no server answers" in errors and "--control" in errors, errors)


@table([(" ".join(arguments), arguments, word) for *arguments, word in (
    ("reload", "--bogus", "--bogus"), ("status", "--force", "--force"), ("reload", "x", "'x'"), ("stop", "--json", "--json"), ("reload", "--control", "--control"), ("status", "--control", "none", "--control"),
    ("status", "--json=1", "--json"))])
def wrong_use_is_told_in_one_line(arguments, word):
    code, out, errors = run_program(*arguments)
    equal((code, out, len(errors.splitlines())), (2, "", 1), errors)
    true(word in errors, errors)


@test
def a_second_server_leaves_the_first_ones_socket_alone():
    path = temporary(".sock")
    with serve(path) as first:
        with serve(path) as second:
            true(any("warning" in line and path in line and "--control" in line for line in second.lines), second.lines)
            equal(fetch(second.address, "/a.txt").body, b"a")
            equal(status(path)["pid"], first.pid)
        equal(status(path)["pid"], first.pid)


@test
def a_socket_that_is_left_over_is_replaced():
    path = temporary(".sock")
    dead = serve(path)
    dead.abandon()
    true(stat.S_ISSOCK(os.lstat(path).st_mode), "it is there")
    with serve(path) as server:
        equal(status(path)["pid"], server.pid)
    true(not os.path.exists(path), "the socket's file is removed")


@test
def a_file_of_somebody_else_is_no_place_for_a_socket():
    path = temporary(".txt")
    with open(path, "w") as file:
        file.write("mine")
    code, _, errors = run_program("serve", "--listen", "127.0.0.1:0", "--control", path, Tree().root)
    equal((code, len(errors.splitlines())), (1, 1), errors)
    true("--control" in errors and path in errors, errors)
    with open(path) as file:
        equal(file.read(), "mine")


@test
def the_file_of_another_server_is_not_removed():
    path = temporary(".sock")
    with serve(path) as first:
        os.unlink(path)
        with serve(path) as second:
            first.stop()
            equal(status(path)["pid"], second.pid)


@test
def nobody_else_can_open_the_socket():
    path = temporary(".sock")
    with serve(path):
        file = os.lstat(path)
        equal((stat.S_IMODE(file.st_mode), file.st_uid), (0o600, os.geteuid()))


def as_nobody(path):
    """What a client of user nobody gets.  The system call changes the thread, not the process, and
    needs no program that nobody may run."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    os.chmod(os.path.dirname(path), 0o755)
    got = []

    def run():
        equal(ctypes.CDLL(None, use_errno=True).syscall(SYS_SETRESUID, NOBODY, NOBODY, NOBODY), 0)
        try:
            got.append(raw(path, b"status\n"))
        except OSError as error:
            got.append(repr(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return got[0]


@test
def another_user_is_refused():
    path = temporary(".sock")
    with serve(path):
        true("PermissionError" in as_nobody(path), "by the file's mode")
        os.chmod(path, 0o666)
        answer = as_nobody(path)
        true(answer.startswith("error\nonly root") or "BrokenPipe" in answer, answer)


@test
def the_socket_belongs_to_whoever_the_server_becomes():
    if os.geteuid() != 0:
        raise Skip("needs root")
    path = temporary(".sock")
    with serve(path, "--user", "nobody") as server:
        equal((os.lstat(path).st_uid, stat.S_IMODE(os.lstat(path).st_mode)), (NOBODY, 0o600))
        true(as_nobody(path).startswith("ok\nversion"), "its own user")
        equal(status(path)["pid"], server.pid)


@test
def a_client_that_says_nothing_is_let_go():
    path = temporary(".sock")
    with serve(path):
        silent, slow = connect(path), connect(path)
        slow.sendall(b"stat")
        equal(ask(path, "reload")[0], 0)
        equal(read_all(silent), "error\nno request came\n")
        equal(read_all(slow), "error\nno request came\n")


@test
def a_client_may_go_away_in_mid_reload():
    path, tree = temporary(".sock"), Tree({"f%d.txt" % i: b"x" for i in range(300)})
    with Server("--no-watch", "--control", path, roots=[tree]) as server:
        for _ in range(10):
            clients = [connect(path) for _ in range(8)]
            for client in clients:
                client.sendall(b"reload\n")
                client.close()
            wait_for(lambda: ask(path, "reload")[0] == 0, "there is room again")
        equal(fetch(server.address, "/f1.txt").body, b"x")


@test
def stopping_answers_those_that_wait():
    path, tree = temporary(".sock"), Tree({"f%d.txt" % i: b"x" for i in range(2000)})
    with Server("--no-watch", "--control", path, roots=[tree]) as server:
        clients = [connect(path) for _ in range(8)]
        for client in clients:
            client.sendall(b"reload\n")
        time.sleep(0.001)
        server.kill(signal.SIGINT)
        for client in clients:
            answer = read_all(client)
            true(answer == "" or re.match(r"ok\ngeneration|error\n(the server is )?stopping|error\nnot reloaded", answer), answer)
        equal(server.wait(4), 0)


@test
def one_more_than_sixteen_is_turned_away():
    path = temporary(".sock")
    with serve(path):
        clients = [connect(path) for _ in range(16)]
        true(ask(path, "status") == (1, "", "scrubjay: too many clients wait at the control socket: try again later\n"), "the seventeenth")
        clients.pop().close()
        wait_for(lambda: ask(path, "status")[0] == 0, "there is room again")
        for client in clients:
            client.close()


@table([("in pieces", (b"sta", b"tus", b" json\n"), "ok\n{"), ("more spaces", (b"  status  json \r\n",), "ok\n{"),
        ("an unknown word", (b"frobnicate\n",), "error\nthis server does not know"), ("no word", (b"\n",), "error\nthis server does not know"),
        ("an unknown form", (b"status xml\n",), "error\nstatus is given as"), ("too long", (b"x" * 4096,), "error\nthe request is too long"),
        ("octets of any kind", (b"\x00\xff\x1b\n",), "error\nthis server does not know"), ("more than a line", (b"status\nstop\n",), "ok\nversion")])
def a_request_is_one_line_of_words(pieces, answer):
    path = temporary(".sock")
    with serve(path):
        got = raw(path, *pieces)
        true(got.startswith(answer), got[:200])
        equal(ask(path, "status")[0], 0)


def environment(**names):
    kept = {name: value for name, value in os.environ.items() if name not in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")}
    return {**kept, **names}


@table([("systemd's", {"RUNTIME_DIRECTORY": "%s:/elsewhere", "XDG_RUNTIME_DIR": "/nonexistent"}, "control.sock"), ("the user's", {"XDG_RUNTIME_DIR": "%s"}, "scrubjay.sock")])
def without_an_option_it_is_in_the_run_time_folder(names, file):
    folder = os.path.dirname(temporary())
    env = environment(**{name: value.replace("%s", folder) for name, value in names.items()})
    with Server("--no-watch", roots=[Tree({"a.txt": b"a"})], env=env) as server:
        equal(os.listdir(folder), [file])
        code, out, errors = run_program("status", "--json", env=env)
        equal((code, errors, json.loads(out or "{}").get("pid")), (0, "", server.pid))
    equal(os.listdir(folder), [])


@test
def none_is_none():
    folder = os.path.dirname(temporary())
    with Server("--control", "none", roots=[Tree({"a.txt": b"a"})], env=environment(XDG_RUNTIME_DIR=folder)):
        equal(os.listdir(folder), [])


@test
def a_default_that_cannot_be_had_is_a_warning():
    with Server(roots=[Tree({"a.txt": b"a"})], env=environment(XDG_RUNTIME_DIR="/nonexistent")) as server:
        true(any("warning" in line and "/nonexistent/scrubjay.sock" in line and "--control" in line for line in server.lines), server.lines)
        equal(fetch(server.address, "/a.txt").body, b"a")


@test
def a_systemd_units_socket_is_found_from_outside():
    folder = os.path.dirname(temporary())
    os.mkdir(os.path.join(folder, "scrubjay"))
    with serve(os.path.join(folder, "scrubjay", "control.sock")) as server:
        code, out, errors = run_program("status", "--json", env=environment(XDG_RUNTIME_DIR=folder))
        equal((code, errors, json.loads(out or "{}").get("pid")), (0, "", server.pid))


@test
def a_slow_reader_holds_nobody_up():
    path = temporary(".sock")
    with serve(path, "--loops", "64", "--workers", "64"):
        lazy = [connect(path) for _ in range(8)]
        for client in lazy:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.sendall(b"status json\n")
        equal(ask(path, "reload")[0], 0)
        for client in lazy:
            answer = read_all(client)
            true(answer.startswith("ok\n{"), answer[:20])
            json.loads(answer[3:])
