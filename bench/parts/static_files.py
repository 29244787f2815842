# SPDX-License-Identifier: MIT
"""750 images, asked for at random (document A)."""
import glob
import os
import shutil
from functools import partial

import measure
import plots
import report
import servers
from context import Group, Step
from peers import SUBJECT
from report import Headline
from servers import Unusable
from workloads import IMAGES

TITLE = "750 images, asked for at random"
PROGRAMS = ("scrubjay",)
TOOLS = {"wrk": "wrk", "/usr/share/openclipart/png": "openclipart-png"}
CLIP_ART = "/usr/share/openclipart/png"
N_IMAGES = 750
RUN_SECONDS = (1, 4, 30)  # quick, full, long: the document's, in seven parts or in one
CHECKED_OF = {True: 25, False: 1}  # quick: every 25th image
COMPARED = (("requests served", lambda s: s.requests), ("requests per CPU second", lambda s: s.per_cpu_s))
LUA = """-- each thread of wrk asks for its own random images, the same ones each time
local threads = 0
function setup(thread) threads = threads + 1; thread:set("number", threads) end
function init()
    requests = {}
    for line in io.lines("%s") do requests[#requests + 1] = wrk.format("GET", line) end
    math.randomseed(number)
end
function request() return requests[math.random(#requests)] end
"""


def pick_images(root):
    """Every nth file of the package, by name: (target, path) each."""
    found = sorted(path for path in glob.glob(CLIP_ART + "/**/*.png", recursive=True) if not os.path.islink(path))
    if len(found) < N_IMAGES:
        raise Unusable(f"{len(found)} images in {CLIP_ART} (apt-get install openclipart-png)")
    os.mkdir(root)
    files = []
    for i in range(N_IMAGES):
        path = os.path.join(root, f"{i:03}.png")
        shutil.copyfile(found[i * len(found) // N_IMAGES], path)
        files.append((f"/{i:03}.png", path))
    return files


class Bench:
    def __init__(self, context):
        self.context, self.samples = context, {}
        self.seconds = context.seconds(*RUN_SECONDS)
        self.root = os.path.join(context.work, "root")
        self.files = pick_images(self.root)
        self.n_bytes = sum(os.path.getsize(path) for _, path in self.files)
        self.script = os.path.join(context.work, "random.lua")
        targets = os.path.join(context.work, "targets")
        with open(targets, "w", encoding="ascii") as file:
            file.writelines(target + "\n" for target, _ in self.files)
        with open(self.script, "w", encoding="ascii") as file:
            file.write(LUA % targets)

    def spawn(self, server):
        server.ports[None] = servers.spawn(server, self.root, self.context.work)

    def check(self, server):
        servers.wait_ready(server, server.port)
        servers.check_files(server.port, self.files[::CHECKED_OF[self.context.quick]])

    def run_one(self, server, number):
        sample = measure.wrk(server, self.script, server.port, IMAGES, self.seconds, self.context.work)
        self.samples.setdefault(server.row.name, {})[number] = sample

    def run(self):
        usable = self.context.start_all(self.context.rows("static-files"), self.spawn, self.check)
        steps = [Step(server.row.name, self.seconds + 0.3, partial(self.run_one, server)) for server in usable]
        yield from self.context.in_rounds([Group("random images", steps)])


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def page(bench):
    lines = [f"{N_IMAGES} images of openclipart-png, {bench.n_bytes / 1e6:.1f} MB: the files in the order of their names, of "
             f"which every nth.  wrk, {IMAGES.connections} connections, {bench.seconds} s a run, each request a random one.",
             "", "| server | requests served | requests/s | requests per CPU second | CPU us/request | p50 us | p99 us "
             "| peak memory MB | errors |", "|---|" + "--:|" * 8]
    for name, runs in bench.samples.items():
        samples = list(runs.values())
        lines.append("| " + " | ".join((
            name, report.spread([s.requests for s in samples], "{:,.0f}"),
            report.spread([s.requests_s for s in samples], "{:,.0f}"),
            report.spread([s.per_cpu_s for s in samples], "{:,.0f}"),
            *report.cells(samples))) + " |")
    return lines + [""] + report.compared(bench.samples, COMPARED)


def ratios(bench):
    return report.named_ratios(bench.samples, COMPARED)


def tables(bench):
    return {"static-files": (("round", "server", *report.SAMPLE), [
        (number, name, *report.values(s)) for name, runs in bench.samples.items() for number, s in runs.items()])}


def draw(bench, folder):
    rows = {name: report.bar([s.per_cpu_s for s in runs.values()]) for name, runs in bench.samples.items()}
    plots.bars(os.path.join(folder, "static-files.png"), "Random images: what a second of CPU time is good for",
               plots.Axis("requests per CPU second"), report.sorted_bars(rows))
    return ["static-files.png"]


def headlines(bench):
    found = []
    for document, peer, claim in (
            ("A", "gunicorn", "serves more than Gunicorn + WhiteNoise (sync workers)"),
            ("A", "gunicorn-gthread", "the same, gthread workers"), ("-", "nginx", "nginx: requests per CPU second")):
        served = report.ratios(bench.samples, "requests", peer)
        by_cpu = report.ratios(bench.samples, "per_cpu_s", peer)
        if served:
            ours = report.spread([s.requests for s in bench.samples[SUBJECT].values()], "{:,.0f}")
            found.append(Headline(document, claim, f"{ours} requests in {bench.seconds} s, {report.spread(served, '{:.2f}')} "
                                  f"times {peer}'s; per CPU second:", report.spread(by_cpu, "{:.2f}")))
    return found
