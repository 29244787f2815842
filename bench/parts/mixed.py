# SPDX-License-Identifier: MIT
"""Hits on a small file at a fixed rate, alone and beside long tasks, from an open loop."""
import os
import random
from dataclasses import dataclass
from functools import partial
from statistics import median

import external
import handlers
import measure
import plots
import report
from context import Group, Step
from peers import SUBJECT
from report import Headline
from servers import Unusable
from workloads import MIXED, MIXED_LOADS, Task

TITLE = "Hits beside tasks"
PROGRAMS = ("scrubjay", "rate")
TOOLS = {}
CONNECTIONS = 64
RUN_SECONDS = (1, 2, 10)  # quick, full, long
NOBODY = "127.0.0.1:9"  # is asked for names
FILE_BYTES = 1024
FILE = f"{FILE_BYTES}.txt"
QUICK_ROWS = (SUBJECT, "go")
SWEPT = MIXED[1]  # its tasks, beside hits at each of MIXED_LOADS
QUANTILES = ("p50_us", "p99_us", "p999_us")
ERRORS = ("lost", "not_200", "unanswered")


@dataclass(frozen=True)
class Load:
    hits: float
    tasks: float = 0
    target: str = ""

    @property
    def label(self):
        return f"{self.hits:,.0f} hits/s" + f", {self.tasks:.0f} tasks/s ({self.target})" * bool(self.tasks)


@dataclass
class Sample:
    figures: dict  # what rate printed
    seconds: int
    cpu_s: float  # of the server's process tree
    memory_kb: int

    @property
    def tasks_s(self):
        return self.figures["tasks"]["in_time"] / self.seconds

    @property
    def cpu_us(self):
        """Of a hit where there are no tasks."""
        return self.cpu_s / max(1, self.figures["answered"]) * 1e6


def loads_of(mix):
    """Hits alone, tasks alone, both."""
    return Load(mix.hits), Load(0, mix.tasks, mix.target), Load(mix.hits, mix.tasks, mix.target)


def swept(hits):
    return Load(hits, SWEPT.tasks, SWEPT.target)


class Bench:
    def __init__(self, context):
        self.context, self.samples = context, {}
        self.seconds = context.seconds(*RUN_SECONDS)
        self.root = os.path.join(context.work, "root")
        os.mkdir(self.root)
        self.content = random.Random(3).randbytes(FILE_BYTES)
        external.write(os.path.join(self.root, FILE), self.content)
        self.targets = os.path.join(context.work, "targets")
        external.write(self.targets, f"/{FILE}\n".encode())

    def start(self, row):
        server = handlers.start(self.context, row, [Task(name) for name in sorted({mix.task for mix in MIXED})],
                                {"BENCH_POOL": str(external.POOL), "BENCH_DNS": NOBODY}, self.root)
        try:
            handlers.check(server, Task(FILE), self.content)
            for mix in MIXED:
                handlers.check(server, Task(mix.target[1:]), mix.body.encode())
        except BaseException:
            self.context.stop(server)
            raise
        return server

    def start_all(self):
        started = []
        for row in self.context.rows("mixed"):
            try:
                started.append(self.start(row))
            except Unusable as error:
                self.context.leave_out(row.name, error)
        return started

    def loads(self):
        """Each once; where time is limited the plot over load and the tasks of (b) first; in a full run what is compared."""
        mixes, sweep = [one for mix in MIXED for one in loads_of(mix)], [swept(hits) for hits in MIXED_LOADS]
        if self.context.quick:
            mixes = [swept(MIXED_LOADS[0]), swept(SWEPT.hits), *loads_of(SWEPT), *loads_of(MIXED[-1])] + mixes
        if self.context.turns.mode == "full":
            mixes = [loads_of(mix)[2] for mix in MIXED] + mixes
        return list(dict.fromkeys(mixes + sweep))

    def servers_of(self, one, started):
        """Where time is limited not those which would take ten seconds to give up on what they cannot answer."""
        return [server for server in started
                if server.row.name in QUICK_ROWS or self.context.turns.mode == "long" or one.hits <= MIXED_LOADS[0]]

    def run(self):
        started = self.start_all()
        if self.context.turns.mode != "long":
            self.context.left_out.append(f"all but {' and '.join(QUICK_ROWS)} above {MIXED_LOADS[0]:,} hits/s: no time")
        yield from self.context.in_rounds([
            Group(one.label, [Step(f"{server.row.name}, {one.label}", self.seconds + 0.8, partial(self.run_one, server, one))
                              for server in self.servers_of(one, started)]) for one in self.loads()],
            needed=self.context.pick(2, len(MIXED), 2))

    def run_one(self, server, one, number):
        words = ["-p", server.port, one.hits, self.seconds, CONNECTIONS, self.targets]
        words += [one.target, one.tasks] if one.tasks else []
        figures, watch = measure.open_loop(self.context, server, words, self.seconds)
        self.samples.setdefault((server.row.name, one), {})[number] = Sample(figures, self.seconds, watch.cpu_s, watch.memory_kb)
        measure.settle(server)  # what was given up on may still be on its way


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def names(bench):
    return list(dict.fromkeys(name for name, _ in bench.samples))


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
    for name in names(bench):
        lines += line(bench, name, mix)
    return lines + [""] if len(lines) > 4 else []


def middle(bench, name, one):
    samples = bench.samples.get((name, one))
    return median(s.figures["p99_us"] for s in samples.values()) if samples else None


def cost_table(bench):
    """CPU time of a hit, and memory after the run, at the hits of (b) alone and beside its tasks."""
    alone, _, both = loads_of(SWEPT)
    lines = [f"## CPU time and memory: {alone.label}", "",
             "| server | CPU us/hit, alone | memory MB, alone | with the tasks of (b) |", "|---|--:|--:|--:|"]
    for name in names(bench):
        at = [list(bench.samples.get((name, one), {}).values()) for one in (alone, both)]
        if not any(at):
            continue
        memory = [f"{max(s.memory_kb for s in found) / 1024:.1f}" if found else "" for found in at]
        lines.append(f"| {name} | {report.spread([s.cpu_us for s in at[0]]) if at[0] else ''} | {memory[0]} | {memory[1]} |")
    return lines + [""]


def sweep_table(bench):
    lines = [f"## Over load, beside {SWEPT.tasks:.0f} tasks/s: {SWEPT.what.partition(' of ')[2]}", "",
             "| server, hits/s | p50 us | p99 us | p99.9 us | errors |", "|---|--:|--:|--:|--:|"]
    for name in names(bench):
        for hits in MIXED_LOADS:
            samples = bench.samples.get((name, swept(hits)))
            if samples:
                lines.append(f"| {name}, {hits:,} | " + " | ".join(spread(samples, one) for one in QUANTILES)
                             + f" | {errors(samples.values())} |")
    return lines + [""]


def page(bench):
    lines = [f"A file of {FILE_BYTES} octets, {CONNECTIONS} connections, exponential gaps, runs of {bench.seconds} s.  "
             "Latency from when a request was due.", "", "## p99 of the hits beside tasks, us", "",
             "| server | " + " | ".join(f"({mix.name})" for mix in MIXED) + " |", "|---|" + "--:|" * len(MIXED)]
    for name in names(bench):
        figures = [middle(bench, name, loads_of(mix)[2]) for mix in MIXED]
        if any(figures):
            lines.append(f"| {name} | " + " | ".join(f"{one:.0f}" if one else "" for one in figures) + " |")
    lines += [""] + sweep_table(bench) + cost_table(bench)
    return lines + [text for mix in MIXED for text in table(bench, mix)]


def tables(bench):
    keys = ("requests", "answered", "in_time", *ERRORS, *QUANTILES, "max_us")
    rows = []
    for (name, one), samples in bench.samples.items():
        for number, s in samples.items():
            parts = (s.figures, s.figures.get("tasks", {}))
            rows.append((number, name, one.hits, one.tasks, one.target, round(s.cpu_s, 2), s.memory_kb,
                         s.figures["late_p99_us"], *(part.get(key, "") for part in parts for key in keys)))
    return {"mixed": (("round", "server", "hits_s", "tasks_s", "task", "cpu_s", "memory_kb", "late_p99_us", *keys,
                       *("task_" + key for key in keys)), rows)}


def draw(bench, folder):
    quantiles = {}
    for quantile, title in zip(QUANTILES, ("p50", "p99", "p99.9")):
        for name in names(bench):
            for hits in MIXED_LOADS:
                samples = bench.samples.get((name, swept(hits)))
                if samples:
                    quantiles.setdefault(title, {}).setdefault(name, {})[hits] = report.bar(
                        [max(1, s.figures[quantile]) / 1000 for s in samples.values()])
    plots.panels(os.path.join(folder, "mixed.png"), f"Hits beside {SWEPT.tasks:.0f} tasks/s of 5 ms CPU",
                 plots.Axis("hits/s", "log", MIXED_LOADS), plots.Axis("latency, ms", "log"), quantiles)
    return ["mixed.png"]


def over_go(bench, mix):
    """p99 of the hits beside tasks: Go's over ours, of each round."""
    samples = {name: bench.samples.get((name, loads_of(mix)[2]), {}) for name in (SUBJECT, "go")}
    return report.ratios_of(samples, lambda s: 1 / max(1, s.figures["p99_us"]), "go")


def ratios(bench):
    found = {f"p99 of hits beside tasks ({mix.name}), go": over_go(bench, mix) for mix in MIXED}
    return {label: each for label, each in found.items() if each}


def headlines(bench):
    found = []
    for mix in (MIXED[1], MIXED[4]):
        ours, theirs = (middle(bench, name, loads_of(mix)[2]) for name in (SUBJECT, "go"))
        by_round = over_go(bench, mix)
        if by_round:
            found.append(Headline("-", f"Go net/http: p99 of {mix.hits:,} hits/s beside {mix.what.partition(' of ')[2]} tasks",
                                  f"{ours / 1000:.2f} ms; go {theirs / 1000:.2f}", report.spread(by_round)))
    return found
