# SPDX-License-Identifier: MIT
"""Hits on a small file at a fixed rate, alone and beside long tasks, from an open loop."""
import csv
import json
import os
import random
import subprocess
import time
from dataclasses import dataclass
from statistics import median

import external
import load
import measure
import report
import servers
import tasks
from servers import Unusable
from tasks import SUBJECT

CONNECTIONS = 64
RUN_SECONDS = 10  # or --seconds, if that is more
QUICK_SECONDS = 3
NOBODY = "127.0.0.1:9"  # is asked for names
FILE_BYTES = 1024
FILE = f"{FILE_BYTES}.txt"
PEERS = ("tornado-2", "tornado-4", "go")
ROWS = tuple(row for row in tasks.ROWS if row.name in (SUBJECT,) + PEERS)
TOOLS = {"go": "golang-go", "/usr/lib/python3/dist-packages/tornado/web.py": "python3-tornado",
         "/usr/lib/python3/dist-packages/pycares/__init__.py": "python3-pycares"}
QUANTILES = ("p50_us", "p99_us", "p999_us")
ERRORS = ("lost", "not_200", "unanswered")


@dataclass(frozen=True)
class Mix:
    name: str
    hits: int  # a second
    share: float  # of tasks, to these
    task: str
    query: str
    body: str
    what: str

    @property
    def tasks(self):
        return self.hits * self.share

    @property
    def target(self):
        return f"/{self.task}?{self.query}"


MIXES = (
    Mix("a", 20_000, 0.01, "cpu", "us=800", "burned 800 us\n", "1 % of 800 us CPU"),
    Mix("b", 20_000, 0.002, "cpu", "us=5000", "burned 5000 us\n", "0.2 % of 5 ms CPU"),
    Mix("c", 4_000, 0.05, "cpu", "us=100", "burned 100 us\n", "5 % of 100 us CPU"),
    Mix("d", 20_000, 0.01, "sleep_sync", "ms=50", "slept 50 ms\n", "1 % that sleep for 50 ms and block"),
    Mix("e", 1_000, 0.01, "cpu", "us=200000", "burned 200000 us\n", "1 % of 200 ms CPU"),
)


@dataclass(frozen=True)
class Load:
    hits: float
    tasks: float = 0
    target: str = ""


@dataclass
class Sample:
    figures: dict  # what rate printed
    seconds: int
    cpu_s: float  # of the server's process tree

    @property
    def tasks_s(self):
        return self.figures["tasks"]["in_time"] / self.seconds


def loads_of(mix):
    """Hits alone, tasks alone, both."""
    return Load(mix.hits), Load(0, mix.tasks, mix.target), Load(mix.hits, mix.tasks, mix.target)


class Bench:
    def __init__(self, options, work, notes):
        self.options, self.work, self.notes = options, work, notes
        self.seconds = QUICK_SECONDS if options.quick else max(options.seconds, RUN_SECONDS)
        self.rounds = 1 if options.quick else options.rounds
        self.root = os.path.join(work, "root")
        os.chmod(work, 0o755)
        os.mkdir(self.root)
        self.content = random.Random(3).randbytes(FILE_BYTES)
        external.write(os.path.join(self.root, FILE), self.content)
        self.targets = os.path.join(work, "targets")
        external.write(self.targets, f"/{FILE}\n".encode())
        self.loads = list(dict.fromkeys(one for mix in MIXES for one in loads_of(mix)))
        self.paths = {SUBJECT: options.scrubjay}
        self.started, self.samples = [], {}

    def start_all(self):
        for row in ROWS:
            try:
                self.started.append(self.start(row))
            except Unusable as error:
                self.notes.append(f"{row.name} did not take part: {error}")
                print(self.notes[-1], flush=True)

    def start(self, row):
        server = tasks.start(row, self.paths, self.options.modules, {mix.task for mix in MIXES},
                             {"BENCH_POOL": str(external.POOL), "BENCH_DNS": NOBODY}, self.root, self.work)
        try:
            tasks.check(server, tasks.Task(FILE, "", ""), self.content)
            for mix in MIXES:
                tasks.check(server, tasks.Task(mix.target[1:], "", ""), mix.body.encode())
        except BaseException:
            servers.stop(server)
            raise
        return server

    def run(self):
        self.start_all()
        plan = [(number, self.started[(i + number) % len(self.started)], one) for number in range(self.rounds)
                for one in self.loads for i in range(len(self.started))]
        began = time.monotonic()
        for done, (number, server, one) in enumerate(plan):
            report.progress(done, len(plan), began, f"{server.row.name}: {one.hits:.0f} hits/s, {one.target}")
            try:
                self.samples.setdefault((server.row.name, one), {})[number] = self.run_one(server, one)
            except subprocess.CalledProcessError as error:
                self.notes.append(f"{server.row.name}, round {number + 1}: {error}")
            load.settle(server)  # what was given up on may still be on its way
        report.progress(len(plan), len(plan), began, "done")

    def run_one(self, server, one):
        before = measure.cpu_seconds(measure.tree(server.processes))
        command = [self.options.rate, "-p", str(server.ports[None]), str(one.hits), str(self.seconds), str(CONNECTIONS),
                   self.targets] + ([one.target, str(one.tasks)] if one.tasks else [])
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        used = measure.cpu_seconds(measure.tree(server.processes)) - before
        return Sample(json.loads(said), self.seconds, used)

    def stop(self):
        for server in self.started:
            servers.stop(server)


def errors(samples):
    """Of hits and of tasks."""
    classes = [part for s in samples for part in (s.figures, s.figures.get("tasks", {}))]
    counts = {name: sum(part.get(name, 0) for part in classes) for name in ERRORS}
    return " + ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "0"


def spread(samples, name, part=None):
    return report.spread([(s.figures[part] if part else s.figures)[name] for s in samples.values()], "{:.0f}")


def line(bench, name, mix):
    alone, idle, both = (bench.samples.get((name, one), {}) for one in loads_of(mix))
    rounds = [number for number in both if number in alone and number in idle]
    if not rounds:
        return []
    ratios = [both[n].figures["p99_us"] / alone[n].figures["p99_us"] for n in rounds]
    done = [both[n].tasks_s / max(idle[n].tasks_s, 1e-9) for n in rounds]
    cells = [name] + [spread(alone, one) for one in QUANTILES] + [spread(both, one) for one in QUANTILES]
    cells += [report.spread(ratios, "{:.2f}"), spread(both, "p50_us", "tasks"), spread(both, "p99_us", "tasks"),
              report.spread([s.tasks_s for s in both.values()], "{:.1f}"), report.spread(done, "{:.3f}"),
              errors([*alone.values(), *idle.values(), *both.values()]), spread(both, "late_p99_us")]
    return ["| " + " | ".join(cells) + " |"]


def table(bench, mix):
    lines = [f"### ({mix.name}) {mix.hits:,} hits/s, and {mix.tasks:.0f} tasks/s: {mix.what}", "",
             "| server | hits alone: p50 us | p99 | p99.9 | with tasks: p50 us | p99 | p99.9 | p99 with / alone "
             "| tasks: p50 us | p99 | done/s | of alone | errors | late, p99 us |",
             "|---|" + "--:|" * 13]
    for row in ROWS:
        lines += line(bench, row.name, mix)
    return lines + [""]


def middle(bench, name, one):
    samples = bench.samples.get((name, one))
    return median(s.figures["p99_us"] for s in samples.values()) if samples else None


def markdown(bench, how):
    lines = ["# Hits beside tasks", "", f"{report.machine()}.",
             f"A file of {FILE_BYTES} octets, {CONNECTIONS} connections, exponential gaps; {bench.rounds} "
             f"round{'s' * (bench.rounds > 1)} of {bench.seconds} s; {how}  Latency from when a request was due.  "
             "Figures: median (least-greatest).", "",
             "## p99 of the hits beside tasks, us", "",
             "| server | " + " | ".join(f"({mix.name})" for mix in MIXES) + " |", "|---|" + "--:|" * len(MIXES)]
    for row in ROWS:
        figures = [middle(bench, row.name, loads_of(mix)[2]) for mix in MIXES]
        lines.append(f"| {row.name} | " + " | ".join("" if one is None else f"{one:.0f}" for one in figures) + " |")
    lines.append("")
    for mix in MIXES:
        lines += table(bench, mix)
    lines += ["## Versions and commands", ""]
    for server in bench.started:
        lines += [f"- {server.row.name}: {server.version or 'made here'}", f"  `{server.commands[0]}`"]
    return "\n".join(lines + [f"- {note}" for note in bench.notes]) + "\n"


def write_csv(bench, path):
    names = ("requests", "answered", "in_time", *ERRORS, *QUANTILES, "max_us")
    with open(path, "w", newline="", encoding="ascii") as file:
        rows = csv.writer(file)
        rows.writerow(("round", "server", "hits_s", "tasks_s", "task", "cpu_s", "late_p99_us", *names,
                       *("task_" + name for name in names)))
        for (name, one), samples in bench.samples.items():
            for number, s in samples.items():
                parts = (s.figures, s.figures.get("tasks", {}))
                rows.writerow((number, name, one.hits, one.tasks, one.target, round(s.cpu_s, 2),
                               s.figures["late_p99_us"], *(part.get(key, "") for part in parts for key in names)))


def run(options, work, notes):
    """The bench, as far as it came."""
    bench = Bench(options, work, notes)
    try:
        bench.run()
    except KeyboardInterrupt:
        notes.append("interrupted: not all rounds were run")
    finally:
        bench.stop()
    return bench
