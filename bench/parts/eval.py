# SPDX-License-Identifier: MIT
"""The log evaluator, POST /eval: Flask, FastAPI and Falcon under Gunicorn, and scrubjay (document B)."""
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from statistics import median

import external
import measure
import plots
import report
import servers
from context import ALL_ROUNDS, Group, Step
from peers import SUBJECT
from report import Headline
from servers import CORES, Unusable
from workloads import EVAL_CLIENTS, EVAL_WORKERS

TITLE = "The log evaluator"
PROGRAMS = ("scrubjay",)
REQUESTS = (50, 300, 1000)  # a run: quick, full, long
TELLING = 2 * CORES + 1  # workers, with which all do best
LINES = 110  # of a request: some 10 ms of evaluation in Python, as in the document
COST_S = 0.012  # of a request, about
TOOLS = {"ab": "apache2-utils", "/usr/include/jansson.h": "libjansson-dev", "/usr/include/pcre2.h": "libpcre2-dev"}

# Milliseconds a request of FastAPI in the document, by workers, then clients.
DOCUMENT_CLIENTS = (2, 4, 5, 10, 20)
DOCUMENT = {
    14: (15.148, 8.589, 8.302, 7.056, 7.818),
    15: (16.082, 8.88, 8.16, 6.917, 7.104),
    16: (15.198, 8.792, 7.97, 7.059, 7.117),
    17: (15.141, 8.784, 8.101, 6.833, 6.978),
    18: (15.374, 9.224, 8.311, 7.259, 7.253),
    19: (15.376, 8.851, 7.99, 7.186, 7.279),
    20: (15.621, 9.935, 8.323, 7.83, 8.547),
}


@dataclass(frozen=True)
class Wrong:
    """A request that is answered with 400, and where its JSON ends or goes wrong: a range, for parsers differ."""
    body: bytes
    first: int
    last: int


MALFORMED = (
    Wrong(b"", 0, 0),
    Wrong(b'{"payload": ', 11, 12),
    Wrong(b'{"payload": nonsense}', 12, 20),
    Wrong(b'{"payload": "a", }', 15, 18),
    Wrong(b'{"payload": "a"} more', 16, 21),
)
OTHER_FORM = (b"[]", b"{}", b'{"payload": 1}', b'{"payload": ["a", 1]}')

AGENTS = ("Mozilla/5.0 (X11; Linux x86_64; rv:102.0) Gecko/20100101 Firefox/102.0", "curl/7.88.1",
          "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0.0.0 Safari/537.36",
          "python-requests/2.28.1", "Mozilla/5.0 (compatible; crawler/2.1; +http://crawler.example/about)", "-")
TARGETS = ("/", "/static/app.3f2b9c.js", "/images/logo.svg?v=7", "/articles/2022/11/a-day-at-the-lake.html",
           "/api/v2/orders/8c1f03aa-51de-4c07-9a55-0de3b1c2f4a7", "/search?q=blue+jay&page=3", "/wp-login.php",
           "/download?file=../../../../etc/passwd", "/item?id=1%27%20or%201=1", "/.git/config",
           "/login?next=https://example.org/&user=ann", "/report?from=2022-01-01&to=2022-12-31&format=csv")


def log_line(source):
    address = ".".join(str(source.randrange(1, 255)) for _ in range(4))
    hour, minute, second = (source.randrange(limit) for limit in (24, 60, 60))
    stamp = f"{source.randrange(1, 29):02}/Nov/2022:{hour:02}:{minute:02}:{second:02} +0000"
    status = source.choice((200, 200, 200, 200, 206, 301, 304, 403, 404, 500))
    size = 0 if status == 304 else source.randrange(200, 60_000)
    method = source.choice(("GET", "GET", "GET", "POST", "HEAD"))
    return (f'{address} - - [{stamp}] "{method} {source.choice(TARGETS)} HTTP/1.1" '
            f'{status} {size} "https://www.example.org/" "{source.choice(AGENTS)}"')


def make_payload():
    source = random.Random(2)
    return [log_line(source) for _ in range(LINES)]


def expected_of(payload, rules):
    """What the evaluator says of it, by the peers' own code, in a process of its own."""
    program = "import sys, evaluator; print(evaluator.answer(sys.stdin.buffer.read())[1])"
    said = subprocess.run([sys.executable, "-c", program],
                          input=json.dumps({"payload": payload}), capture_output=True, text=True, check=True,
                          env=dict(os.environ, BENCH_RULES=rules, PYTHONPATH=os.path.join(servers.HERE, "peers"),
                                   PYTHONDONTWRITEBYTECODE="1"))
    return json.loads(said.stdout)


def post(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/eval", body, {"Content-Type": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise Unusable(f"{body[:40]!r}: {error!r}") from error
    finally:
        connection.close()


def check(port, payload, expected):
    """Right answers to a list, to one line, and to what is not right."""
    one = [match for match in expected["matches"] if match["point"] == 0]
    status, said = post(port, json.dumps({"payload": payload}).encode())
    if status != 200 or said != expected:
        raise Unusable(f"status {status}, {str(said)[:100]}, not {str(expected)[:100]}")
    status, said = post(port, json.dumps({"payload": payload[0]}).encode())
    if status != 200 or said["matches"] != one or said["points"] != 1:
        raise Unusable(f"one line: status {status}, {str(said)[:100]}")
    for wrong in MALFORMED:
        status, said = post(port, wrong.body)
        if status != 400 or not wrong.first <= said.get("position", -1) <= wrong.last:
            raise Unusable(f"{wrong.body!r}: status {status}, {said}; position {wrong.first} to {wrong.last} is right")
    for body in OTHER_FORM:
        if post(port, body)[0] != 400:
            raise Unusable(f"{body!r}: status is not 400")


def check_rules(server, rules):
    """Rules that take for ever are given up on, and others are taken when the server is told to read again."""
    external.write(rules, b"5\t(a+)+$\n")
    server.processes[0].send_signal(signal.SIGHUP)
    body = json.dumps({"payload": ["a" * 60 + "b"] * LINES}).encode()
    deadline = time.monotonic() + 30
    while post(server.ports[None], body)[1].get("bounded") != LINES:
        if time.monotonic() > deadline:
            raise Unusable("rules that were read again are not followed, or are not bounded")
        time.sleep(0.1)


class Bench:
    def __init__(self, context):
        self.context, self.samples = context, {}
        self.requests = context.pick(*REQUESTS)
        self.clients, self.workers = (table[context.turns.mode] for table in (EVAL_CLIENTS, EVAL_WORKERS))
        self.root = os.path.join(context.work, "root")
        os.mkdir(self.root)
        self.rules = os.path.join(servers.HERE, "peers", "rules.tsv")
        self.payload = make_payload()
        self.body = os.path.join(context.work, "request.json")
        with open(self.body, "w", encoding="ascii") as file:
            json.dump({"payload": self.payload}, file)
        self.expected = expected_of(self.payload, self.rules)

    def start(self, row, count, rules):
        server = self.context.start(row, self.root, {"BENCH_RULES": rules}, count=count,
                                    modules=self.context.program("modules"))
        try:
            check(server.port, self.payload, self.expected)
        except BaseException:
            self.context.stop(server)
            raise
        return server

    def check_rules(self, row):
        rules = os.path.join(self.context.work, "rules.tsv")
        shutil.copy(self.rules, rules)
        server = self.start(row, 2, rules)
        try:
            check_rules(server, rules)
        finally:
            self.context.stop(server)

    def find(self):
        """The rows that take part: of those that are there, ours only if it reads its rules again."""
        usable = []
        for row in self.context.rows("eval"):
            try:
                servers.locate(row, self.context.settings.programs)
                if row.name == SUBJECT:
                    self.check_rules(row)
                usable.append(row)
            except Unusable as error:
                self.context.leave_out(row.name, error)
        return usable

    def run(self):
        self.context.need("ab", "apache2-utils")
        usable = self.find()
        requests_s = self.requests * COST_S * len(self.clients)
        yield from self.context.in_rounds([
            Group(f"{count} worker{'s' * (count > 1)}", [
                Step(f"{row.name}, {count} workers", 0.6 + 0.2 * count + requests_s / min(count, CORES),
                     partial(self.run_one, row, count), ALL_ROUNDS if count == TELLING else 1) for row in usable])
            for count in sorted(self.workers, key=lambda count: count != TELLING)])

    def run_one(self, row, count, number):
        if row.name in self.context.absent:
            return
        try:
            server = self.start(row, count, self.rules)
        except Unusable as error:
            self.context.leave_out(row.name, error)
            return
        try:
            measure.settle(server)
            for clients in self.clients:
                words = ("-n", self.requests, "-c", clients, "-p", self.body, "-T", "application/json")
                self.samples.setdefault((row.name, count, clients), {})[number] = measure.ab(
                    server, "/eval", words, self.context.work)
        finally:
            self.context.stop(server)


def run(context):
    bench = Bench(context)
    yield from bench.run()
    return bench


def cell(runs):
    failed = sum(sample.failed for sample in runs.values())
    text = report.spread([1000 / sample.rate for sample in runs.values()], "{:.3f}") if runs else ""
    return text + (f", {failed} failed" if failed else "")


def table(bench, name):
    names = [key for key in bench.samples if key[0] == name]
    if not names:
        return []
    lines = [f"### {name}", "",
             "| workers | " + " | ".join(map(str, bench.clients)) + " | peak memory MB | CPU ms/request |",
             "|--:|" + "--:|" * (len(bench.clients) + 2)]
    for count in bench.workers:
        runs = [bench.samples.get((name, count, clients), {}) for clients in bench.clients]
        done = [sample for one in runs for sample in one.values()]
        if done:
            cells = [str(count), *map(cell, runs), f"{max(s.memory_kb for s in done) / 1024:.1f}",
                     f"{median(s.cpu_ms for s in done):.2f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return lines + [""]


def document():
    lines = ["### The document's FastAPI", "", "| workers | " + " | ".join(map(str, DOCUMENT_CLIENTS)) + " |",
             "|--:|" + "--:|" * len(DOCUMENT_CLIENTS)]
    for count, row in DOCUMENT.items():
        lines.append(f"| {count} | " + " | ".join(f"{ms:.3f}" for ms in row) + " |")
    return lines + [""]


def ms_of(runs):
    return median(1000 / sample.rate for sample in runs.values())


def best(bench, name):
    """The runs of a server with the workers and clients of which a request takes the least time, of those with all rounds."""
    found = [runs for key, runs in bench.samples.items() if key[0] == name]
    most = max(map(len, found), default=0)
    return min((runs for runs in found if len(runs) == most), key=ms_of, default={})


def ratios(bench):
    found = {name: report.ratios({SUBJECT: best(bench, SUBJECT), name: best(bench, name)}, "rate", name)
             for name in dict.fromkeys(key[0] for key in bench.samples) if name != SUBJECT}
    return {f"least ms a request, {name}": each for name, each in found.items() if each}


def page(bench):
    lines = [f"{bench.requests} requests of {LINES} lines by ab, a connection a request.  Milliseconds a "
             "request (the time of the run, divided by the requests), by workers and by clients.", ""]
    for name in dict.fromkeys(key[0] for key in bench.samples):
        lines += table(bench, name)
    return lines + document()


def tables(bench):
    return {"eval": (("round", "server", "workers", "clients", "ms_per_request", "response_s", "peak_memory_kb",
                      "cpu_ms_per_request", "failed"),
                     [(number, *key, round(1000 / s.rate, 3), round(s.response_s, 6), s.memory_kb, round(s.cpu_ms, 3),
                       s.failed) for key, runs in bench.samples.items() for number, s in runs.items()])}


def draw(bench, folder):
    clients, series = max(bench.clients), {}
    for (name, count, at), runs in bench.samples.items():
        if at == clients:
            series.setdefault(name, {})[count] = report.bar([1000 / sample.rate for sample in runs.values()])
    plots.lines(os.path.join(folder, "eval.png"), f"POST /eval, {clients} clients", plots.Axis("workers", ticks=bench.workers),
                plots.Axis("ms a request"), series)
    return ["eval.png"]


def headlines(bench):
    found, by_peer = [], ratios(bench)
    for name, claim in (("fastapi", "FastAPI: 6.833 ms a request at best"), ("flask", "Flask, the same"),
                        ("falcon", "Falcon, the same")):
        each = by_peer.get(f"least ms a request, {name}")
        if each:
            ours, theirs = (ms_of(best(bench, one)) for one in (SUBJECT, name))
            found.append(Headline("B", claim, f"{ours:.3f} ms at best; {name} {theirs:.3f}", report.spread(each)))
    return found
