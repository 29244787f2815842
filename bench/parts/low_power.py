# SPDX-License-Identifier: MIT
"""A server on one core: time and energy of 500,000 requests, and what 30,000,000 do to its memory (document C)."""
import glob
import os
import time
from functools import partial
from statistics import mean, median

import external
import measure
import plots
import report
import servers
from context import Group, Step
from peers import SUBJECT
from report import Headline
from servers import CORES
from workloads import ENDURANCE_REQUESTS, LOW_POWER, Files

TITLE = "One core, and endurance"
PROGRAMS = ("scrubjay",)
TOOLS = {"ab": "apache2-utils", "wrk": "wrk"}
ROUNDS = 3
RUN_SECONDS = (1, 4, 60)  # at most, quick and full; about, long
QUICK_ENDURANCE_S = 3
RAPL = "/sys/class/powercap/intel-rapl:*/energy_uj"
SLICE_S, CYCLE = 10, 4  # of the endurance run: one slice in four opens a connection a request
LEAST_SLICES = 4 * CYCLE
KEEPING, CLOSING = Files(1 << 10, 64), Files(1 << 10, 64, "close")
NO_RAPL = "energy: this machine has no RAPL counters (/sys/class/powercap) that can be read; CPU seconds stand for it"


def energy_j():
    """Of all packages since some time, or None.  The counters may start again at 0: a run with that shows less than none."""
    try:
        return sum(int(open(path, encoding="ascii").read()) for path in glob.glob(RAPL)) / 1e6 if glob.glob(RAPL) else None
    except OSError:
        return None


class Bench:
    def __init__(self, context):
        self.context, self.samples, self.energy_j, self.memory = context, {}, {}, []
        self.seconds = context.seconds(*RUN_SECONDS)
        self.root = os.path.join(context.work, "root")
        os.mkdir(self.root)
        self.path = os.path.join(self.root, f"{KEEPING.bytes}.txt")
        external.write(self.path, os.urandom(KEEPING.bytes))
        self.n_a_run = LOW_POWER[0].requests // context.pick(1, context.turns.rounds, 1)
        self.n_requests = self.n_errors = 0
        self.endured_s = 0.0
        if energy_j() is None:
            context.notes.append(NO_RAPL)

    def spawn(self, server):
        server.ports[None] = servers.spawn(server, self.root, self.context.work, cores=1)

    def check(self, server):
        servers.wait_ready(server, server.port)
        servers.check_files(server.port, [(KEEPING.target, self.path)])

    def run_one(self, server, one, number):
        """ab is on the other cores, where there are any."""
        words = ["-c", one.clients] + one.keeps.split()
        words += ["-t", self.seconds] if self.context.turns.mode != "long" else []
        before = energy_j()
        sample = measure.ab(server, KEEPING.target, words + ["-n", self.n_a_run], self.context.work,
                            ("taskset", "-c", servers.cpu_list(1, CORES - 1)) if CORES > 1 else ())
        key = (one, server.row.name)
        self.samples.setdefault(key, {})[number] = sample
        if before is not None:
            self.energy_j.setdefault(key, {})[number] = (energy_j() - before) / sample.count

    def run(self):
        usable = self.context.start_all(self.context.rows("low-power"), self.spawn, self.check)
        subject = [server for server in usable if server.row.name == SUBJECT]
        groups = [Group(one.label, [Step(f"{server.row.name}, {one.label}", self.seconds + 0.3,
                                         partial(self.run_one, server, one)) for server in usable]) for one in LOW_POWER]
        if subject:
            seconds = QUICK_ENDURANCE_S if self.context.quick else self.whole_s()
            groups.insert(1, Group("endurance", [Step("endurance", seconds, partial(self.endure, subject[0]), 1)]))
        yield from self.context.in_rounds(groups, self.context.pick(1, None, ROUNDS), needed=len(groups))

    # --- endurance

    def whole_s(self):
        hours = self.context.settings.hours
        return hours * 3600 if hours else ENDURANCE_REQUESTS / 40_000

    def is_over(self):
        if self.context.quick:
            return self.endured_s >= QUICK_ENDURANCE_S
        if self.context.settings.hours:
            return self.endured_s >= self.whole_s()
        return self.n_requests >= ENDURANCE_REQUESTS

    def endure(self, server, _):
        began, seconds = time.monotonic(), 1 if self.context.quick else SLICE_S
        slices = 0
        while not self.is_over():
            workload = CLOSING if slices % CYCLE == CYCLE - 1 else KEEPING
            sample = measure.wrk(server, KEEPING.target, server.port, workload, seconds, self.context.work)
            slices += 1
            self.endured_s = time.monotonic() - began
            self.n_requests += sample.requests
            self.n_errors += sample.errors
            self.memory.append((self.endured_s, self.n_requests, measure.anonymous_of(server)))
            self.context.show(f"endurance, {self.n_requests:,} requests")

    def quarters_kb(self):
        """The memory in the second and in the last quarter, both of whole cycles of four slices."""
        n = len(self.memory) // CYCLE
        return [[kb for _, _, kb in self.memory[first * CYCLE:last * CYCLE]]
                for first, last in ((n // 4, max(n // 2, n // 4 + 1)), (n * 3 // 4, n))]


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def table(bench, one):
    lines = [f"## {one.label[0].upper()}{one.label[1:]}", "",
             "| server | ms a request | requests/s | p50 ms | p95 ms | p99 ms | CPU s a million | J a million "
             "| peak memory MB | failed |", "|---|" + "--:|" * 9]
    for (workload, name), runs in bench.samples.items():
        if workload != one:
            continue
        found, joules = list(runs.values()), bench.energy_j.get((workload, name), {}).values()
        cells = [name, report.spread([s.response_s * 1000 for s in found], "{:.3f}"),
                 report.spread([s.rate for s in found], "{:,.0f}")]
        cells += [report.spread([s.percentiles[at] for s in found], "{:.3f}") for at in (50, 95, 99)]
        cells += [report.spread([s.cpu_ms * 1000 for s in found]), report.spread([j * 1e6 for j in joules]) if joules else "",
                  f"{max(s.memory_kb for s in found) / 1024:.1f}", str(sum(s.failed for s in found))]
        lines.append("| " + " | ".join(cells) + " |")
    return lines + [""]


def change(second, last):
    return f"{second:,.0f} KB in the second quarter, {last:,.0f} in the last ({100 * (last - second) / second:+.2f} %)"


def page(bench):
    how = "{:,} requests a run".format(bench.n_a_run)
    if bench.context.turns.mode != "long":
        how += f", or {bench.seconds} s where those take longer"
    lines = [f"ab, {LOW_POWER[0].clients} clients, a file of 1 KB, {how}; the server is on one core.", ""]
    for one in LOW_POWER:
        lines += table(bench, one)
    lines += ["## Endurance", ""]
    if not bench.memory:
        return lines + ["Was not run.", ""]
    growth = "too short a run to say"
    if len(bench.memory) >= LEAST_SLICES:
        second, last = bench.quarters_kb()
        growth = f"at most {change(max(second), max(last))}; in the mean {change(mean(second), mean(last))}"
    return lines + [f"{bench.n_requests:,} requests in {bench.endured_s:,.0f} s, 64 at a time, one slice of wrk in four "
                    f"with a connection a request; {bench.n_errors} errors.  Allocated memory: {growth}.", ""]


def tables(bench):
    rows = [(number, one.label, name, s.count, round(s.response_s * 1000, 4), s.rate, round(s.cpu_ms * 1000, 2),
             bench.energy_j.get((one, name), {}).get(number, ""), s.memory_kb, s.failed)
            for (one, name), runs in bench.samples.items() for number, s in runs.items()]
    percentiles = [(number, one.label, name, at, ms) for (one, name), runs in bench.samples.items()
                   for number, s in runs.items() for at, ms in enumerate(s.percentiles)]
    return {"low-power": (("round", "workload", "server", "requests", "ms_a_request", "requests_s", "cpu_s_a_million",
                           "joule_a_request", "peak_memory_kb", "failed"), rows),
            "percentiles": (("round", "workload", "server", "percentile", "ms"), percentiles),
            "endurance": (("seconds", "requests", "memory_kb"), [(round(s, 1), n, kb) for s, n, kb in bench.memory])}


def draw(bench, folder):
    names = []
    for one in LOW_POWER:
        series = {name: {at: (max(0.001, median(s.percentiles[at] for s in runs.values())),)
                         for at in (0, 10, 25, 50, 75, 90, 95, 99)}
                  for (workload, name), runs in bench.samples.items() if workload == one}
        if series:
            names.append(f"percentiles{one.keeps}.png")
            plots.lines(os.path.join(folder, names[-1]), f"Response times on one core, {one.label}",
                        plots.Axis("percentile", ticks=(0, 10, 25, 50, 75, 90, 99)), plots.Axis("ms", "log"), series)
    if bench.memory:
        names.append("endurance.png")
        plots.lines(os.path.join(folder, names[-1]), "Memory in the endurance run: what is allocated", plots.Axis("million requests"),
                    plots.Axis("MB"), {SUBJECT: {n / 1e6: (kb / 1024,) for _, n, kb in bench.memory}})
    return names


def per_cpu_ms(sample):
    return 1 / max(sample.cpu_ms, 1e-6)


def samples_of(bench, one):
    return {name: runs for (workload, name), runs in bench.samples.items() if workload == one}


def ratios(bench):
    return {label: found for one in LOW_POWER for label, found in report.named_ratios(samples_of(bench, one), (
        (f"requests/s, {one.label}", lambda s: s.rate), (f"requests per CPU second, {one.label}", per_cpu_ms))).items()}


def headlines(bench):
    samples, found = samples_of(bench, LOW_POWER[0]), []
    by_rate = report.ratios(samples, "rate", "gunicorn")
    if by_rate:
        ours, theirs = (report.spread([s.response_s * 1000 for s in samples[name].values()], "{:.3f}")
                        for name in (SUBJECT, "gunicorn"))
        cpu = report.ratios_of(samples, per_cpu_ms, "gunicorn")
        found += [Headline("C", "Rust 5.722 ms a request, Python 21.394: 3.7 times",
                           f"{ours} ms on one core; Gunicorn + WhiteNoise {theirs}", report.spread(by_rate, "{:.1f}")),
                  Headline("C", "Rust takes less energy in all", "CPU seconds of the same requests, Gunicorn + WhiteNoise:",
                           report.spread(cpu, "{:.1f}"))]
    if len(bench.memory) >= LEAST_SLICES:
        second, last = bench.quarters_kb()
        found.append(Headline("C", "30,000,000 requests without a crash or growing memory",
                              f"{bench.n_requests:,} requests, {bench.n_errors} errors; most memory, second quarter over last:",
                              f"{max(second) / max(last):.4f}"))
    return found
