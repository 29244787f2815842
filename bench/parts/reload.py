# SPDX-License-Identifier: MIT
"""Hits at a fixed rate while a server reloads a large tree over and over, and while it does not."""
import http.client
import os
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import measure
import plots
import report
import servers
import trees
from context import Group, Step
from parts import index
from peers import SUBJECT
from report import Headline
from servers import Unusable
from workloads import RELOADED

TITLE = "Reloads under load"
PROGRAMS = ("scrubjay", "rate")
TOOLS = trees.TOOLS
CONNECTIONS, TARGETS, LOADS = (RELOADED[key] for key in ("connections", "targets", "loads"))
RUN_SECONDS = (1, 3, 10)  # quick, full, long
QUANTILES = ("p50_us", "p99_us", "p999_us", "max_us")
ERRORS = ("lost", "not_200", "refused", "unanswered")
HOW = {
    SUBJECT: "one file changed, then `reload` over the control socket: a full scan",
    "nginx": "HUP, until no old worker is left",
    "caddy": "the same configuration sent to its admin interface, with must-revalidate",
    "gunicorn-gthread": "HUP, until no old worker is left and a new one answers",
}


@dataclass
class Sample:
    figures: dict  # what rate printed
    reloads: int
    reload_s: list = field(default_factory=list)
    cpu_us: float = 0
    memory_kb: int = 0


class Bench:
    def __init__(self, context):
        self.context, self.samples = context, {}
        self.seconds = context.seconds(*RUN_SECONDS)
        self.tree = trees.Tree(os.path.join(context.work, "tree"), trees.n_files(context))
        self.touched = self.tree.names[-1:]
        # Not the one that is changed: WhiteNoise would send the old length with the new content.
        asked = [name for name in self.tree.names[:-1] if name.endswith((".svg", ".css", ".js"))]
        self.targets = [trees.target(name) for name in asked[::max(1, len(asked) // TARGETS)]]
        self.asked = [os.path.join(self.tree.root, name) for name in asked[::max(1, len(asked) // TARGETS)]]
        self.paths = os.path.join(context.work, "paths")
        with open(self.paths, "w", encoding="ascii") as file:
            file.writelines(target + "\n" for target in self.targets)

    def spawn(self, server):
        server.ports[None] = servers.spawn(server, self.tree.root, self.context.work)

    def check(self, server):
        servers.first_answer(server.processes[0], server.port, self.targets[0], server.log)
        servers.check_files(server.port, list(zip(self.targets, self.asked))[::25 if self.context.quick else 1])

    def reload(self, server):
        """Blocks until the server serves by what it has read again."""
        if server.row.name == SUBJECT:
            self.tree.touch(self.touched)
            index.ask(os.path.join(server.home, "control.sock"), "reload")
        elif server.row.name == "caddy":
            reload_caddy(server)
        else:
            measure.replace_workers(server, self.targets[0])

    def run_one(self, server, rate, reloads, number):
        """One run of the generator; `reloads`: back to back, from before its first request on."""
        took, faults, is_over = [], [], threading.Event()

        def reload_on():
            try:
                while not is_over.is_set():
                    began = time.monotonic()
                    self.reload(server)
                    took.append(time.monotonic() - began)
            except (Unusable, OSError, http.client.HTTPException) as error:
                faults.append(error)
        thread = threading.Thread(target=reload_on)
        if reloads:
            thread.start()
        words = (server.port, rate, self.seconds, CONNECTIONS, self.paths)
        try:
            figures, watch = measure.open_loop(self.context, server, words, self.seconds)
        finally:
            is_over.set()
            if reloads:
                thread.join()
        if faults:
            raise Unusable(f"reload: {faults[0]}")
        self.samples.setdefault((server.row.name, rate, reloads), {})[number] = Sample(
            figures, len(took), took, watch.cpu_s / max(1, figures["answered"]) * 1e6, watch.memory_kb)

    def run(self):
        usual = self.context.settings.a_second
        usable = self.context.start_all(self.context.rows("reload"), self.spawn, self.check)
        runs = [(usual, True), (usual, False)] + [(rate, True) for rate in LOADS if rate != usual]
        yield from self.context.in_rounds([
            Group(f"{rate:,} requests/s{', reloading' if reloads else ''}",
                  [Step(f"{server.row.name}, {rate:,}/s{', reloading' if reloads else ''}", self.seconds + 0.7,
                        partial(self.run_one, server, rate, reloads)) for server in usable])
            for rate, reloads in runs], needed=self.context.pick(2, 1, 2))


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def reload_caddy(server):
    with open(os.path.join(server.home, server.row.config), "rb") as file:
        text = file.read()
    deadline = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", server.admin, timeout=60)
        try:
            connection.request("POST", "/load", text, {"Content-Type": "application/json",
                                                       "Cache-Control": "must-revalidate"})
            answer = connection.getresponse()
            said = answer.read()
            break
        except ConnectionError:  # a reload also replaces the admin interface, and drops who has just come
            if time.monotonic() > deadline:
                raise
        finally:
            connection.close()
    if answer.status != 200:
        raise Unusable(said.decode(errors="replace")[:300])


def names(bench):
    return list(dict.fromkeys(key[0] for key in bench.samples))


def line(bench, name, rate, reloads):
    samples = bench.samples.get((name, rate, reloads))
    if not samples:
        return []
    still = bench.samples.get((name, rate, False), {})
    ratios = [sample.figures["p99_us"] / still[n].figures["p99_us"] for n, sample in samples.items() if n in still]
    figures = [sample.figures for sample in samples.values()]
    took = [seconds for sample in samples.values() for seconds in sample.reload_s]
    cells = [name, f"{rate:,}", f"{len(took)}, {median(took) * 1000:.0f} ms each" if took else "none"]
    cells += [report.spread([one[key] for one in figures], "{:.0f}") for key in QUANTILES]
    cells.append(report.spread(ratios, "{:.2f}") if reloads and ratios else "")
    cells.append(" + ".join(f"{sum(one[key] for one in figures)} {key.replace('_', ' ')}" for key in ERRORS
                            if any(one[key] for one in figures)) or "0")
    cells += [str(sum(one["closed"] for one in figures)), f"{sum(one['requests'] for one in figures):,}",
              f"{median(one['late_p99_us'] for one in figures):.0f}",
              report.spread([s.cpu_us for s in samples.values()], "{:.0f}"),
              f"{max(s.memory_kb for s in samples.values()) / 1024:.1f}"]
    return ["| " + " | ".join(cells) + " |"]


def page(bench):
    lines = [f"{bench.tree.describe()}.  {CONNECTIONS} connections, runs of {bench.seconds} s; latency from when a request "
             "was due.", "",
             "| server | requests/s | reloads | p50 us | p99 us | p99.9 us | max us | p99 with / without | errors "
             "| connections closed | requests | late, p99 us | CPU us/request | memory MB |", "|---|" + "--:|" * 13]
    for name in names(bench):
        for _, rate, reloads in sorted(key for key in bench.samples if key[0] == name):
            lines += line(bench, name, rate, reloads)
    lines += ["", "What a reload is:", ""]
    return lines + [f"- {name}: {HOW[name]}" for name in names(bench)] + [""]


def tables(bench):
    keys = ("requests", "answered", *ERRORS, "closed", *QUANTILES, "late_p99_us")
    return {"reload": (("round", "server", "requests_s", "reloads", "cpu_us_per_request", "memory_kb", *keys), [
        (number, name, rate, sample.reloads, round(sample.cpu_us, 1), sample.memory_kb, *(sample.figures[key] for key in keys))
        for (name, rate, _), samples in bench.samples.items() for number, sample in samples.items()])}


def draw(bench, folder):
    quantiles = {}
    for quantile, title in zip(QUANTILES, ("p50", "p99", "p99.9")):
        for (name, rate, reloads), samples in bench.samples.items():
            if reloads:
                quantiles.setdefault(title, {}).setdefault(name, {})[rate] = report.bar(
                    [max(1, s.figures[quantile]) / 1000 for s in samples.values()])
    plots.panels(os.path.join(folder, "reload.png"), "While the server reloads without a break",
                 plots.Axis("requests/s", "log", LOADS), plots.Axis("latency, ms", "log"), quantiles)
    return ["reload.png"]


def over(bench, peer):
    """p99 while it reloads: the peer's over ours, of each round."""
    samples = {name: bench.samples.get((name, bench.context.settings.a_second, True), {}) for name in (SUBJECT, peer)}
    return report.ratios_of(samples, lambda s: 1 / max(1, s.figures["p99_us"]), peer)


def ratios(bench):
    found = {f"p99 while reloading, {peer}": over(bench, peer) for peer in names(bench) if peer != SUBJECT}
    return {label: each for label, each in found.items() if each}


def headlines(bench):
    """p99 while it reloads, and how many requests failed."""
    usual, found = bench.context.settings.a_second, []
    runs = {name: bench.samples[name, usual, True].values() for name in names(bench) if (name, usual, True) in bench.samples}
    p99_ms = {name: median(s.figures["p99_us"] for s in samples) / 1000 for name, samples in runs.items()}
    failed = {name: sum(s.figures[key] for s in samples for key in ERRORS) for name, samples in runs.items()}
    for peer in ("nginx", "gunicorn-gthread"):
        by_round = over(bench, peer)
        if by_round:
            ours, theirs = (f"{p99_ms[name]:.2f} ms, {failed[name]} failed" for name in (SUBJECT, peer))
            found.append(Headline("-", f"{peer}: p99 while it reloads; requests that failed", f"{ours}; {peer} {theirs}",
                                  report.spread(by_round)))
    return found
