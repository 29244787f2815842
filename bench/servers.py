# SPDX-License-Identifier: MIT
"""Peers: how they are found, compiled, started, checked and ended."""
import http.client
import os
import shlex
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from peers import HERE, Row

CPUS = sorted(os.sched_getaffinity(0))
CORES = len(CPUS)
COMPILERS = {  # extension: command before the source, libraries behind it
    ".go": (("go", "build", "-o"), ()),
    ".cc": (("g++", "-std=c++17", "-O2", "-pthread", "-o"), ("-ltbb",)),
    ".c": (("gcc", "-std=gnu11", "-O2", "-fopenmp", "-o"), ()),
}


class Unusable(Exception):
    """A server that cannot take part, and why."""


@dataclass
class Server:
    row: Row
    path: str
    processes: list = field(default_factory=list)
    ports: dict = field(default_factory=dict)  # (bytes, mode) or None: port
    commands: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)  # what it has beside ours
    home: str = ""  # $work: its own directory
    admin: int = 0

    @property
    def port(self):
        return self.ports[None]

    @property
    def log(self):
        return os.path.join(self.home, "out")


def compiled(row, built):
    """Where the program is, or will be, that is made of peers/FILE."""
    name, extension = os.path.splitext(os.path.basename(row.program))
    return os.path.join(built, name + extension.replace(".", "-"))


def compile_peer(row, built):
    """Unless it is newer than its source.  Raises Unusable."""
    source, path = os.path.join(HERE, row.program), compiled(row, built)
    if os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(source):
        return
    before, after = COMPILERS[os.path.splitext(source)[1]]
    if not shutil.which(before[0]):
        raise Unusable(f"there is no {before[0]} to compile it (apt-get install {row.packages})")
    os.makedirs(built, exist_ok=True)
    said = subprocess.run([*before, path, source, *after], cwd=built, text=True, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          env=dict(os.environ, GO111MODULE="off", GOFLAGS="", CGO_ENABLED="0",
                                   GOCACHE=os.path.join(os.path.abspath(built), "go-cache")))
    if said.returncode != 0:
        raise Unusable(f"{before[0]}: {said.stdout.strip()[-300:]}")


def locate(row, programs):
    """The program's path; `programs`: ours by name, and where the compiled ones are.  Raises Unusable."""
    if row.program.startswith("peers/"):
        path = compiled(row, programs["built"])
        if not os.path.exists(path):
            compile_peer(row, programs["built"])
    elif row.program.startswith("$"):
        name, slash, file = row.program[1:].partition("/")
        path = programs[name.lower()] + slash + file
    else:  # may live outside an ordinary PATH
        path = shutil.which(row.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or ""
    if not os.access(path, os.X_OK):
        hint = f"apt-get install {row.packages}" if row.packages else f"make it, or set {row.program}"
        raise Unusable(f"not found ({hint})")
    return os.path.abspath(path)


def version_of(row, path):
    """Debian's versions of its packages, or what our server says."""
    if row.packages:
        said = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}, "] + row.packages.split(),
                              capture_output=True, text=True, check=False)
        return said.stdout.strip(", ")
    if row.program == "$SCRUBJAY":
        return subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return "made here"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_list(first, number):
    return ",".join(map(str, CPUS[first:first + number]))


def spawn(server, root, work, **more):
    """Starts one process and waits for nothing: its port.  `cores`: it runs on the first of the cores only."""
    row, port, cores = server.row, free_port(), more.get("cores", CORES)
    if not server.home:
        server.home = tempfile.mkdtemp(prefix=row.name + ".", dir=work)
        os.chmod(server.home, 0o755)  # workers may run as another user
    server.admin = free_port()
    words = dict(port=port, admin=server.admin, root=root, work=server.home, workers=2 * cores + 1,
                 bench=HERE, peers=os.path.join(HERE, "peers"), **{"cores": cores, **more})
    if row.config:
        with open(os.path.join(HERE, "peers", row.config), encoding="ascii") as template:
            text = string.Template(template.read()).substitute(words)
        words["config"] = os.path.join(server.home, row.config)
        with open(words["config"], "w", encoding="ascii") as config:
            config.write(text)
    command = ["taskset", "-c", cpu_list(0, cores)] if cores < CORES else []
    command += [server.path] + shlex.split(string.Template(row.command).substitute(words))
    with open(server.log, "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=server.home,
                                   env=dict(os.environ, BENCH_ROOT=root, PYTHONDONTWRITEBYTECODE="1",
                                            **server.environment),
                                   process_group=0)  # no session: those share the cores as wholes (autogroup)
    server.processes.append(process)
    server.commands.append(shlex.join(command))
    return port


def launch(server, root, work, **more):
    """Starts one process, and waits until it accepts connections: its port."""
    port = spawn(server, root, work, **more)
    wait_ready(server, port)
    return port


def wait_ready(server, port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.processes[-1].poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Unusable("did not start: " + last_words(server.log))


def last_words(log_path):
    with open(log_path, encoding="utf-8", errors="replace") as log:
        return " / ".join(log.read().strip().splitlines()[-3:])


def first_answer(process, port, target, log_path, seconds=300):
    """Waits until a GET of the target, on a connection of its own, is answered with 200: its body."""
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
                client.sendall(request)
                with client.makefile("rb") as answer:
                    head, _, body = answer.read().partition(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 200 "):
                    return body
        except OSError:
            pass
        time.sleep(0.001)
    raise Unusable(f"no answer to {target}: " + last_words(log_path))


def check_files(port, files):
    """GETs over one connection, as long as the server keeps it: status, length and octets.

    `files`: (target, path) each.  Raises Unusable.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        for target, path in files:
            with open(path, "rb") as original:
                expected = original.read()
            connection.request("GET", target)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise Unusable(f"{target}: status {answer.status}")
            if int(answer.headers.get("Content-Length", -1)) != len(expected):
                raise Unusable(f"{target}: Content-Length {answer.headers.get('Content-Length')}")
            if body != expected:
                raise Unusable(f"{target}: other octets than the file's")
    except (http.client.HTTPException, OSError) as error:
        raise Unusable(f"{target}: {error!r}") from error
    finally:
        connection.close()


def stop(server):
    """Each process was started as the leader of a group of its own: ends these groups, no other."""
    for process in server.processes:
        if process.poll() is None:
            process.terminate()
    for process in server.processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    server.processes.clear()
