# SPDX-License-Identifier: MIT
"""Where the server listens, as whom it runs, and what it tells the service manager."""
import os
import pwd
import signal
import socket
import time

from case import Skip, equal, table, test, true
from server import Server, Tree, run_program, temporary
from wire import Client, fetch


def tree():
    return Tree({"a.txt": b"a", "large.bin": b"x" * 2_000_000})


def check(address):
    equal(fetch(address, "/a.txt").body, b"a")


def bound():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    os.set_inheritable(listener.fileno(), True)
    return listener


@test
def ip_version_6_works():
    with Server(roots=[tree()], listen=("[::1]:0",)) as server:
        equal(server.address[0], "::1")
        check(server.address)


@test
def a_host_name_works():
    try:
        socket.getaddrinfo("localhost", 80)
    except OSError:
        raise Skip("this machine has no name localhost")
    with Server(roots=[tree()], listen=("localhost:0",)) as server:
        check(("127.0.0.1", server.address[1]) if server.address[0] == "localhost" else server.address)


@test
def a_unix_socket_works():
    path = temporary(".socket")
    for _ in range(2):
        with Server(roots=[tree()], listen=("unix:" + path,)) as server:
            check(path)
            equal(server.address, path)
            with Client(path) as client:
                equal(len(client.get("/large.bin").body), 2_000_000)


@test
def a_stale_unix_socket_is_replaced_and_a_file_is_not():
    path = temporary(".socket")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(path)
    with Server(roots=[tree()], listen=("unix:" + path,)):
        check(path)
    path = temporary(".txt")
    with open(path, "w") as file:
        file.write("precious")
    status, _, errors = run_program("serve", "--listen", "unix:" + path, tree().root)
    true(status != 0 and path in errors, errors)
    with open(path) as file:
        equal(file.read(), "precious")


@test
def an_inherited_descriptor_works():
    with bound() as listener:
        with Server(roots=[tree()], listen=("fd://%d" % listener.fileno(),), pass_fds=(listener.fileno(),)):
            check(listener.getsockname())


@test
def systemd_sockets_work():
    with bound() as one, bound() as two:
        script = 'exec 3<&%d 4<&%d; export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"' % (one.fileno(), two.fileno())
        first, second = one.getsockname(), two.getsockname()
        with Server(roots=[tree()], listen=(), pass_fds=(one.fileno(), two.fileno()), wrap=["bash", "-c", script, "-"]):
            check(first)
            check(second)


@test
def systemd_sockets_of_another_process_are_left_alone():
    environment = dict(os.environ, LISTEN_PID="1", LISTEN_FDS="1")
    with Server(roots=[tree()], env=environment) as server:
        check(server.address)


@test
def several_listeners_serve_at_once():
    path = temporary(".socket")
    with bound() as listener:
        with Server(roots=[tree()], listen=("127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "unix:" + path, "fd://%d" % listener.fileno()), pass_fds=(listener.fileno(),)) as server:
            true(len(server.addresses) >= 4, "the start line names %r" % server.addresses)
            for address in [address for address in server.addresses[:3]] + [path, listener.getsockname()]:
                check(address)


@table([("port in use", None), ("no such address", "192.0.2.1:0"), ("no such descriptor", "fd://77"), ("no such folder", "unix:/nonexistent/folder/socket"), ("descriptor of a file", "fd://0")])
def a_listener_that_cannot_be_is_said(address):
    with bound() as listener:
        name = address or "127.0.0.1:%d" % listener.getsockname()[1]
        status, _, errors = run_program("serve", "--listen", name, tree().root)
        true(status in (1, 2), "exit status %d" % status)
        lines = [line for line in errors.splitlines() if "warning" not in line]
        true(len(lines) == 1 and name.removeprefix("unix:") in lines[0], errors)


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root can change users")


@test
def privileges_are_dropped_in_every_thread():
    need_root()
    with Server("--user", "nobody", "--group", "nogroup", roots=[tree()]) as server:
        check(server.address)
        equal(len(fetch(server.address, "/large.bin").body), 2_000_000)
        for thread in server.threads():
            with open("/proc/%d/task/%s/status" % (server.pid, thread)) as file:
                fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
            equal(fields["Uid"].split(), [str(pwd.getpwnam("nobody").pw_uid)] * 4)
            equal(len(set(fields["Gid"].split())), 1)
            true(fields["Gid"].split()[0] != "0" and "0" not in fields["Groups"].split(), "groups %r" % fields["Groups"])
        server.reload()
        check(server.address)


@test
def a_user_without_group_brings_its_own():
    need_root()
    with Server("--user", "nobody", roots=[tree()]) as server, open("/proc/%d/status" % server.pid) as file:
        fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        equal(fields["Gid"].split(), [str(pwd.getpwnam("nobody").pw_gid)] * 4)
        true("0" not in fields["Groups"].split(), "groups %r" % fields["Groups"])


@test
def root_without_a_user_is_warned():
    need_root()
    with Server(roots=[tree()]) as server:
        true(any("warning" in line and "root" in line for line in server.lines), "\n".join(server.lines))


@test
def the_pid_file_has_the_pid():
    path = temporary(".pid")
    with Server("--pid-file", path, roots=[tree()]) as server:
        with open(path) as file:
            equal(file.read().strip(), str(server.pid))


def messages(manager, count, wait=8):
    manager.settimeout(wait)
    return [manager.recv(4096).decode() for _ in range(count)]


@table([("a path", False), ("an abstract name", True)])
def the_service_manager_is_told(abstract):
    name = "\0scrubjay-e2e-%d" % os.getpid() if abstract else temporary(".notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        environment = dict(os.environ, NOTIFY_SOCKET=name.replace("\0", "@"))
        with Server("--no-watch", roots=[tree()], env=environment) as server:
            true("READY=1" in messages(manager, 1)[0].splitlines(), "READY=1")
            server.kill(signal.SIGHUP)
            reloading, ready = messages(manager, 2)
            true("RELOADING=1" in reloading.splitlines(), reloading)
            stamp = [line for line in reloading.splitlines() if line.startswith("MONOTONIC_USEC=")]
            true(stamp and abs(int(stamp[0].partition("=")[2]) / 1e6 - time.monotonic()) < 60, reloading)
            true("READY=1" in ready.splitlines(), ready)
            server.kill(signal.SIGTERM)
            true("STOPPING=1" in messages(manager, 1)[0].splitlines(), "STOPPING=1")
