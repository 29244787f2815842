# SPDX-License-Identifier: MIT
"""One timed run: wrk against one server, with what /proc says about the server meanwhile."""
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


@dataclass(frozen=True)
class Workload:
    bytes: int
    connections: int
    mode: str = "keep"  # or "close": a connection a request

    @property
    def file(self):
        return f"{self.bytes}.txt"

    @property
    def label(self):
        size = f"{self.bytes // 1024} KB" if self.bytes else "0 KB"
        tail = ", a connection a request" if self.mode == "close" else ""
        return f"{size}, {self.connections} connection{'s' if self.connections > 1 else ''}{tail}"


@dataclass
class Sample:
    requests_s: float
    p50_us: float
    p99_us: float
    cpu_us: float  # per request, the server's whole process tree, user and system
    memory_kb: int
    errors: int


def tree(processes):
    """The pids of these processes and all their descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read_stat(int(name))
            if stat:
                children.setdefault(int(stat[1]), []).append(int(name))
    pids, queue = [], [process.pid for process in processes]
    while queue:
        pid = queue.pop()
        pids.append(pid)
        queue += children.get(pid, [])
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


def memory_kb(pids):
    """Proportional set size, or, where that cannot be read, resident set size."""
    return sum(memory_of(pid, "smaps_rollup", "Pss") or memory_of(pid, "status", "VmRSS")
               for pid in pids)


def memory_of(pid, file, key):
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
    servers.first_answer(master, server.ports[None], target, os.devnull)


def wrk_command(server, workload, seconds):
    command = ["wrk", "--latency", "-t", str(min(CORES, workload.connections)),
               "-c", str(workload.connections), "-d", f"{seconds}s", "--timeout", "10s"]
    if workload.mode == "close":
        command += ["-H", "Connection: close"]
    return command + [f"http://127.0.0.1:{server.port(workload)}/{workload.file}"]


def run(server, workload, seconds):
    """Blocks for `seconds`.  Raises ValueError when wrk did not finish."""
    memory = 0
    before = cpu_seconds(tree(server.processes))
    wrk = subprocess.Popen(wrk_command(server, workload, seconds), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    try:
        try:
            said = wrk.communicate(timeout=seconds / 2)[0]
        except subprocess.TimeoutExpired:
            memory = memory_kb(tree(server.processes))
            said = wrk.communicate(timeout=seconds + 30)[0]
    except BaseException:
        wrk.kill()
        raise
    cpu = cpu_seconds(tree(server.processes)) - before
    return sample_of(said, cpu, memory)


def sample_of(said, cpu, memory):
    requests = int(find(r"(\d+) requests in", said))
    if requests == 0:
        raise ValueError("no request was answered:\n" + said)
    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", said)))
    return Sample(requests_s=float(find(r"Requests/sec:\s+([\d.]+)", said)),
                  p50_us=duration_us(find(r"^\s+50%\s+(\S+)", said)),
                  p99_us=duration_us(find(r"^\s+99%\s+(\S+)", said)),
                  cpu_us=cpu / requests * 1e6, memory_kb=memory, errors=errors)


def find(pattern, said):
    found = re.search(pattern, said, re.MULTILINE)
    if not found:
        raise ValueError("wrk said:\n" + said)
    return found.group(1)


def duration_us(text):
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()
    return float(number) * UNITS[unit]
