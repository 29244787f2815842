# SPDX-License-Identifier: MIT
"""Hits at a fixed rate while a server reloads a large tree over and over, and while it does not."""
import csv
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from statistics import median

import index
import measure
import report
import servers
import trees
from servers import Row, Unusable

CONNECTIONS = 64
TARGETS = 1000
RUN_SECONDS = 10  # or --seconds, if that is more
QUANTILES = ("p50_us", "p99_us", "p999_us", "max_us")
ERRORS = ("lost", "not_200", "refused", "unanswered")

ROWS = (
    Row("scrubjay", "$SCRUBJAY", "", "serve --no-watch --listen 127.0.0.1:$port --control $work/control.sock $more $root"),
    Row("nginx", "nginx", "nginx", "-p $work -e $work/nginx.log -c $config", "-v", "nginx.conf"),
    Row("caddy", "caddy", "caddy", "run --config $config", "version", "caddy.json"),
    Row("gunicorn-gthread", "gunicorn", "gunicorn python3-whitenoise",
        "-b 127.0.0.1:$port -w $workers -k gthread --threads 4 --keep-alive 3600 --timeout 600"
        " --pythonpath $peers wsgi", "--version"),
)
HOW = {
    "scrubjay": "one file changed, then `reload` over the control socket: a full scan",
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

SECOND = ("the generator had no real-time priority (for want of CAP_SYS_NICE): its latencies hold what it waited "
          "for the servers' own background work")


class Bench:
    def __init__(self, options, work, notes):
        self.options, self.work, self.notes = options, work, notes
        self.seconds = max(options.seconds, 3 if options.quick else RUN_SECONDS)
        os.chmod(work, 0o755)
        self.tree = trees.Tree(os.path.join(work, "tree"), options.files)
        self.touched = self.tree.names[-1:]
        # Not the one that is changed: WhiteNoise would send the old length with the new content.
        asked = [name for name in self.tree.names[:-1] if name.endswith((".svg", ".css", ".js"))]
        self.targets = [trees.target(name) for name in asked[::max(1, len(asked) // TARGETS)]]
        self.paths = os.path.join(work, "paths")
        with open(self.paths, "w", encoding="ascii") as file:
            file.writelines(target + "\n" for target in self.targets)
        self.started, self.samples = [], {}

    def start_all(self):
        for row in ROWS:
            try:
                path = servers.locate(row, {"scrubjay": self.options.scrubjay})
                if path is None:
                    raise Unusable(f"not found (apt-get install {row.packages})")
                self.started.append(self.start(row, path))
            except Unusable as error:
                self.notes.append(f"{row.name} did not take part: {error}")
                print(self.notes[-1], flush=True)

    def start(self, row, path):
        server = servers.Server(row, path)
        more = "--cache-dir none --no-compress" if row.name == "scrubjay" and has_cache(path) else ""
        try:
            server.admin = servers.free_port()
            process, port, log = servers.spawn(server, self.tree.root, self.work, admin=server.admin, more=more)
            server.ports[None] = port
            servers.first_answer(process, port, self.targets[0], log)
        except BaseException:
            servers.stop(server)
            raise
        server.version = servers.version_of(row, path)
        return server

    def reload(self, server):
        """Blocks until the server serves by what it has read again."""
        if server.row.name == "scrubjay":
            self.tree.touch(self.touched)
            index.ask(os.path.join(self.work, "control.sock"), "reload")
        elif server.row.name == "caddy":
            reload_caddy(server, os.path.join(self.work, server.row.config))
        else:
            measure.replace_workers(server, self.targets[0])

    def run_one(self, server, reloads):
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
        before = measure.cpu_seconds(measure.tree(server.processes))
        if reloads:
            thread.start()
        command = [self.options.rate, str(server.ports[None]), str(self.options.a_second),
                   str(self.seconds), str(CONNECTIONS), self.paths]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        is_over.set()
        if reloads:
            thread.join()
        if faults:
            raise Unusable(f"reload: {faults[0]}")
        figures = json.loads(said)
        used = measure.cpu_seconds(measure.tree(server.processes)) - before
        return Sample(figures, len(took), took, used / max(1, figures["answered"]) * 1e6)

    def run(self):
        self.start_all()
        for number in range(self.options.rounds):
            for i in range(len(self.started)):
                server = self.started[(i + number) % len(self.started)]
                for reloads in (False, True):
                    print(f"round {number + 1} of {self.options.rounds}: {server.row.name}"
                          f"{', reloading' if reloads else ''}", file=sys.stderr, flush=True)
                    try:
                        sample = self.run_one(server, reloads)
                        if not sample.figures["is_first"] and SECOND not in self.notes:
                            self.notes.append(SECOND)
                        self.samples.setdefault((server.row.name, reloads), {})[number] = sample
                    except (Unusable, subprocess.CalledProcessError) as error:
                        self.notes.append(f"{server.row.name}, round {number + 1}: {error}")


def has_cache(path):
    said = subprocess.run([path, "serve", "--help"], capture_output=True, text=True, check=True)
    return "--cache-dir" in said.stdout


def reload_caddy(server, config):
    with open(config, "rb") as file:
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


def line(bench, server, reloads):
    samples = bench.samples.get((server.row.name, reloads))
    if not samples:
        return []
    still = bench.samples.get((server.row.name, False), {})
    ratios = [sample.figures["p99_us"] / still[n].figures["p99_us"] for n, sample in samples.items() if n in still]
    figures = [sample.figures for sample in samples.values()]
    took = [seconds for sample in samples.values() for seconds in sample.reload_s]
    cells = [server.row.name, f"{len(took)}, {median(took) * 1000:.0f} ms each" if took else "none"]
    cells += [report.spread([one[name] for one in figures], "{:.0f}") for name in QUANTILES]
    cells.append(report.spread(ratios, "{:.2f}") if reloads and ratios else "")
    cells.append(" + ".join(f"{sum(one[name] for one in figures)} {name.replace('_', ' ')}" for name in ERRORS
                            if any(one[name] for one in figures)) or "0")
    cells += [str(sum(one["closed"] for one in figures)), f"{sum(one['requests'] for one in figures):,}",
              f"{median(one['late_p99_us'] for one in figures):.0f}"]
    return ["| " + " | ".join(cells) + " |"]


def markdown(bench, how):
    lines = ["# Reloads under load", "", f"{report.machine()}.", f"{bench.tree.describe()}; {how}",
             f"{bench.options.a_second} requests a second over {CONNECTIONS} connections, {bench.options.rounds} runs of "
             f"{bench.seconds} s; latency from when a request was due.  Figures: median (least-greatest).", "",
             "| server | reloads | p50 us | p99 us | p99.9 us | max us | p99 with / without | errors "
             "| connections closed | requests | late, p99 us |", "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for server in bench.started:
        lines += line(bench, server, False) + line(bench, server, True)
    lines += ["", "## What a reload is, versions and commands", ""]
    for server in bench.started:
        lines += [f"- {server.row.name}: {HOW[server.row.name]}; {server.version or 'made here'}",
                  f"  `{server.commands[0]}`"]
    return "\n".join(lines + [f"- {note}" for note in bench.notes]) + "\n"


def write_csv(bench, path):
    with open(path, "w", newline="", encoding="ascii") as file:
        rows = csv.writer(file)
        names = ("requests", "answered", *ERRORS, "closed", *QUANTILES, "late_p99_us")
        rows.writerow(("round", "server", "reloads", "cpu_us_per_request", *names))
        for (name, _), samples in bench.samples.items():
            rows.writerows((number, name, sample.reloads, round(sample.cpu_us, 1), *(sample.figures[key] for key in names))
                           for number, sample in samples.items())


def run(options, work, notes):
    """The bench, as far as it came."""
    bench = Bench(options, work, notes)
    try:
        bench.run()
    except KeyboardInterrupt:
        notes.append("interrupted: not all rounds were run")
    finally:
        for server in bench.started:
            servers.stop(server)
    return bench
