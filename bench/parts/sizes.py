# SPDX-License-Identifier: MIT
"""Files of 0 KB to 1 MB, on one core up to all: the table that document B quotes of nginx."""
import os
import random
from functools import partial

import measure
import plots
import report
import servers
from context import Group, Step
from peers import LIMIT, SUBJECT
from report import Headline
from servers import CORES
from workloads import COMPARED, SIZE_STEPS, SIZES, Files, core_counts

TITLE = "Sizes and cores"
PROGRAMS = ("scrubjay",)
TOOLS = {"wrk": "wrk"}
RUN_SECONDS = (1, 1, 3)  # quick, full, long
NAMED = {"cpu_us": "CPU us/request", "requests_s": "requests/s"}
TELLING = Files(1 << 10, 64)
QUICK_ROWS = (SUBJECT, "nginx")  # for all other workloads of a quick run

# nginx's requests/s in the document, by CPUs, for 0, 1, 10 and 100 KB.
DOCUMENT = {
    1: (145_551, 74_091, 54_684, 33_125),
    2: (249_293, 131_466, 102_069, 62_554),
    4: (543_061, 261_269, 207_848, 88_691),
    8: (1_048_421, 524_745, 392_151, 91_640),
    16: (2_001_846, 972_382, 663_921, 91_623),
    32: (3_019_182, 1_316_362, 774_567, 91_640),
    36: (3_298_511, 1_309_358, 764_744, 91_655),
}


def make_files(root):
    os.mkdir(root)
    source = random.Random(1)
    for size in SIZE_STEPS:
        with open(os.path.join(root, f"{size}.txt"), "wb") as file:
            file.write(source.randbytes(size))


class Bench:
    def __init__(self, context):
        self.context, self.samples, self.usable = context, {}, {}
        self.seconds = context.seconds(*RUN_SECONDS)
        self.root = os.path.join(context.work, "root")
        make_files(self.root)

    def spawn(self, cores, server):
        more = {"cores": cores}
        if "$bytes" not in server.row.command:
            server.ports[None] = servers.spawn(server, self.root, self.context.work, **more)
            return
        for size in dict.fromkeys(w.bytes for w in SIZES if w.cores == cores):
            server.ports[size] = servers.spawn(server, self.root, self.context.work, bytes=size, **more)

    def check(self, server):
        for key, port in server.ports.items():
            servers.wait_ready(server, port)
            sizes = SIZE_STEPS if key is None else (key,)
            servers.check_files(port, [(Files(size, 1).target, os.path.join(self.root, f"{size}.txt")) for size in sizes])

    def start_all(self):
        rows = self.context.rows("sizes")
        for cores in core_counts():
            few = [row for row in rows if row.name in QUICK_ROWS or not self.context.quick or cores == CORES]
            self.usable[cores] = self.context.start_all(few, partial(self.spawn, cores), self.check)

    def servers_of(self, workload):
        few = self.context.quick and workload != TELLING
        return [server for server in self.usable[workload.cores] if server.row.name in QUICK_ROWS or not few]

    def run_one(self, server, workload, number):
        port = server.ports.get(workload.bytes, server.ports.get(None))
        sample = measure.wrk(server, workload.target, port, workload, self.seconds, self.context.work)
        self.samples.setdefault(workload, {}).setdefault(server.row.name, {})[number] = sample

    def run(self):
        self.start_all()
        if self.context.quick:
            self.context.left_out.append(f"all but {' and '.join(QUICK_ROWS)} in every workload but {TELLING.label}: no time")
        yield from self.context.in_rounds([
            Group(workload.label, [Step(f"{server.row.name}, {workload.label}", self.seconds + 0.3,
                                        partial(self.run_one, server, workload)) for server in self.servers_of(workload)])
            for workload in SIZES if self.usable[workload.cores]], needed=self.context.pick(1, len(COMPARED), 1))


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def telling(bench):
    return bench.samples.get(TELLING, {})


def by_cores(bench, mode):
    """The document's table: a row a number of cores and server, a column a size."""
    sizes = SIZE_STEPS if mode == "keep" else SIZE_STEPS[:2]
    lines = ["| cores, server | " + " | ".join(Files(size, 1).size for size in sizes) + " |", "|---|" + "--:|" * len(sizes)]
    for cores in core_counts():
        found = [bench.samples.get(Files(size, 64, mode, cores), {}) for size in sizes]
        for name in dict.fromkeys(name for one in found for name in one):
            cells = [report.spread([s.requests_s for s in one[name].values()], "{:,.0f}") if name in one else ""
                     for one in found]
            lines.append(f"| {cores}, {name} | " + " | ".join(cells) + " |")
        if mode == "keep" and cores in DOCUMENT:
            lines.append(f"| {cores}, nginx in the document | " + " | ".join(f"{n:,}" for n in DOCUMENT[cores]) + " | |")
    return lines + [""]


def compared(bench):
    """The ratios of each round by figure, workload and peer."""
    found = {(attribute, workload, peer): report.ratios(bench.samples[workload], attribute, peer)
             for workload in COMPARED if workload in bench.samples
             for attribute in (("cpu_us",) if workload.mode == "keep" else ("cpu_us", "requests_s"))
             for peer in bench.samples[workload] if peer != SUBJECT}
    return {key: ratios for key, ratios in found.items() if ratios}


def ratios(bench):
    return {f"{NAMED[attribute]}, {workload.label}, {peer}": found
            for (attribute, workload, peer), found in compared(bench).items()}


def ratio_table(bench):
    """Beside the median of the ratios that of the best runs: what else the machine does only ever makes a run worse."""
    lines = [f"## {SUBJECT} compared", "", "| what | with | ratio | of the best runs |", "|---|---|--:|--:|"]
    for (attribute, workload, peer), found in compared(bench).items():
        best = max if attribute == "requests_s" else min
        mine, its = (best(getattr(s, attribute) for s in bench.samples[workload][name].values()) for name in (SUBJECT, peer))
        lines.append(f"| {NAMED[attribute]}, {workload.label} | {peer} | {report.spread(found, '{:.3f}')} | "
                     f"{mine / its:.3f} |")
    return lines + [""]


def page(bench):
    lines = [f"Runs of {bench.seconds} s by wrk, which runs on all cores; the server has the first of them.", ""]
    lines += ratio_table(bench)
    lines += ["## Requests/s, 64 connections", ""] + by_cores(bench, "keep")
    lines += ["## New connections/s: 64 at a time, each for one request", ""] + by_cores(bench, "close")
    lines += ["## Each workload", ""]
    for workload, samples in bench.samples.items():
        lines += report.workload_table(workload, samples)
    return lines


def tables(bench):
    return {"sizes": (("round", "server", "bytes", "connections", "mode", "cores", *report.SAMPLE), [
        (number, name, w.bytes, w.connections, w.mode, w.cores, *report.values(s))
        for w, samples in bench.samples.items() for name, runs in samples.items() for number, s in runs.items()])}


def draw(bench, folder):
    cpu = {name: report.bar([s.cpu_us for s in runs.values()]) for name, runs in telling(bench).items()}
    plots.bars(os.path.join(folder, "cpu.png"), f"CPU time a request: {TELLING.label}", plots.Axis("CPU us per request"),
               dict(reversed(report.sorted_bars(cpu).items())))
    series = {}
    for size in SIZE_STEPS:
        for name, runs in bench.samples.get(Files(size, 64), {}).items():
            series.setdefault(name, {})[max(size / 1024, 0.5)] = report.bar([s.requests_s for s in runs.values()])
    plots.lines(os.path.join(folder, "sizes.png"), "Requests by size, 64 connections, all cores",
                plots.Axis("KB (0.5 stands for 0)", "log", (0.5, 1, 10, 100, 1024)), plots.Axis("requests/s", "log"), series)
    return ["cpu.png", "sizes.png"]


def picture(bench):
    return {f"{name} (parses nothing)" if name == LIMIT else name: report.bar([s.per_cpu_s for s in runs.values()])
            for name, runs in telling(bench).items()}


def headlines(bench):
    samples, found = telling(bench), []
    for document, peer, claim in (("B", "nginx", "nginx: 74,091 requests/s of 1 KB a CPU"),
                                  ("-", LIMIT, "a server that parses nothing: the limit")):
        by_cpu = report.ratios(samples, "per_cpu_s", peer)
        if by_cpu:
            ours, theirs = (report.spread([s.cpu_us for s in samples[name].values()]) for name in (SUBJECT, peer))
            found.append(Headline(document, claim, f"CPU us/request, 1 KB: {ours}; {peer} {theirs}",
                                  report.spread(by_cpu, "{:.2f}")))
    return found
