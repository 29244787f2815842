# SPDX-License-Identifier: MIT
"""Start, reload, rollback and compression on a large tree, beside other programs on the same one."""
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import measure
import peers
import plots
import report
import servers
import trees
from context import Group, Step
from report import Headline
from servers import CORES, Unusable

TITLE = "A large tree"
PROGRAMS = ("scrubjay",)
TOOLS = {**trees.TOOLS, "xxhsum": "xxhash"}
SLOW_ROUNDS = 2
TEXTS = (100, 400, 4656)  # quick, full, long
LIMIT = "hash"  # the row that others are compared with
START_WHITENOISE = "import sys; from whitenoise import WhiteNoise; WhiteNoise(None, root=sys.argv[1])"
CODINGS = ("gz", "br", "zst")

TIMES = {
    "find": "`find -printf`: a scan and no more",
    LIMIT: f"`find`, then `xxhsum -H2`, {CORES} at a time: reading and hashing",
    "cold": "scrubjay: cold start to first byte",
    "warm": "scrubjay: warm start to first byte",
    "scan_same": "scrubjay: `reload`, nothing changed (full scan)",
    "scan_one": "scrubjay: `reload`, 1 file changed (full scan)",
    "scan_tenth": "scrubjay: `reload`, 10 % changed (full scan)",
    "rollback": "scrubjay: `rollback`",
    "watch_one": "scrubjay: 1 file changed until it is served (inotify)",
    "watch_one_index": "scrubjay: 1 file changed until there is a new index, the quiet period in it",
    "watch_one_build": "scrubjay: the build of that index",
    "watch_tenth": "scrubjay: 10 % changed until the last one is served (inotify)",
    "watch_tenth_index": "scrubjay: 10 % changed until there is a new index",
    "nginx_start": "nginx: start to first byte",
    "nginx_hup": "nginx: HUP until all workers are new",
    "whitenoise": "WhiteNoise: `WhiteNoise(application, root)`, Python's start included",
    "gunicorn": f"Gunicorn with WhiteNoise, {2 * CORES + 1} workers: start to first byte",
    "gunicorn_hup": "Gunicorn with WhiteNoise: HUP until all workers are new",
}
MEMORY = {
    "held": "default limits, bodies in memory taken off",
    "unheld": "no bodies in memory",
    "one_core": "the same, `--loops 1 --workers 1`",
    "variants": "the texts of the table below in gz, br and zst as well, all bodies in memory taken off",
}
COMPRESSION = {
    "serve_fast": "scrubjay, first start: every variant served, at fast levels",
    "serve_best": "scrubjay, first start: every variant at its best level",
    "serve_again": "scrubjay, second start: every variant served",
    "compress_two": "`scrubjay compress --no-zstd`: the formats that WhiteNoise makes",
    "compress_one": "`scrubjay compress --workers 1`",
    "compress": "`scrubjay compress`",
    "compress_again": "`scrubjay compress`, nothing to do",
    "whitenoise_compress": "`python3 -m whitenoise.compress`",
}


@dataclass
class Sample:
    number: int  # of the round
    seconds: float
    cpu_s: float
    note: str = ""


class Subject:
    """scrubjay on a root, with a control socket; `start` is the Sample of its start."""

    def __init__(self, bench, root, target, *options):
        self.bench, self.target = bench, target
        self.control = os.path.join(bench.work, "control.sock")
        self.server = bench.context.server(peers.Row(peers.SUBJECT, "", "$SCRUBJAY", "", "serve --listen 127.0.0.1:$port "
                                                     f"--control {self.control} {' '.join(options)} $root"))
        self.start = bench.start(self.server, root, target)
        while self.index()["generation"] == 0:  # a warm start answers before it has an index
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bench.context.stop(self.server)

    @property
    def port(self):
        return self.server.port

    def ask(self, words):
        return ask(self.control, words)

    def status(self):
        return json.loads(self.ask("status json"))

    def cpu_s(self):
        return measure.cpu_of(self.server)

    def command(self, word):
        """The program's command, and the processor time that it takes of the server."""
        before = self.cpu_s()
        sample = timed([self.bench.program, word, "--control", self.control])
        return replace(sample, cpu_s=self.cpu_s() - before)

    def index(self):
        return self.status()["index"]

    def see(self, names):
        """Changes the files: how long it takes until the last one is served as it is now, and until a new index is."""
        before, generation = self.cpu_s(), self.index()["generation"]
        line, began = self.bench.tree.touch(names), time.monotonic()
        while not servers.first_answer(self.server.processes[0], self.port, trees.target(names[-1]),
                                       self.server.log).endswith(line):
            if time.monotonic() - began > 60:
                raise Unusable("a changed file was not served within a minute")
            time.sleep(0.001)
        served = Sample(0, time.monotonic() - began, self.cpu_s() - before)
        while self.index()["generation"] == generation or self.index()["building"]:
            if time.monotonic() - began > 60:
                raise Unusable("there was no new index within a minute")
            time.sleep(0.001)
        return served, Sample(0, time.monotonic() - began, self.cpu_s() - before)


def ask(path, words):
    """What the server says to one line on its control socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(600)
        client.connect(path)
        client.sendall(words.encode() + b"\n")
        with client.makefile() as answer:
            result, _, text = answer.read().partition("\n")
    if result != "ok":
        raise Unusable(f"{words}: {text.strip()}")
    return text


def timed(command, **options):
    """Runs it to its end; the time of it and of what it has waited for."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, **options)
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Unusable(f"{command[0]}: {said.decode(errors='replace').strip()[-300:]}")
    return Sample(0, time.monotonic() - began, used.ru_utime + used.ru_stime)


def find_python():
    """One that has WhiteNoise: Debian's belongs to its own Python."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.access(python, os.X_OK) and subprocess.run([python, "-c", "import whitenoise"], check=False,
                                                         capture_output=True).returncode == 0:
            return python
    raise Unusable("not found (apt-get install python3-whitenoise)")


class Bench:
    def __init__(self, context):
        self.context, self.work = context, context.work
        self.program = context.program("scrubjay")
        self.times, self.memory, self.sizes = {}, {}, {}
        self.tree = trees.Tree(os.path.join(self.work, "tree"), trees.n_files(context))
        self.n_texts = min(context.pick(*TEXTS), len(self.tree.texts))
        self.first = trees.target(self.tree.names[0])

    def start(self, server, root, target):
        began = time.monotonic()
        try:
            server.ports[None] = servers.spawn(server, root, self.work)
            servers.first_answer(server.processes[0], server.port, target, server.log)
        except BaseException:
            self.context.stop(server)
            raise
        self.context.saw(server)
        return Sample(0, time.monotonic() - began, measure.cpu_of(server))

    def keep(self, key, number, sample):
        self.times.setdefault(key, []).append(replace(sample, number=number))

    def cache(self, name, *more):
        return ("--cache-dir", os.path.join(self.work, name), *more)

    # --- the large tree

    def limits(self, number):
        timed(["sh", "-c", 'find "$0" -type f -print0 | xargs -0 cat', self.tree.root])  # into the page cache, each time
        self.keep("find", number, timed(["find", self.tree.root, "-printf", "%s %T@ %p\n"]))
        hash_all = f'find "$0" -type f -print0 | xargs -0 -n 500 -P {CORES} xxhsum -H2'
        self.keep(LIMIT, number, timed(["sh", "-c", hash_all, self.tree.root]))

    def own_start(self, number):
        """Cold and warm; no compression, as that goes on for minutes behind whatever comes next."""
        shutil.rmtree(os.path.join(self.work, "cache"), ignore_errors=True)
        options = ("--no-watch", *self.cache("cache", "--no-compress"))
        with Subject(self, self.tree.root, self.first, *options) as subject:
            self.keep("cold", number, subject.start)
        with Subject(self, self.tree.root, self.first, *options) as subject:
            self.keep("warm", number, subject.start)
            self.full_scans(number, subject)

    def full_scans(self, number, subject):
        self.keep("scan_same", number, subject.command("reload"))
        self.tree.touch(self.tree.names[-1:])
        self.keep("scan_one", number, subject.command("reload"))
        self.tree.touch(self.tree.every(10))
        self.keep("scan_tenth", number, subject.command("reload"))
        self.keep("rollback", number, subject.command("rollback"))

    def watching(self, number):
        with Subject(self, self.tree.root, self.first, *self.cache("cache", "--no-compress")) as subject:
            measure.settle(subject.server)  # it reads what is to be held in memory, which the next build takes up
            subject.see(self.tree.names[:1])
            for key, names in (("watch_one", self.tree.names[-1:]), ("watch_tenth", self.tree.every(10))):
                served, indexed = subject.see(names)
                self.keep(key, number, served)
                self.keep(key + "_index", number, indexed)
                if key == "watch_one":
                    self.keep("watch_one_build", number, Sample(0, subject.index()["build_ms"] / 1000, 0))

    def without(self):
        """The options of a server without variants."""
        return ("--no-watch", "--cache-dir", "none", "--no-compress")

    def base(self, *options):
        """The memory of a server of one file."""
        empty = os.path.join(self.work, "empty")
        os.makedirs(empty, exist_ok=True)
        shutil.copyfile(os.path.join(self.tree.root, self.tree.names[-1]), os.path.join(empty, "a.txt"))
        with Subject(self, empty, "/a.txt", *options) as subject:
            return subject.status()["memory_bytes"]

    def keep_memory(self, key, said, base):
        bytes_ = said["memory_bytes"] - bodies(said) - base
        self.memory.setdefault(key, []).append((bytes_ / said["index"]["urls"], said))

    def memory_a_url(self, _):
        cores = ("--loops", "1", "--workers", "1")
        none = ("--memory-limit", "0")
        for key, options in (("held", ()), ("unheld", none), ("one_core", none + cores)):
            options += self.without()
            base = self.base(*options)
            with Subject(self, self.tree.root, self.first, *options) as subject:
                self.keep_memory(key, subject.status(), base)

    def nginx(self, number):
        self.peer_start(number, "nginx", "nginx_start", "nginx_hup")

    def gunicorn(self, number):
        self.peer_start(number, "gunicorn", "gunicorn", "gunicorn_hup")

    def peer_start(self, number, name, start, hup):
        server = self.context.server(next(row for row in peers.rows_of("index") if row.name == name))
        self.keep(start, number, self.start(server, self.tree.root, self.first))
        try:
            began = time.monotonic()
            measure.replace_workers(server, self.first)
            used = measure.cpu_seconds(measure.tree(server.processes[:1])[1:])
            self.keep(hup, number, Sample(0, time.monotonic() - began, used))
        finally:
            self.context.stop(server)

    def whitenoise(self, number):
        self.keep("whitenoise", number, timed([find_python(), "-c", START_WHITENOISE, self.tree.root]))

    # --- compression of texts

    def texts(self, name):
        """A fresh copy of them."""
        path = os.path.join(self.work, name)
        shutil.rmtree(path, ignore_errors=True)
        trees.copy(self.tree, self.tree.texts[:self.n_texts], path)
        return path

    def keep_sizes(self, key, root):
        sizes = dict.fromkeys(CODINGS, 0)
        for folder, _, names in os.walk(root):
            for name in names:
                kind = name.rpartition(".")[2]
                if kind in sizes:
                    sizes[kind] += os.path.getsize(os.path.join(folder, name))
        self.sizes[key] = sizes

    def compress_by_server(self, number):
        root, target = self.texts("texts"), trees.target(self.tree.texts[0])
        shutil.rmtree(os.path.join(self.work, "variants"), ignore_errors=True)
        options = ("--no-watch", *self.cache("variants"))
        with Subject(self, root, target, *options) as subject:
            self.keep("serve_fast", number, self.until(subject, "pending"))
            self.keep("serve_best", number, self.until(subject, "pending", "improving"))
        with Subject(self, root, target, *options) as subject:
            self.keep("serve_again", number, self.until(subject, "pending"))
            said = subject.status()
        self.keep_memory("variants", said, self.base(*self.without()))

    def until(self, subject, *names):
        """Waits until there are variants and these counts are 0: the time since the start."""
        began, said = time.monotonic() - subject.start.seconds, {}
        while not said.get("served") or any(said[name] for name in names):
            time.sleep(0.02)
            said = subject.status()["variants"]
        return Sample(0, time.monotonic() - began, subject.cpu_s(), f"{said['served_bytes']:,} in all")

    def compress_by_command(self, number):
        for key, more in (("compress_two", ["--no-zstd"]), ("compress_one", ["--workers", "1"]), ("compress", [])):
            root = self.texts("texts")
            self.keep(key, number, timed([self.program, "compress", *more, root]))
            self.keep_sizes(key, root)
        self.keep("compress_again", number, timed([self.program, "compress", root]))

    def compress_by_whitenoise(self, number):
        python, root = find_python(), self.texts("texts")
        self.keep("whitenoise_compress", number, timed([python, "-m", "whitenoise.compress", "-q", root]))
        self.keep_sizes("whitenoise_compress", root)

    # --- all of it

    def run(self):
        quick, few = self.context.quick, 1 if self.context.quick else SLOW_ROUNDS
        compared = ((self.limits, 0.3), (self.own_start, 1), (self.nginx, 0.3), (self.watching, 0.7), (self.whitenoise, 0.5),
                    (self.gunicorn, 4))
        others = ((self.compress_by_command, 1, few), (self.memory_a_url, 1, few), (self.compress_by_whitenoise, 1.5, few),
                  (self.compress_by_server, 2, few))
        steps = compared[:3] + others[:2] + compared[3:5] + others[2:] + compared[5:] if quick else compared + others
        scale = 1 if quick else 10
        groups = [self.group(step, seconds * scale, *rounds) for step, seconds, *rounds in steps]
        yield from self.context.in_rounds(groups, needed=self.context.pick(1, len(compared), 1))

    def group(self, step, seconds, *rounds):
        """Of this step alone."""
        label = step.__name__.replace("_", " ")
        return Group(label, [Step(label, seconds, partial(self.run_one, step), *rounds)])

    def run_one(self, step, number):
        try:
            step(number)
        except KeyError as error:
            raise Unusable(f"the server said nothing of {error}") from error


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def over(bench, key, base):
    """Times of one over those of another, of each round."""
    bases = {sample.number: sample.seconds for sample in bench.times.get(base, ())}
    return [sample.seconds / bases[sample.number] for sample in bench.times.get(key, ()) if sample.number in bases]


def ratios(bench):
    found = {f"{label} over reading and hashing": over(bench, key, LIMIT) for key, label in TIMES.items()
             if key != LIMIT}
    found["Gunicorn's start over ours"] = over(bench, "gunicorn", "cold")
    return {label: each for label, each in found.items() if each}


def times_table(bench, rows, limit_name):
    lines = [f"| what | ms | CPU ms | {limit_name} | rounds |", "|---|--:|--:|--:|--:|"]
    for key, label in rows.items():
        samples = bench.times.get(key)
        if not samples:
            continue
        last = (report.spread(over(bench, key, LIMIT), "{:.2f}") if rows is TIMES and over(bench, key, LIMIT)
                else " / ".join(f"{name} {size:,}" for name, size in bench.sizes.get(key, {}).items() if size)
                or samples[-1].note)
        lines.append(f"| {label} | {report.spread([s.seconds * 1000 for s in samples])} | "
                     f"{median(s.cpu_s * 1000 for s in samples):.0f} | {last} | {len(samples)} |")
    return lines + [""]


def bodies(said):
    """Bytes of files and variants in memory, where all variants are; older programs have none."""
    return said["index"]["held_bytes"] + said.get("variants", {}).get("served_bytes", 0)


def memory_table(bench):
    lines = ["| how | bytes a URL | URLs | memory, MB | bodies in it, MB |", "|---|--:|--:|--:|--:|"]
    for key, label in MEMORY.items():
        figures = bench.memory.get(key)
        if figures:
            said = figures[-1][1]
            lines.append(f"| {label} | {report.spread([each for each, _ in figures], '{:.0f}')} | "
                         f"{said['index']['urls']:,} | {said['memory_bytes'] / 1e6:.1f} | "
                         f"{bodies(said) / 1e6:.1f} |")
    return lines + [""]


def page(bench):
    lines = [f"{bench.tree.describe()}.", "", "## Start and reload", ""] + times_table(bench, TIMES, "x reading and hashing")
    lines += ["## Memory of the index", ""] + memory_table(bench)
    lines += [f"## Compression of {bench.n_texts:,} texts", ""]
    return lines + times_table(bench, COMPRESSION, "bytes of variants")


def tables(bench):
    rows = [(key, s.number, round(s.seconds, 6), round(s.cpu_s, 3), "") for key, samples in bench.times.items()
            for s in samples]
    rows += [(key, number, "", "", round(each, 1)) for key, figures in bench.memory.items()
             for number, (each, _) in enumerate(figures)]
    return {"index": (("what", "round", "seconds", "cpu_s", "bytes_a_url"), rows)}


def draw(bench, folder):
    groups = {label.replace("`", ""): {peers.SUBJECT if label.startswith(peers.SUBJECT) else "other programs": report.bar(
        [s.seconds * 1000 for s in bench.times[key]])} for key, label in TIMES.items() if key in bench.times}
    plots.dots(os.path.join(folder, "index.png"), f"Starts and reloads of {bench.tree.describe()}", plots.Axis("ms", "log"),
               groups)
    return ["index.png"]


def headlines(bench):
    ours, theirs = ([s.seconds for s in bench.times.get(key, ())] for key in ("cold", "gunicorn"))
    by_round = over(bench, "gunicorn", "cold")
    if not by_round:
        return []
    return [Headline("A", f"WhiteNoise indexes and Gunicorn starts; here {len(bench.tree.names):,} files",
                     f"{median(ours) * 1000:.0f} ms to the first octet, Gunicorn here {median(theirs) * 1000:.0f}",
                     report.spread(by_round))]
