# SPDX-License-Identifier: MIT
"""The servers of the comparison: one row each, how they are started, checked and ended."""
import http.client
import os
import shlex
import shutil
import signal
import socket
import string
import subprocess
import time
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Row:
    name: str
    program: str  # or $SCRUBJAY, $NULL: paths given by the user
    packages: str  # of Debian; empty: made here
    command: str  # $port $root $work $cores $workers $bench $peers $config; $bytes $mode: one process a workload
    version: str = ""  # arguments that print it
    config: str = ""  # a template in peers/, filled in like the command


# A new peer: one row, and a template in peers/ if it needs a configuration.
ROWS = (
    Row("scrubjay", "$SCRUBJAY", "", "serve --control none --cache-dir none --no-compress --listen 127.0.0.1:$port $root", "--version"),
    Row("null", "$NULL", "", "$port $bytes $cores $mode"),
    Row("nginx", "nginx", "nginx", "-p $work -e $work/nginx.log -c $config", "-v", "nginx.conf"),
    Row("h2o", "h2o", "h2o", "-c $config", "--version", "h2o.conf"),
    Row("lighttpd", "lighttpd", "lighttpd", "-D -f $config", "-v", "lighttpd.conf"),
    Row("gunicorn", "gunicorn", "gunicorn python3-whitenoise",
        "-b 127.0.0.1:$port -w $workers --pythonpath $peers wsgi", "--version"),
    Row("gunicorn-gthread", "gunicorn", "gunicorn python3-whitenoise",
        "-b 127.0.0.1:$port -w $workers -k gthread --threads 4 --keep-alive 3600"
        " --pythonpath $peers wsgi", "--version"),
)


class Unusable(Exception):
    """A server that cannot take part, and why."""


@dataclass
class Server:
    row: Row
    path: str
    processes: list = field(default_factory=list)
    ports: dict = field(default_factory=dict)  # (bytes, mode) or None: port
    commands: list = field(default_factory=list)
    version: str = ""
    environment: dict = field(default_factory=dict)  # what it has beside ours

    def port(self, workload):
        return self.ports.get((workload.bytes, workload.mode), self.ports.get(None))


def locate(row, paths):
    """The program's path, or None.  Programs of the system may live outside an ordinary PATH."""
    if row.program.startswith("$"):
        path = paths.get(row.name)
        return os.path.abspath(path) if path and os.access(path, os.X_OK) else None
    return shutil.which(row.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def version_of(row, path):
    if not row.version:
        return ""
    said = subprocess.run([path, row.version], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    lines = (said.stdout + said.stderr).strip().splitlines()
    return lines[0] if lines else "?"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(row, path, root, work, workloads):
    """Starts the server, waits until it answers, checks its answers.  Raises Unusable."""
    server = Server(row, path)
    try:
        if "$bytes" in row.command:
            for key in sorted({(w.bytes, w.mode) for w in workloads}):
                server.ports[key] = launch(server, root, work, bytes=key[0],
                                           mode="close" if key[1] == "close" else "")
        else:
            server.ports[None] = launch(server, root, work)
        for workload in workloads:
            check(server, workload, root)
    except BaseException:
        stop(server)
        raise
    return server


def launch(server, root, work, **more):
    process, port, log_path = spawn(server, root, work, **more)
    wait_ready(process, port, log_path)
    return port


def spawn(server, root, work, **more):
    """Starts one process and waits for nothing: (process, port, path of what it says)."""
    port = free_port()
    words = dict(port=port, root=root, work=work, cores=CORES, workers=2 * CORES + 1,
                 bench=HERE, peers=os.path.join(HERE, "peers"), **more)
    if server.row.config:
        with open(os.path.join(HERE, "peers", server.row.config), encoding="ascii") as template:
            text = string.Template(template.read()).substitute(words)
        words["config"] = os.path.join(work, server.row.config)
        with open(words["config"], "w", encoding="ascii") as config:
            config.write(text)
    command = [server.path] + shlex.split(string.Template(server.row.command).substitute(words))
    log_path = os.path.join(work, server.row.name + ".out")
    with open(log_path, "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=work,
                                   env=dict(os.environ, BENCH_ROOT=root, PYTHONDONTWRITEBYTECODE="1",
                                            **server.environment),
                                   process_group=0)  # no session: those share the cores as wholes (autogroup)
    server.processes.append(process)
    server.commands.append(shlex.join(command))
    return process, port, log_path


def wait_ready(process, port, log_path):
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Unusable("did not start: " + last_words(log_path))


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


def check(server, workload, root):
    """One request: status, length and bytes.  The null server's content is its own."""
    with open(os.path.join(root, workload.file), "rb") as original:
        expected = original.read()
    connection = http.client.HTTPConnection("127.0.0.1", server.port(workload), timeout=10)
    try:
        connection.request("GET", "/" + workload.file)
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.HTTPException, OSError) as error:
        raise Unusable(f"{workload.file}: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Unusable(f"{workload.file}: status {answer.status}")
    if int(answer.headers.get("Content-Length", -1)) != len(expected):
        raise Unusable(f"{workload.file}: Content-Length {answer.headers.get('Content-Length')}")
    if body != expected and (server.row.name != "null" or len(body) != len(expected)):
        raise Unusable(f"{workload.file}: other bytes than the file's")


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
