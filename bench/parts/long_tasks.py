# SPDX-License-Identifier: MIT
"""Long tasks inside an HTTP server: sleeps, fetches, parsing and files (document E)."""
import os
from functools import partial
from statistics import median

import external
import handlers
import measure
import plots
import report
import servers
from context import ALL_ROUNDS, Group, Step
from peers import SUBJECT
from report import Headline
from servers import Unusable
from workloads import LONG_TASKS

TITLE = "Long tasks"
PROGRAMS = ("scrubjay", "delay")
TOOLS = {**handlers.TOOLS, "siege": "siege", "openssl": "openssl", "/usr/sbin/nginx": "nginx"}
CLIENTS = 25  # siege's default, and what the document's figures come to
RUN_SECONDS = (2, 1, 10)  # quick, full, long; after two seconds the seventh sleep has just ended, or not
DOES_ALL = (SUBJECT, "go")  # the others: the rows of the document
QUICK_FIRST = ("file_sync", "network_async_local", "sleep_async_split", "network_https_cpu_bound_async",
               "network_https_async")

# The document's rows, and its figures: availability %, response s, trans/s, peak memory MB.
DOCUMENT = {
    ("tornado-1", "sleep_sync"): (94.58, 1.96, 3.55, 75.63),
    ("tornado-2", "sleep_sync"): (100, 6.98, 3.54, 82.66),
    ("tornado-2", "sleep_async_split"): (100, 0.28, 88.18, 81.03),
    ("tornado-3", "sleep_sync"): (100, 1.75, 14.24, 430.34),
    ("tornado-4", "sleep_sync"): (100, 1.75, 14.24, 1484.08),
    ("tornado-2", "network_async_local"): (100, 0.04, 575.20, 81.77),
    ("tornado-3", "network_sync_local"): (100, 0.08, 300.91, 430.61),
    ("tornado-4", "network_sync_local"): (96.21, 0.05, 504.18, 1494.32),
    ("tornado-2", "network_async_external"): (100, 0.66, 37.99, 81.37),
    ("tornado-2", "network_async_dns_external"): (100, 0.95, 26.39, 92.05),
    ("tornado-2", "network_async_external_retry"): (100, 1.15, 21.61, 84.77),
    ("tornado-2", "network_async_dns_external_retry"): (100, 1.79, 13.88, 95.46),
    ("tornado-3", "network_sync_external"): (100, 1.38, 18.06, 430.60),
    ("tornado-4", "network_sync_external"): (100, 1.44, 17.30, 1483.54),
    ("tornado-2", "network_https_async"): (100, 1.10, 22.68, 81.87),
    ("tornado-2", "network_https_dns_async"): (100, 1.23, 20.05, 92.87),
    ("tornado-2", "network_https_async_retry"): (100, 1.38, 18.08, 85.30),
    ("tornado-2", "network_https_dns_async_retry"): (100, 2.06, 12.05, 96.24),
    ("tornado-3", "network_https_sync"): (100, 2.57, 9.67, 430.73),
    ("tornado-4", "network_https_sync"): (100, 2.73, 9.10, 1482.75),
    ("tornado-2", "network_https_cpu_bound_async"): (97.65, 28.60, 0.83, 85.35),
    ("tornado-3", "network_https_cpu_bound_sync"): (100, 35.49, 0.66, 430.72),
    ("tornado-4", "network_https_cpu_bound_sync"): (100, 15.79, 1.54, 1793.73),
    ("tornado-2", "file_async"): (100, 0.93, 26.96, 82.66),
    ("tornado-3", "file_sync"): (100, 0.54, 46.29, 430.47),
    ("tornado-4", "file_sync"): (100, 0.53, 46.86, 1486.58),
}
# One at a time, four at a time: an answer takes seven seconds, or almost two.
LONG_SECONDS = {("tornado-1", "sleep_sync"): 15, ("tornado-2", "sleep_sync"): 15, ("tornado-3", "sleep_sync"): 6,
                ("tornado-4", "sleep_sync"): 6}
# Those that take one at a time in each process are far behind where they only wait: measured once, but in a long run.
BLOCKING = ("tornado-1", "tornado-3", "tornado-4")
WAITING = ("sleep", "network, local", "network, external", "https")


def does(name, task):
    return name in DOES_ALL or (name, task.name) in DOCUMENT or (name, task.name) == ("tornado-2", "sleep_async")


class Bench:
    def __init__(self, context):
        self.context, self.samples = context, {}
        self.seconds = context.seconds(*RUN_SECONDS)
        self.root = os.path.join(context.work, "root")
        os.mkdir(self.root)
        self.tasks = LONG_TASKS
        if context.turns.mode != "long":  # what differs most, first
            self.tasks = sorted(LONG_TASKS, key=lambda task: (QUICK_FIRST + (task.name,)).index(task.name))
        self.external = external.External(context)

    def start(self, row, task):
        """A server that has nothing but this task to do, where that can be chosen; it has been asked once."""
        server = handlers.start(self.context, row, [task], self.external.settings, self.root)
        try:
            measure.settle(server)
            self.check(server, task)
        except BaseException:
            self.context.stop(server)
            raise
        return server

    def check(self, server, task):
        handlers.check(server, task, self.external.bodies[task.body])

    def find(self):
        """The tasks that each server does right, before anything is timed; where time is limited only the check before each
        run finds what is wrong."""
        usable = []
        for row in self.context.rows("long-tasks"):
            try:
                servers.locate(row, self.context.settings.programs)
            except Unusable as error:
                self.context.leave_out(row.name, error)
                continue
            usable += [(row, task) for task in self.tasks
                       if does(row.name, task) and (self.context.turns.mode != "long" or self.is_right(row, task))]
        return usable

    def is_right(self, row, task):
        try:
            self.context.stop(self.start(row, task))
        except Unusable as error:
            self.context.leave_out(f"{row.name}, {task.name}", error)
            return False
        return True

    def seconds_of(self, row, task):
        if self.context.quick:
            return self.seconds
        return max(self.seconds, task.least_s, LONG_SECONDS.get((row.name, task.name), 0))

    def run(self):
        self.context.need("siege", "siege")
        self.external.start()
        usable = self.find()
        groups = [Group(task.name, [self.step(row, task) for row, its in usable if its is task]) for task in self.tasks]
        yield from self.context.in_rounds([group for group in groups if group.steps],
                                          needed=self.context.pick(1, len(groups), 1))

    def step(self, row, task):
        is_once = self.context.turns.mode != "long" and (
            (row.name, task.name) in LONG_SECONDS or row.name in BLOCKING and task.group in WAITING)
        return Step(f"{row.name}, {task.name}", self.seconds_of(row, task) + 1.2, partial(self.run_one, row, task),
                    1 if is_once else ALL_ROUNDS)

    def run_one(self, row, task, number):
        """On a server that has just been started: what other tasks have left behind is not its memory."""
        server = self.start(row, task)
        try:
            self.samples.setdefault((row.name, task.name), {})[number] = measure.siege(
                server, "/" + task.name, CLIENTS, self.seconds_of(row, task), self.context.work)
            self.check(server, task)  # also waits for what siege has left behind
        finally:
            self.context.stop(server)


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def line(bench, name, task):
    samples = bench.samples.get((name, task.name), {}).values()
    if not samples:
        return []
    theirs = DOCUMENT.get((name, task.name))
    cells = [f"{name}, {task.name}", f"{min(s.availability for s in samples):.2f}",
             report.spread([s.response_s for s in samples], "{:.3f}"),
             report.spread([s.rate for s in samples], "{:.2f}"),
             f"{max(s.memory_kb for s in samples) / 1024:.1f}",
             report.spread([s.cpu_ms for s in samples], "{:.2f}")]
    cells += [f"{figure:.2f}" for figure in theirs] if theirs else [""] * 4
    return ["| " + " | ".join(cells) + " |"]


def middle(bench, key, attribute):
    return median(getattr(sample, attribute) for sample in bench.samples[key].values())


COMPARED = (("rate", max, "{:.2f}"), ("response_s", min, "{:.3f}"), ("memory_kb", min, "{:.0f}"))


def headline(bench, group):
    """The best peer of the group, and ours beside it: each side with the task by which it does better."""
    tasks = {task.name for task in LONG_TASKS if task.group == group}
    keys = [key for key in bench.samples if key[1] in tasks]
    mine = [key for key in keys if key[0] == SUBJECT]
    theirs = [key for key in keys if key[0] != SUBJECT]
    if not mine or not theirs:
        return []
    cells = [group]
    for attribute, better, form in COMPARED:
        ours = better(middle(bench, key, attribute) for key in mine)
        best = better(theirs, key=lambda key: middle(bench, key, attribute))
        its = middle(bench, best, attribute)
        cells += [f"{best[0]}, {form.format(its)}", f"{ours / its:.3f}"]
    return ["| " + " | ".join(cells) + " |"]


def table(bench, group):
    lines = [f"### {group}", "",
             "| server, task | availability % | response s | trans/s | peak memory MB | CPU ms/transaction "
             "| theirs: % | s | trans/s | MB |", "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for task in LONG_TASKS:
        for name in dict.fromkeys(key[0] for key in bench.samples) if task.group == group else ():
            lines += line(bench, name, task)
    return lines + [""] if len(lines) > 4 else []


def page(bench):
    lines = [f"siege, {CLIENTS} clients, a connection a request; {bench.seconds} s a run, or more where answers take "
             "seconds and the run is not a quick one.  Of memory and availability the worst.  The last four columns are the "
             "document's, of another machine.", ""]
    groups = list(dict.fromkeys(task.group for task in LONG_TASKS))
    texts = [text for group in groups for text in headline(bench, group)]
    if texts:
        lines += [f"## {SUBJECT} compared", "",
                  "| tasks | most trans/s | ratio | least response s | ratio | least memory KB | ratio |",
                  "|---|---|--:|---|--:|---|--:|"] + texts + [""]
    return lines + [text for group in groups for text in table(bench, group)]


def tables(bench):
    return {"long-tasks": (
        ("round", "server", "task", "availability", "response_s", "transactions_s", "peak_memory_kb",
         "cpu_ms_per_transaction", "failed"),
        [(number, name, task, s.availability, round(s.response_s, 5), round(s.rate, 3), s.memory_kb, round(s.cpu_ms, 3),
          s.failed) for (name, task), samples in bench.samples.items() for number, s in samples.items()])}


def draw(bench, folder):
    groups = {task.name: {} for task in LONG_TASKS}
    for (name, task), samples in bench.samples.items():
        groups[task][name] = report.bar([s.rate for s in samples.values()])
    plots.dots(os.path.join(folder, "long-tasks.png"), f"Long tasks, {CLIENTS} clients",
                  plots.Axis("transactions/s", "log"), {task: bars for task, bars in groups.items() if bars})
    return ["long-tasks.png"]


def over_best(bench):
    """By task our rate over the best peer's, of each round."""
    found = {}
    for task in LONG_TASKS:
        samples = {name: runs for (name, its), runs in bench.samples.items() if its == task.name}
        peers = [name for name in samples if name != SUBJECT]
        if SUBJECT in samples and peers:
            best = max(peers, key=lambda name: middle(bench, (name, task.name), "rate"))
            found[task.name] = report.ratios(samples, "rate", best)
    return {task: each for task, each in found.items() if each}


def ratios(bench):
    return {f"rate, {task}, the best peer": each for task, each in over_best(bench).items()}


def headlines(bench):
    """The least and the greatest of our ratios, and how many of them are not lost."""
    middles = [(median(each), task) for task, each in over_best(bench).items()]
    if not middles:
        return []
    (least, first), (most, last) = min(middles), max(middles)
    won = sum(ratio >= 0.97 for ratio, _ in middles)
    return [Headline("E", "one loop wins, but for CPU and files, where processes do",
                     f"first or within 3 % in {won} of {len(middles)} tasks; rate over the best peer's, {first} to {last}:",
                     f"{least:.2f}-{most:.2f}")]
