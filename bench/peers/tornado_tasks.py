# SPDX-License-Identifier: MIT
"""Long tasks inside an HTTP server, on Tornado, in four ways: tornado_tasks.py PORT MODE.

MODE 1 is one connection at a time (http.server, whose queue is five connections long), 2 runs the
task on the loop, 3 on threads, 4 on processes.  GET /TASK, and in 2 to 4 files below BENCH_ROOT.
"""
import asyncio
import os
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

import pycares
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.platform.caresresolver import CaresResolver
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

SETTINGS = os.environ
SLEEP_MS = int(SETTINGS.get("BENCH_SLEEP_MS", "280"))
SLEEP_PARTS = int(SETTINGS.get("BENCH_SLEEP_PARTS", "10"))
ATTEMPTS = int(SETTINGS.get("BENCH_ATTEMPTS", "20"))
TIMEOUT_S = 60
FETCHES_AT_ONCE = 1000  # Tornado's default is 10, and decides the rates of the document


def trust():
    return ssl.create_default_context(cafile=SETTINGS.get("BENCH_CA"))


# --- what the tasks consist of

def fetch(url, context=trust()):
    for _ in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S, context=context) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 500:
                raise
    raise OSError("too many attempts")


class Resolver(CaresResolver):
    """Asks the bench's name server."""

    def initialize(self):
        super().initialize()
        address, _, port = SETTINGS["BENCH_DNS"].rpartition(":")
        self.channel = pycares.Channel(sock_state_cb=self._sock_state_cb, servers=[address], udp_port=int(port))


class Client:
    """On the loop: of its own for names, so that only they wait for the name server."""

    def __init__(self, **more):
        self.client = AsyncHTTPClient(force_instance=True, max_clients=FETCHES_AT_ONCE, **more)
        self.context = trust()

    async def fetch(self, url):
        request = HTTPRequest(url, ssl_options=self.context, allow_ipv6=False, connect_timeout=TIMEOUT_S,
                              request_timeout=TIMEOUT_S)
        for _ in range(ATTEMPTS):
            try:
                return (await self.client.fetch(request)).body
            except HTTPClientError as error:
                if error.code != 500:
                    raise
        raise OSError("too many attempts")


def summary(records):
    """How many there are, and the sum of the amounts by kind."""
    count, sums = 0, {}
    for record in ElementTree.fromstring(records).iter("record"):
        count += 1
        kind = record.get("kind")
        sums[kind] = sums.get(kind, 0) + int(record.findtext("amount"))
    return "".join([f"records {count}\n"] + [f"{kind} {total}\n" for kind, total in sorted(sums.items())]).encode()


def slept(ms):
    return f"slept {ms} ms\n".encode()


def read():
    with open(SETTINGS["BENCH_FILE"], "rb") as file:
        return file.read()


def write(content):
    with tempfile.TemporaryFile(dir=SETTINGS["BENCH_TEMPORARY"]) as file:
        file.write(content)


# --- tasks that block

def sleep_sync(query):
    ms = query.get("ms", SLEEP_MS)
    time.sleep(ms / 1000)
    return slept(ms)


def cpu(query):
    us = query.get("us", 800)
    end = time.thread_time_ns() + us * 1000
    while time.thread_time_ns() < end:
        pass
    return f"burned {us} us\n".encode()


def file_sync(_query):
    content = read()
    write(content)
    return content


def fetch_task(name, then=bytes):
    return lambda _query: then(fetch(SETTINGS[name]))


BLOCKING = {
    "sleep_sync": sleep_sync,
    "cpu": cpu,
    "file_sync": file_sync,
    "network_sync_local": fetch_task("BENCH_LOCAL_URL"),
    "network_sync_external": fetch_task("BENCH_EXTERNAL_URL"),
    "network_https_sync": fetch_task("BENCH_HTTPS_URL"),
    "network_https_cpu_bound_sync": fetch_task("BENCH_HTTPS_XML_URL", summary),
}


def run(name, query):
    return BLOCKING[name](query)


# --- tasks that give the loop back while they wait

async def sleep_async(query):
    ms = query.get("ms", SLEEP_MS)
    await asyncio.sleep(ms / 1000)
    return slept(ms)


async def sleep_async_split(query):
    ms = query.get("ms", SLEEP_MS)
    for _ in range(SLEEP_PARTS):
        await asyncio.sleep(ms / 1000 / SLEEP_PARTS)
    return slept(ms)


async def file_async(_query):
    content = await asyncio.to_thread(read)
    await asyncio.to_thread(write, content)
    return content


def make_async_tasks():
    direct, named = Client(), Client(resolver=Resolver())

    def fetches(client, name, then=bytes):
        async def task(_query):
            return then(await client.fetch(SETTINGS[name]))
        return task

    return {
        "sleep_async": sleep_async,
        "sleep_async_split": sleep_async_split,
        "file_async": file_async,
        "network_async_local": fetches(direct, "BENCH_LOCAL_URL"),
        "network_async_external": fetches(direct, "BENCH_EXTERNAL_URL"),
        "network_async_external_retry": fetches(direct, "BENCH_EXTERNAL_RETRY_URL"),
        "network_async_dns_external": fetches(named, "BENCH_EXTERNAL_DNS_URL"),
        "network_async_dns_external_retry": fetches(named, "BENCH_EXTERNAL_DNS_RETRY_URL"),
        "network_https_async": fetches(direct, "BENCH_HTTPS_URL"),
        "network_https_async_retry": fetches(direct, "BENCH_HTTPS_RETRY_URL"),
        "network_https_dns_async": fetches(named, "BENCH_HTTPS_DNS_URL"),
        "network_https_dns_async_retry": fetches(named, "BENCH_HTTPS_DNS_RETRY_URL"),
        "network_https_cpu_bound_async": fetches(direct, "BENCH_HTTPS_XML_URL", summary),
    }


# --- servers

def numbers(query):
    return {name: int(value) for name, value in parse_qsl(query)}


class OneAtATime(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        url = urlsplit(self.path)
        if url.path[1:] not in BLOCKING:
            self.send_error(404)
            return
        body = run(url.path[1:], numbers(url.query))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class Task(RequestHandler):
    def initialize(self, pool, tasks):
        self.pool, self.tasks = pool, tasks

    async def get(self, name):
        query = numbers(self.request.query)
        if name in self.tasks:
            body = await self.tasks[name](query)
        elif name not in BLOCKING:
            raise HTTPError(404)
        elif self.pool:
            body = await asyncio.get_running_loop().run_in_executor(self.pool, run, name, query)
        else:
            body = run(name, query)
        self.set_header("Content-Type", "text/plain")
        self.finish(body)


async def serve(port, pool):
    tasks = {} if pool else make_async_tasks()
    names = "|".join([*BLOCKING, *tasks])
    Application([(f"/({names})", Task, {"pool": pool, "tasks": tasks}),
                 ("/(.*)", StaticFileHandler, {"path": SETTINGS.get("BENCH_ROOT", ".")})],
                log_function=lambda handler: None).listen(port, "127.0.0.1", backlog=1024)
    await asyncio.Event().wait()


def main():
    port, mode = int(sys.argv[1]), sys.argv[2]
    size = int(SETTINGS.get("BENCH_POOL", "4"))
    if mode == "1":
        HTTPServer(("127.0.0.1", port), OneAtATime).serve_forever()
    pool = {"2": lambda _: None, "3": ThreadPoolExecutor, "4": ProcessPoolExecutor}[mode](size)
    asyncio.run(serve(port, pool))


if __name__ == "__main__":
    main()
