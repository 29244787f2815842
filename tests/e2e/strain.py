# SPDX-License-Identifier: MIT
"""What the long proofs have in common: clients in many processes, memory, the last line."""
import gzip
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time

from wire import Client

fork = multiprocessing.get_context("fork")
COMPRESS = {"gz": lambda path: gzip.compress(open(path, "rb").read(), 6, mtime=0),
            "br": lambda path: subprocess.run(["brotli", "-q", "5", "-c", path], capture_output=True, check=True).stdout,
            "zst": lambda path: subprocess.run(["zstd", "-q", "-3", "-c", path], capture_output=True, check=True).stdout}
CODINGS = {"gz": "gzip", "br": "br", "zst": "zstd"}


def spread(work, shares, threads):
    """Runs work(share, faults) over processes, each with its part of the threads; the faults
    and the sum of what the calls returned."""
    processes = min(os.cpu_count() or 1, 4, len(shares))
    news = fork.Queue()

    def process(mine):
        faults, counts = [], []

        def thread(share):
            try:
                counts.append(work(share, faults) or 0)
            except Exception as error:
                faults.append("%s: %s" % (type(error).__name__, error))
        running = [threading.Thread(target=thread, args=(share,)) for share in mine]
        for one in running:
            one.start()
        for one in running:
            one.join()
        news.put((faults, sum(counts)))
    started = [fork.Process(target=process, args=(shares[i::processes],)) for i in range(processes)]
    assert len(shares) <= threads
    for one in started:
        one.start()
    results = [news.get() for _ in started]
    for one in started:
        one.join()
    return [fault for faults, _ in results for fault in faults], sum(count for _, count in results)


def memory_kib(pid, field="VmRSS"):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field + ":"))


def settled_kib(pid):
    """The smallest of some readings: what the server still holds when it has come to rest."""
    readings = []
    for _ in range(10):
        time.sleep(0.3)
        readings.append(memory_kib(pid))
    return min(readings)


def report(name, holds, **figures):
    print("%s: %s %s" % (name, "holds" if holds else "FAILS", json.dumps(figures)), flush=True)
    return 0 if holds else 1


# --- load ---------------------------------------------------------------------------------

def version_of(name, version, size):
    head = b"/%s version %d\n" % (name.encode(), version)
    return (head * (size // len(head) + 1))[:size]


def load(address, targets, seconds, connections):
    """Keep-alive clients for a while; each connection's faults, ETags and their contents."""
    folder = tempfile.mkdtemp(prefix="scrubjay-e2e-")

    def read(seed, faults):
        chance, tags, count = random.Random(seed), {}, 0
        end = time.monotonic() + seconds
        with Client(address, timeout=30) as client:
            while time.monotonic() < end:
                for target in chance.choices(targets, k=20):
                    r = client.get(target)
                    digest = hashlib.sha1(r.body).hexdigest()
                    if r.status != 200 or r.closes:
                        faults.append("%s: %r" % (target, r))
                    if not r.body.startswith(target.encode() + b" "):
                        faults.append("%s: octets of another file" % target)
                    if r.has("etag") and tags.setdefault(target + r.get("etag"), digest) != digest:
                        faults.append("%s: one ETag, two contents" % target)
                    count += 1
                time.sleep(0.03)
        with open(os.path.join(folder, str(seed)), "w") as file:
            json.dump(tags, file)
        return count
    faults, count = spread(read, list(range(connections)), connections)
    together = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as file:
            for tag, digest in json.load(file).items():
                if together.setdefault(tag, digest) != digest:
                    faults.append("%s: one ETag, two contents on two connections" % tag)
    shutil.rmtree(folder)
    return faults, count, len(together)
