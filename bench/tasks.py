# SPDX-License-Identifier: MIT
"""Long tasks inside an HTTP server: sleeps, fetches, parsing and files, on Tornado's four models, Go and scrubjay."""
import csv
import http.client
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

import external
import load
import report
import servers
from external import NAME_MS, ROUND_TRIP_MS, SLEEP_MS
from servers import Row, Unusable

CLIENTS = 25  # siege's default, and what the document's figures come to
RUN_SECONDS = 10  # or --seconds, if that is more
QUICK_SECONDS = 3
PYTHON = "/usr/bin/python3"  # Debian's: it has Debian's packages
TORNADO = "python3-tornado python3-pycares"
SUBJECT = "scrubjay"

ROWS = (
    Row(SUBJECT, "$SCRUBJAY", "",
        "serve --control none --cache-dir none --no-compress --listen 127.0.0.1:$port $routes $root"),
    Row("tornado-1", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 1"),
    Row("tornado-2", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 2"),
    Row("tornado-3", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 3"),
    Row("tornado-4", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 4"),
    Row("go", "$GO", "golang-go", "$port"),
)
TOOLS = {"siege": "siege", "openssl": "openssl", "/usr/sbin/nginx": "nginx", "go": "golang-go",
         "/usr/lib/python3/dist-packages/tornado/web.py": "python3-tornado",
         "/usr/lib/python3/dist-packages/pycares/__init__.py": "python3-pycares"}
LIBRARIES = "libcurl4-openssl-dev libssl-dev libexpat1-dev libevent-dev"
DOES_ALL = (SUBJECT, "go")  # the others: the rows of the document


@dataclass(frozen=True)
class Task:
    name: str
    group: str
    body: str  # which of External's
    wait_ms: int = 0  # an answer that comes sooner has not done it
    least_s: int = 0  # of siege, where answers take seconds: what is on the way at the end is not counted


FETCH_MS, TLS_MS = 2 * ROUND_TRIP_MS, 3 * ROUND_TRIP_MS

# A new workload: one row, and what it does in each of the peers.
TASKS = (
    Task("sleep_sync", "sleep", "sleep", SLEEP_MS),
    Task("sleep_async", "sleep", "sleep", SLEEP_MS),
    Task("sleep_async_split", "sleep", "sleep", SLEEP_MS),
    Task("network_sync_local", "network, local", "page"),
    Task("network_async_local", "network, local", "page"),
    Task("network_sync_external", "network, external", "page", FETCH_MS),
    Task("network_async_external", "network, external", "page", FETCH_MS),
    Task("network_async_dns_external", "network, external, name", "page", FETCH_MS + NAME_MS),
    Task("network_async_external_retry", "network, external, retry", "page", FETCH_MS),
    Task("network_async_dns_external_retry", "network, external, name, retry", "page", FETCH_MS + NAME_MS),
    Task("network_https_sync", "https", "page", TLS_MS),
    Task("network_https_async", "https", "page", TLS_MS),
    Task("network_https_dns_async", "https, name", "page", TLS_MS + NAME_MS),
    Task("network_https_async_retry", "https, retry", "page", TLS_MS),
    Task("network_https_dns_async_retry", "https, name, retry", "page", TLS_MS + NAME_MS),
    Task("network_https_cpu_bound_sync", "https, parse", "records", TLS_MS, 8),
    Task("network_https_cpu_bound_async", "https, parse", "records", TLS_MS, 8),
    Task("file_sync", "file", "file"),
    Task("file_async", "file", "file"),
)
QUICK_GROUPS = ("sleep", "network, local", "https", "https, parse", "file")

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
# One at a time: an answer takes seven seconds.
LONG_SECONDS = {("tornado-1", "sleep_sync"): 15, ("tornado-2", "sleep_sync"): 15}


def does(name, task):
    return name in DOES_ALL or (name, task.name) in DOCUMENT or (name, task.name) == ("tornado-2", "sleep_async")


def build_go(work):
    """The path of the program, or None where there is no compiler."""
    if not shutil.which("go"):
        return None
    path = os.path.join(work, "go-tasks")
    said = subprocess.run(["go", "build", "-o", path, os.path.join(servers.HERE, "peers", "tasks.go")], cwd=work,
                          env=dict(os.environ, GO111MODULE="off", CGO_ENABLED="0", GOFLAGS="",
                                   GOCACHE=os.path.join(work, "go-cache")),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if said.returncode != 0:
        raise Unusable("go build: " + said.stdout.strip()[-300:])
    return path


def routes(scrubjay, modules, names):
    """The options that give scrubjay these tasks."""
    said = subprocess.run([scrubjay, "serve", "--help"], capture_output=True, text=True, check=False)
    if "--module" not in said.stdout:
        raise Unusable("this scrubjay has no --module")
    module = os.path.join(os.path.abspath(modules), "tasks.so")
    if not os.path.exists(module):
        raise Unusable(f"{module} is not there (apt-get install {LIBRARIES}, configure, make bench; or set $MODULES)")
    return " ".join([f"--module {module}"] + [f"--route /{name}=tasks:{name}" for name in names])


def start(row, paths, modules, names, settings, root, work):
    """A server with these tasks.  `paths` gets that of a program that is made here."""
    if row.program == "$GO" and row.name not in paths:
        paths[row.name] = build_go(work)
    path = servers.locate(row, paths)
    if path is None:
        raise Unusable("not found" + (f" (apt-get install {row.packages})" if row.packages else f": set {row.program}"))
    more = {"routes": routes(path, modules, names)} if row.name == SUBJECT else {}
    server = servers.Server(row, path, environment=settings)
    try:
        server.ports[None] = servers.launch(server, root, work, **more)
    except BaseException:
        servers.stop(server)
        raise
    server.version = report.packages(row.packages)
    return server


def check(server, task, expected):
    """One request: status, body, and that it took its time."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.ports[None], timeout=30)
    try:
        connection.request("GET", "/" + task.name, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.HTTPException, OSError) as error:
        raise Unusable(f"{task.name}: {error!r}") from error
    finally:
        connection.close()
    took_ms = (time.monotonic() - began) * 1000
    if answer.status != 200:
        raise Unusable(f"{task.name}: status {answer.status}")
    if body != expected:
        raise Unusable(f"{task.name}: {len(body)} octets, other than the {len(expected)} expected")
    if took_ms < task.wait_ms * 0.95:
        raise Unusable(f"{task.name}: answered after {took_ms:.0f} ms, before it can be done")


class Bench:
    def __init__(self, options, work, notes):
        self.options, self.work, self.notes = options, work, notes
        self.seconds = QUICK_SECONDS if options.quick else max(options.seconds, RUN_SECONDS)
        self.rounds = 1 if options.quick else options.rounds
        self.tasks = [task for task in TASKS if not options.quick or task.group in QUICK_GROUPS]
        self.root = os.path.join(work, "root")
        os.chmod(work, 0o755)
        os.mkdir(self.root)
        self.external = external.External(work, options.delay)
        self.paths = {SUBJECT: options.scrubjay}
        self.usable, self.started, self.samples = [], {}, {}

    def leave_out(self, name, error):
        self.notes.append(f"{name} did not take part: {error}")
        print(self.notes[-1], flush=True)

    def start(self, row):
        server = start(row, self.paths, self.options.modules, [task.name for task in TASKS], self.external.settings,
                       self.root, self.work)
        self.started[row.name] = server
        return server

    def check_all(self):
        """Finds which servers do which tasks right."""
        if not shutil.which("siege"):
            raise Unusable("siege not found (apt-get install siege)")
        self.external.start()
        for row in ROWS:
            try:
                server = self.start(row)
            except Unusable as error:
                self.leave_out(row.name, error)
                continue
            try:
                self.usable += [(row, task) for task in self.tasks if does(row.name, task) and self.is_right(server, task)]
            finally:
                servers.stop(server)

    def is_right(self, server, task):
        try:
            check(server, task, self.external.bodies[task.body])
            return True
        except Unusable as error:
            self.leave_out(server.row.name, error)
            return False

    def run(self):
        self.check_all()
        in_turn = sorted(self.usable, key=lambda one: self.tasks.index(one[1]))  # one task, all servers
        plan = [(number, *in_turn[(i + number) % len(in_turn)]) for number in range(self.rounds)
                for i in range(len(in_turn))]
        began = time.monotonic()
        for done, (number, row, task) in enumerate(plan):
            report.progress(done, len(plan), began, f"{row.name}: {task.name}")
            try:
                self.run_one(number, row, task)
            except (ValueError, Unusable) as error:
                self.notes.append(f"{row.name}, {task.name}, round {number + 1}: {error}")
        report.progress(len(plan), len(plan), began, "done")

    def run_one(self, number, row, task):
        """On a server that has just been started: what other tasks have left behind is not its memory."""
        key = (row.name, task.name)
        seconds = max(self.seconds, task.least_s, LONG_SECONDS.get(key, 0))
        server = self.start(row)
        try:
            load.settle(server)
            check(server, task, self.external.bodies[task.body])
            self.samples.setdefault(key, {})[number] = load.siege(server, "/" + task.name, CLIENTS, seconds, self.work)
            check(server, task, self.external.bodies[task.body])  # also waits for what siege has left behind
        finally:
            servers.stop(server)

    def stop(self):
        self.external.stop()


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
    tasks = {task.name for task in TASKS if task.group == group}
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
    for task in bench.tasks:
        for row in ROWS if task.group == group else ():
            lines += line(bench, row.name, task)
    return lines + [""]


def markdown(bench, how):
    lines = ["# Long tasks", "", f"{report.machine()}.",
             f"siege, {CLIENTS} clients, a connection a request; {bench.rounds} round{'s' * (bench.rounds > 1)} "
             f"of {bench.seconds} s a row, or more where answers take seconds; {how}  Figures: median "
             "(least-greatest), of memory the greatest.  The last four columns are the document's, of another machine.", ""]
    groups = list(dict.fromkeys(task.group for task in bench.tasks))
    compared = [text for group in groups for text in headline(bench, group)]
    if compared:
        lines += [f"## {SUBJECT} compared", "",
                  "| tasks | most trans/s | ratio | least response s | ratio | least memory KB | ratio |",
                  "|---|---|--:|---|--:|---|--:|"] + compared + [""]
    for group in groups:
        lines += table(bench, group)
    lines += ["## Versions and commands", ""]
    for server in bench.started.values():
        lines += [f"- {server.row.name}: {server.version or 'made here'}", f"  `{server.commands[0]}`"]
    return "\n".join(lines + [f"- {note}" for note in bench.notes]) + "\n"


def write_csv(bench, path):
    with open(path, "w", newline="", encoding="ascii") as file:
        rows = csv.writer(file)
        rows.writerow(("round", "server", "task", "availability", "response_s", "transactions_s", "peak_memory_kb",
                       "cpu_ms_per_transaction", "failed"))
        for (name, task), samples in bench.samples.items():
            rows.writerows((number, name, task, s.availability, round(s.response_s, 5), round(s.rate, 3), s.memory_kb,
                            round(s.cpu_ms, 3), s.failed) for number, s in samples.items())


def run(options, work, notes):
    """The bench, as far as it came."""
    bench = Bench(options, work, notes)
    try:
        bench.run()
    except Unusable as error:  # the load, or what is external
        notes.append(str(error))
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        notes.append("interrupted: not all rounds were run")
    finally:
        bench.stop()
    return bench
