# SPDX-License-Identifier: MIT
"""What /proc says about a server while something runs; and wrk, siege and ab against one server."""
import csv
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass

import servers
from servers import CORES

TICKS = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}
WATCH_S = 0.25
TRIES = 3
SECOND = ("the generator had no real-time priority (for want of CAP_SYS_NICE): latencies hold what it waited for the "
          "servers' own background work")
SIEGERC = """color = off
verbose = false
quiet = false
json_output = true
logging = false
show-logfile = false
parser = false
cookies = false
protocol = HTTP/1.1
connection = close
timeout = 30
failures = 1000000
limit = 1000
"""


# --- a process tree

def tree(processes):
    """The pids of these processes and all their descendants."""
    children_of = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read_stat(int(name))
            if stat:
                children_of.setdefault(int(stat[1]), []).append(int(name))
    pids, queue = [], [process.pid for process in processes]
    while queue:
        pid = queue.pop()
        pids.append(pid)
        queue += children_of.get(pid, [])
    return pids


def read_stat(pid):
    """The fields of /proc/PID/stat from the state on, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_seconds(pids):
    """With that of children that have ended and been waited for."""
    stats = filter(None, map(read_stat, pids))
    return sum(int(ticks) for stat in stats for ticks in stat[11:15]) / TICKS


def cpu_of(server):
    return cpu_seconds(tree(server.processes))


def memory_of(server):
    """Of the whole tree, in KB."""
    return memory_kb(tree(server.processes))


def anonymous_of(server):
    """Of the whole tree, in KB: what it has allocated.  Who else has a library in memory does not move it."""
    return sum(read_memory(pid, "status", "RssAnon") for pid in tree(server.processes))


def memory_kb(pids):
    """Proportional set size, or, where that cannot be read, resident set size."""
    return sum(read_memory(pid, "smaps_rollup", "Pss") or read_memory(pid, "status", "VmRSS")
               for pid in pids)


def read_memory(pid, file, key):
    try:
        with open(f"/proc/{pid}/{file}", encoding="ascii", errors="replace") as lines:
            found = re.search(rf"^{key}:\s+(\d+) kB", lines.read(), re.MULTILINE)
            return int(found.group(1)) if found else 0
    except OSError:
        return 0


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as pids:
        return set(pids.read().split())


def replace_workers(server, target):
    """HUP to the first process, until none of its workers is an old one and a new one answers."""
    master = server.processes[0]
    old = children(master.pid)
    master.send_signal(signal.SIGHUP)
    while master.poll() is None and (old & children(master.pid) or not children(master.pid)):
        time.sleep(0.001)
    servers.first_answer(master, server.port, target, os.devnull)


def settle(*started):
    """Waits until servers that have just been started, with all their workers, do nothing any more."""
    used, deadline = -1.0, time.monotonic() + 60
    while time.monotonic() < deadline:
        now = sum(map(cpu_of, started))
        if now - used < 0.02:
            return
        used = now
        time.sleep(0.3)


class Stuck(ValueError):
    """The load generator did not end."""


class Watch:
    """Runs a program and looks at a server's process tree until it ends: the peak of its memory, and its CPU time.

    A look takes some milliseconds; who times latencies looks before and after only (`every_s` is None).
    """

    def __init__(self, server, command, work, seconds, every_s=WATCH_S):
        self.memory_kb = 0
        before = cpu_of(server)
        with open(os.path.join(work, "load.err"), "w", encoding="ascii") as errors:
            program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                       text=True, env=dict(os.environ, HOME=work))
        try:
            self.look(server, program, time.monotonic() + seconds, every_s or seconds)
            self.said = program.communicate(timeout=5)[0]
        except BaseException:
            program.kill()
            program.wait()
            raise
        self.cpu_s = cpu_of(server) - before

    def look(self, server, program, deadline, every_s):
        while program.poll() is None:
            self.memory_kb = max(self.memory_kb, memory_of(server))
            try:
                program.wait(every_s)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise Stuck(f"{program.args[0]} did not end") from None
        self.memory_kb = max(self.memory_kb, memory_of(server))


def open_loop(context, server, words, seconds):
    """What rate.c measured, and the Watch of it."""
    watch = Watch(server, [context.program("rate"), *map(str, words)], context.work, seconds + 60, None)
    figures = json.loads(watch.said)
    if not figures["is_first"] and SECOND not in context.notes:
        context.tell(SECOND)
    return figures, watch


def figure(pattern, said):
    found = re.search(pattern, said, re.MULTILINE)
    if not found:
        raise ValueError("the load generator said: " + said.strip()[-300:])
    return found.group(1)


# --- wrk

@dataclass
class Sample:
    requests: int
    requests_s: float
    p50_us: float
    p99_us: float
    cpu_us: float  # per request, the server's whole process tree, user and system
    memory_kb: int  # the peak of the whole process tree
    errors: int

    @property
    def per_cpu_s(self):
        """Requests.  CPU time comes in ticks: it may be none in a short run."""
        return 1e6 / max(self.cpu_us, 1e-3)


def wrk(server, target, port, workload, seconds, work):
    """Blocks for `seconds`.  `target`: of the request, or a Lua script.  Raises ValueError when wrk did not finish."""
    command = ["wrk", "--latency", "-t", str(min(CORES, workload.connections)),
               "-c", str(workload.connections), "-d", f"{seconds}s", "--timeout", "10s"]
    if workload.mode == "close":
        command += ["-H", "Connection: close"]
    if target.endswith(".lua"):
        command += ["-s", target, f"http://127.0.0.1:{port}/"]
    else:
        command.append(f"http://127.0.0.1:{port}{target}")
    watch = Watch(server, command, work, seconds + 30)
    requests = int(figure(r"(\d+) requests in", watch.said))
    if requests == 0:
        raise ValueError("no request was answered")
    return Sample(requests, float(figure(r"Requests/sec:\s+([\d.]+)", watch.said)),
                  duration_us(figure(r"^\s+50%\s+(\S+)", watch.said)),
                  duration_us(figure(r"^\s+99%\s+(\S+)", watch.said)),
                  watch.cpu_s / requests * 1e6, watch.memory_kb,
                  sum(map(int, re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", watch.said))))


def duration_us(text):
    value, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()
    return float(value) * UNITS[unit]


# --- siege and ab

@dataclass
class Load:
    availability: float  # per cent
    response_s: float
    rate: float  # transactions a second
    memory_kb: int
    cpu_ms: float  # per transaction
    failed: int
    count: int = 0
    percentiles: tuple = ()  # of the response times in ms, from 0 to 99 per cent


def watch_siege(server, command, work, seconds):
    """What it measured, and the watch."""
    for _ in range(TRIES):
        try:
            watch = Watch(server, command, work, seconds + 10)
            said = json.loads(watch.said[watch.said.index("{"):])
            if said["elapsed_time"] > seconds / 2:  # it may end after a tenth of a second
                return said, watch
        except Stuck:  # it cancels threads that may hold a lock, and hangs once in some hundred runs
            pass
        except ValueError:
            raise ValueError("siege said: " + watch.said) from None
    raise ValueError(f"siege did not end when it should, {TRIES} times")


def siege(server, target, clients, seconds, work):
    """Clients without pause, a connection a request.  Raises ValueError when siege did not finish."""
    rc = os.path.join(work, "siegerc")
    with open(rc, "w", encoding="ascii") as file:
        file.write(SIEGERC)
    command = ["siege", "-R", rc, "-b", "-c", str(clients), "-t", f"{seconds}S",
               f"http://127.0.0.1:{server.port}{target}"]
    said, watch = watch_siege(server, command, work, seconds)
    count = said["transactions"]
    if count == 0:
        raise ValueError("no request was answered")
    # siege prints a mean with two decimals; the same from what it has more digits of.
    response_s = said["concurrency"] * said["elapsed_time"] / count
    return Load(said["availability"], response_s, count / said["elapsed_time"], watch.memory_kb,
                watch.cpu_s / count * 1000, said["failed_transactions"], count)


def ab(server, target, words, work, before=()):
    """`words` for ab say how many requests and clients, those `before` it where it runs.  Raises ValueError when it did
    not finish."""
    percentiles = os.path.join(work, "percentiles.csv")
    command = [*before, "ab", "-q", "-s", "60", "-e", percentiles, *map(str, words),
               f"http://127.0.0.1:{server.port}{target}"]
    watch = Watch(server, command, work, 3600)
    done = int(figure(r"Complete requests:\s+(\d+)", watch.said))
    failed = int(figure(r"Failed requests:\s+(\d+)", watch.said))
    failed += sum(map(int, re.findall(r"Non-2xx responses:\s+(\d+)", watch.said)))
    response_ms = float(figure(r"Time per request:\s+([\d.]+) \[ms\] \(mean\)", watch.said))
    rate = float(figure(r"Requests per second:\s+([\d.]+)", watch.said))
    with open(percentiles, encoding="ascii") as file:
        at = tuple(float(row[1]) for row in list(csv.reader(file))[1:])
    return Load(100 * (done - failed) / done, response_ms / 1000, rate, watch.memory_kb, watch.cpu_s / done * 1000,
                failed, done, at)
