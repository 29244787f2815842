# SPDX-License-Identifier: MIT
"""Six I/O models (document D): reference servers that parse nothing, and scrubjay, over the number of connections."""
import os
import resource
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import contract
import flame
import measure
import plots
import report
import servers
from context import Group, Step
from peers import LIMIT, SUBJECT
from report import Headline
from servers import CORES, Unusable
from workloads import IO_MODELS

TITLE = "Six I/O models"
PROGRAMS = ("scrubjay", "models")
TOOLS = {"wrk": "wrk", "perf": "linux-perf", "/usr/include/liburing.h": "liburing-dev"}
RUN_SECONDS = (1, 1, 2)  # quick, full, long
FLAME_SECONDS = (1, 3, 5)
FLAMES = (SUBJECT, LIMIT)
CHECKS_AT_A_TIME = 8
TELLING = IO_MODELS[0]
COMPARED = (("CPU us/request", lambda s: s.cpu_us), ("requests/s", lambda s: s.requests_s))

# Requests/s in the document, whose machine has many cores.
DOCUMENT = {"epoll-threads": 1_135_671, "thread-per-connection": 970_999, "epoll": 124_957, "select": 88_595,
            "blocking": 88_389, "io_uring": 44_156}


class Bench:
    def __init__(self, context):
        self.context, self.samples, self.flames = context, {}, {}
        self.seconds = context.seconds(*RUN_SECONDS)
        self.flame_seconds = context.seconds(*FLAME_SECONDS)
        self.root = os.path.join(context.work, "root")
        os.mkdir(self.root)
        self.contents = contract.make_files(self.root)

    # --- what must be right

    def subject(self, row):
        """Two processes of a model, or scrubjay, to be checked: Subject, and how to end them."""
        path = servers.locate(row, self.context.settings.programs)
        if row.name != SUBJECT:
            processes, subject = contract.start_model(row, path, self.root, self.contents)
            return subject, partial(contract.end, processes)
        server = self.context.start(row, self.root)
        pages = [contract.Page(server.port, f"/{len(content)}.txt", content) for content in self.contents]
        return contract.Subject(server.processes[0].pid, *pages), partial(self.context.stop, server)

    def check(self, row):
        """Raises Unusable or Broken."""
        subject, end = self.subject(row)
        try:
            fault = contract.first_fault(subject)
        finally:
            end()
        if fault:
            raise Unusable(fault)

    def start(self, row, checked):
        """The server to be timed, or None: then it is named."""
        try:
            checked.result()
            return self.context.start(row, self.root, bytes=contract.SMALL)
        except (Unusable, contract.Broken) as error:
            self.context.leave_out(row.name, error)
            return None

    def start_all(self):
        rows = self.context.rows("io-models")
        self.context.show("checked")
        with ThreadPoolExecutor(CHECKS_AT_A_TIME) as pool:
            checked = {row: pool.submit(self.check, row) for row in rows}
        return list(filter(None, (self.start(row, checked[row]) for row in rows)))

    # --- what is timed

    def run_one(self, server, workload, number):
        sample = measure.wrk(server, workload.target, server.port, workload, self.seconds, self.context.work)
        self.samples.setdefault(workload, {}).setdefault(server.row.name, {})[number] = sample

    def burn(self, server, number):
        """A flame graph."""
        wrk = subprocess.Popen(["wrk", "-t", str(CORES), "-c", str(TELLING.connections), "-d", "1h",
                                f"http://127.0.0.1:{server.port}{TELLING.target}"], stdout=subprocess.DEVNULL)
        try:
            text = flame.record(server, self.flame_seconds, os.path.join(self.context.work, f"perf.{number}"))
        finally:
            wrk.kill()
            wrk.wait()
        self.flames[server.row.name] = flame.svg(flame.fold(text), f"{server.row.name}, {TELLING.label}")

    def run(self):
        self.context.need("wrk", "wrk")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        usable = self.start_all()
        groups = [Group(workload.label, [Step(f"{server.row.name}, {workload.label}", self.seconds + 0.3,
                                              partial(self.run_one, server, workload)) for server in usable])
                  for workload in IO_MODELS]
        flames = Group("flame graphs", [Step(f"{server.row.name}, flame graph", self.flame_seconds + 2,
                                             partial(self.burn, server)) for server in usable if server.row.name in FLAMES])
        yield from self.context.in_rounds([flames], 1)
        yield from self.context.in_rounds(groups, needed=2)


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def telling(bench):
    return bench.samples.get(TELLING, {})


def cheapest(samples):
    """The model with the least CPU time a request, or None."""
    cpu = {name: report.bar([s.cpu_us for s in runs.values()])[0] for name, runs in samples.items() if name != SUBJECT}
    return min(cpu, key=cpu.get, default=None)


def by_connections(bench):
    """Requests/s: a row a server, a column a number of connections, and what the document has."""
    workloads = sorted(bench.samples, key=lambda workload: workload.connections)
    lines = ["| server | " + " | ".join(f"{w.connections:,}" for w in workloads) + " | the document |",
             "|---|" + "--:|" * (len(workloads) + 1)]
    for name in dict.fromkeys(name for samples in bench.samples.values() for name in samples):
        runs = [bench.samples[workload].get(name, {}).values() for workload in workloads]
        cells = [report.spread([s.requests_s for s in found], "{:,.0f}") if found else "" for found in runs]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {f'{DOCUMENT[name]:,}' if name in DOCUMENT else ''} |")
    return lines + [""]


def page(bench):
    lines = [f"{TELLING.size}, keep-alive, runs of {bench.seconds} s by wrk.  All have passed `contract.py`.  blocking serves one "
             "connection; its times are those of that one, and the others wait.", ""]
    lines += [text for name in bench.flames for text in (f"![flame graph of {name}](flame-{name}.svg)", "")]
    lines += report.compared(telling(bench), COMPARED, f"## {SUBJECT} over each of them, {TELLING.connections} connections")
    lines += ["## Requests/s by connections", ""] + by_connections(bench)
    for workload, samples in sorted(bench.samples.items(), key=lambda item: item[0].connections):
        lines += report.workload_table(workload, samples)
    return lines


def ratios(bench):
    return report.named_ratios(telling(bench), COMPARED)


def tables(bench):
    return {"io-models": (("round", "server", "connections", *report.SAMPLE), [
        (number, name, workload.connections, *report.values(s)) for workload, samples in bench.samples.items()
        for name, runs in samples.items() for number, s in runs.items()])}


def series(bench, attribute):
    found = {}
    for workload, samples in bench.samples.items():
        for name, runs in samples.items():
            found.setdefault(name, {})[workload.connections] = report.bar([getattr(s, attribute) for s in runs.values()])
    return found


def draw(bench, folder):
    for name, text in bench.flames.items():
        with open(os.path.join(folder, f"flame-{name}.svg"), "w", encoding="utf-8") as file:
            file.write(text)
    connections = plots.Axis("connections", "log", tuple(sorted(w.connections for w in bench.samples)))
    plots.lines(os.path.join(folder, "throughput.png"), f"Throughput, {TELLING.size}, keep-alive", connections,
                plots.Axis("requests/s"), series(bench, "requests_s"))
    plots.lines(os.path.join(folder, "cpu.png"), f"CPU time a request, {TELLING.size}, keep-alive", connections,
                plots.Axis("CPU us per request"), series(bench, "cpu_us"))
    return ["throughput.png", "cpu.png"]


def headlines(bench):
    samples, best, found = telling(bench), cheapest(telling(bench)), []
    for peer, claim in ((LIMIT, f"epoll in several threads is the fastest of six: {DOCUMENT[LIMIT]:,} requests/s"),
                        (best, "the physical limit: the cheapest of the six, here")):
        by_cpu = report.ratios(samples, "per_cpu_s", peer)
        if by_cpu:
            ours, theirs = (report.spread([s.cpu_us for s in samples[name].values()]) for name in (SUBJECT, peer))
            found.append(Headline("D", claim, f"CPU us/request, {TELLING.label}: {ours}; {peer} {theirs}",
                                  report.spread(by_cpu, "{:.2f}")))
    return found
