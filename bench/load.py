# SPDX-License-Identifier: MIT
"""Loads from closed loops: siege and ab against one server, with what /proc says about it meanwhile."""
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass

import measure

WATCH_S = 0.25
TRIES = 3
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


@dataclass
class Sample:
    availability: float  # per cent
    response_s: float
    rate: float  # transactions a second
    memory_kb: int  # the peak of the whole process tree
    cpu_ms: float  # per transaction, the server's whole process tree, user and system
    failed: int


class Stuck(ValueError):
    """The load generator did not end."""


class Watch:
    """Runs a program and looks at a server's process tree until it ends."""

    def __init__(self, server, command, work, seconds):
        self.memory_kb = 0
        before = measure.cpu_seconds(measure.tree(server.processes))
        with open(os.path.join(work, "load.err"), "w", encoding="ascii") as errors:
            program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                       text=True, env=dict(os.environ, HOME=work))
        try:
            self.look(server, program, time.monotonic() + seconds)
            self.said = program.communicate(timeout=5)[0]
        except BaseException:
            program.kill()
            program.wait()
            raise
        self.cpu_s = measure.cpu_seconds(measure.tree(server.processes)) - before

    def look(self, server, program, deadline):
        while True:
            self.memory_kb = max(self.memory_kb, measure.memory_kb(measure.tree(server.processes)))
            try:
                program.wait(WATCH_S)
                return
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise Stuck(f"{program.args[0]} did not end") from None


def settle(server):
    """Waits until a server that has just been started, with all its workers, does nothing any more."""
    used, deadline = -1.0, time.monotonic() + 60
    while time.monotonic() < deadline:
        now = measure.cpu_seconds(measure.tree(server.processes))
        if now - used < 0.02:
            return
        used = now
        time.sleep(0.3)


def watch_siege(server, command, work, seconds):
    for _ in range(TRIES - 1):
        try:
            return Watch(server, command, work, seconds + 10)
        except Stuck:  # it cancels threads that may hold a lock, and hangs once in some hundred runs
            pass
    return Watch(server, command, work, seconds + 10)


def siege(server, target, clients, seconds, work):
    """Clients without pause, a connection a request.  Raises ValueError when siege did not finish."""
    rc = os.path.join(work, "siegerc")
    with open(rc, "w", encoding="ascii") as file:
        file.write(SIEGERC)
    command = ["siege", "-R", rc, "-b", "-c", str(clients), "-t", f"{seconds}S",
               f"http://127.0.0.1:{server.ports[None]}{target}"]
    watch = watch_siege(server, command, work, seconds)
    try:
        said = json.loads(watch.said[watch.said.index("{"):])
    except ValueError:
        raise ValueError("siege said: " + watch.said) from None
    count = said["transactions"]
    if count == 0:
        raise ValueError("no request was answered")
    # siege prints a mean with two decimals; the same from what it has more digits of.
    response_s = said["concurrency"] * said["elapsed_time"] / count
    return Sample(said["availability"], response_s, count / said["elapsed_time"], watch.memory_kb,
                  watch.cpu_s / count * 1000, said["failed_transactions"])


def ab(server, target, body, clients, requests, work):
    """A fixed number of POST requests, a connection each.  Raises ValueError when ab did not finish."""
    command = ["ab", "-q", "-n", str(requests), "-c", str(clients), "-s", "60", "-p", body, "-T", "application/json",
               f"http://127.0.0.1:{server.ports[None]}{target}"]
    watch = Watch(server, command, work, requests)
    done = int(ab_figure(r"Complete requests:\s+(\d+)", watch.said))
    failed = int(ab_figure(r"Failed requests:\s+(\d+)", watch.said))
    failed += sum(map(int, re.findall(r"Non-2xx responses:\s+(\d+)", watch.said)))
    response_ms = float(ab_figure(r"Time per request:\s+([\d.]+) \[ms\] \(mean\)", watch.said))
    rate = float(ab_figure(r"Requests per second:\s+([\d.]+)", watch.said))
    return Sample(100 * (done - failed) / done, response_ms / 1000, rate, watch.memory_kb, watch.cpu_s / done * 1000,
                  failed)


def ab_figure(pattern, said):
    found = re.search(pattern, said)
    if not found:
        raise ValueError("ab said: " + said.strip()[-300:])
    return found.group(1)
