# SPDX-License-Identifier: MIT
"""What a task costs: ours beside oneTBB, OpenMP and Go, on trees of tasks and on single operations."""
import os
import subprocess
from functools import partial

import plots
import report
import servers
from context import Group, Step
from peers import SUBJECT
from report import Headline
from servers import CORES, Unusable
from workloads import SCHEDULER

TITLE = "The scheduler"
PROGRAMS = ("kernels",)
TOOLS = {}
RUN_S = 1.0  # of a program, about
WORKERS = tuple(dict.fromkeys((CORES, 1)))
ANSWERS = {kernel.name: kernel.answer for kernel in SCHEDULER}


class Bench:
    def __init__(self, context):
        self.context, self.samples = context, {}  # {(kernel, workers): {program: {round: ns}}}

    def run_one(self, row, path, workers, number):
        said = subprocess.run([path, str(workers)], stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout
        for line in said.splitlines():
            name, ns, answer = line.split()
            if int(answer) != ANSWERS[name]:
                self.context.leave_out(row.name, f"{name}: {answer}, not {ANSWERS[name]}")
                return
            self.samples.setdefault((name, workers), {}).setdefault(row.name, {})[number] = float(ns)

    def run(self):
        found = []
        for row in self.context.rows("scheduler"):
            try:
                found.append((row, servers.locate(row, self.context.settings.programs)))
                self.context.seen[row.name] = (servers.version_of(*found[-1]), f"{os.path.basename(found[-1][1])} WORKERS")
            except Unusable as error:
                self.context.leave_out(row.name, error)
        yield from self.context.in_rounds([Group(f"{workers} workers", [
            Step(f"{row.name}, {workers} workers", RUN_S, partial(self.run_one, row, path, workers)) for row, path in found])
            for workers in WORKERS], needed=len(WORKERS))


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def names(bench):
    return list(dict.fromkeys(name for runs in bench.samples.values() for name in runs))


def page(bench):
    programs = names(bench)
    lines = ["Nanoseconds a task.  Each answer is checked; a program that is wrong is left out.  The ratio is oneTBB's time "
             "over ours.", ""]
    for workers in sorted(WORKERS):
        lines += [f"## {workers} worker{'s' * (workers > 1)}", "", "| operation | " + " | ".join(programs) + " | ratio |",
                  "|---|" + "--:|" * (len(programs) + 1)]
        for kernel in SCHEDULER:
            runs = bench.samples.get((kernel.name, workers), {})
            if runs:
                lines.append(f"| {kernel.name}: {kernel.what} | " + " | ".join(
                    report.spread(list(runs[name].values())) if name in runs else "" for name in programs)
                    + f" | {ratio(runs)} |")
        lines.append("")
    return lines


def over_tbb(runs):
    return report.ratios_of(runs, lambda ns: 1 / ns, "oneTBB")


def ratio(runs):
    found = over_tbb(runs)
    return report.spread(found, "{:.2f}") if found else ""


def ratios(bench):
    found = {f"{name}, {workers} workers, oneTBB": over_tbb(runs) for (name, workers), runs in bench.samples.items()}
    return {label: each for label, each in found.items() if each}


def tables(bench):
    return {"scheduler": (("round", "program", "workers", "operation", "ns"), [
        (number, name, workers, kernel, ns) for (kernel, workers), runs in bench.samples.items()
        for name, rounds in runs.items() for number, ns in rounds.items()])}


def draw(bench, folder):
    groups = {}
    for kernel in SCHEDULER:
        for name, rounds in bench.samples.get((kernel.name, CORES), {}).items():
            groups.setdefault(kernel.name, {})[name] = report.bar(list(rounds.values()))
    plots.dots(os.path.join(folder, "scheduler.png"), f"What a task costs, {CORES} workers", plots.Axis("ns", "log"), groups)
    return ["scheduler.png"]


def headlines(bench):
    found = []
    for name, what in (("fib", "fork-join, fib(27)"), ("spawn", "spawn and join of an empty subtask")):
        runs = bench.samples.get((name, CORES), {})
        if SUBJECT in runs and ratio(runs):
            ours, theirs = (report.spread(list(runs[one].values())) for one in (SUBJECT, "oneTBB"))
            found.append(Headline("-", f"oneTBB: {what}", f"{ours} ns a task; oneTBB {theirs}", ratio(runs)))
    return found
