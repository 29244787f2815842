# SPDX-License-Identifier: MIT
"""The long proofs about deploys: nothing mixed, nothing lost, nothing corrupt."""
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import zlib

from server import Server, Tree, run_program, temporary
from strain import CODINGS, COMPRESS, fork, load, report, spread, version_of
from wire import Client, fetch, request

ACCEPTED = (None, "gzip", "br", "zstd")
VERSIONS = 8  # of the site; deploy k is version k % 8, so that a name that is gone comes back much later
BATCH = 40


def kinds():
    return [kind for kind in COMPRESS if kind == "gz" or shutil.which({"br": "brotli", "zst": "zstd"}[kind])]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def fingerprint(chance):
    """As Django writes it; without a figure and a letter it could be a word or a date."""
    return "5a%010x" % chance.getrandbits(40)


def ask(path, words):
    """(is it "ok", the rest) of what the control socket answers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(path)
        client.sendall(words.encode() + b"\n")
        with client.makefile() as answer:
            result, _, text = answer.read().partition("\n")
    return result == "ok", text


# --- deploys ----------------------------------------------------------------------------------

class Site:
    """Versions of a site: assets whose names all differ from version to version, pages whose names
    stay.  `known` has every answer: (target, coding) to sha256 to (version, coding that is sent)."""

    def __init__(self):
        self.tree, self.known, self.assets = Tree(), {}, []
        for version in range(VERSIONS):
            chance, names = random.Random(version), []
            for i in range(40):
                names.append("assets/app%d.%s.js" % (i, fingerprint(chance)))
                self.add(version, names[-1], version_of(names[-1], version, chance.choice((700, 5000, 50000))), kinds())
            names.append("assets/large.%s.bin" % fingerprint(chance))  # by sendfile
            self.add(version, names[-1], chance.randbytes((1 << 20) + 12345), ())
            self.assets.append(["/" + name for name in names])
            for i in range(20):
                self.add(version, "page%d.html" % i, version_of("page%d.html" % i, version, 900 + 777 * i), kinds())
        self.pages = ["/page%d.html" % i for i in range(20)]

    def add(self, version, name, data, codings):
        path = self.tree.write("versions/%d/%s" % (version, name), data)
        sent = dict.fromkeys(ACCEPTED, (None, data))
        for kind in codings:
            sent[CODINGS[kind]] = (CODINGS[kind], COMPRESS[kind](path))
            self.tree.write("versions/%d/%s.%s" % (version, name, kind), sent[CODINGS[kind]][1])
        for accepted, (coding, octets) in sent.items():
            self.known.setdefault(("/" + name, accepted), {})[digest(octets)] = (version, coding)

    def deploy(self, number):
        """A folder of its own, and an exchange of the link to it."""
        shutil.copytree(self.tree.path("versions/%d" % (number % VERSIONS)), self.tree.path("deploy%d" % number))
        os.symlink("deploy%d" % number, self.tree.path("next"))
        os.rename(self.tree.path("next"), self.tree.path("current"))

    def version_in(self, target, accepted, r):
        """The version that the answer is from, header and octets; None: from none, or mixed."""
        version, coding = self.known[target, accepted].get(digest(r.body), (None, None))
        return version if version is not None and r.get("content-encoding") == coding else None


class Window:
    """Which deploys a client may see: `low` is published for sure, `high` may be."""

    def __init__(self):
        self.low, self.high, self.requests = fork.Value("i", 0), fork.Value("i", 0), fork.Value("q", 0)


def judge(site, target, accepted, r, low, high):
    """What is wrong with the answer, where deploys from low to high may have been current; or None."""
    asset = next((v for v, names in enumerate(site.assets) if target in names), None)
    if r.status == 404 and asset is not None:
        if asset in [k % VERSIONS for k in range(high - 1, low + 1)]:
            return "one of the last two deploys' assets is not found"
        return None if r.get("cache-control") == "no-store" else "404 without no-store"
    if r.status != 200 or r.closes:
        return "an unexpected answer"
    version = site.version_in(target, accepted, r)
    if version is None:
        return "mixed, or octets of no version"
    first = low if asset is None else max(0, low - 1)
    return None if version in [k % VERSIONS for k in range(first, high + 1)] else "of deploy %d, which is over" % version


def choose(site, chance, low):
    if chance.random() < 0.4:
        return chance.choice(site.pages)
    names = site.assets[chance.choice((low, max(0, low - 1), chance.randrange(VERSIONS))) % VERSIONS]
    return names[-1] if chance.random() < 0.002 else chance.choice(names[:-1])


def exchange_on(site, control, window, options, faults, took):
    """Deploys, each when its share of the requests is done; the folder of the one before goes away half way to the next."""
    share = options.requests / (options.exchanges + 1)

    def wait_for(count):
        while window.requests.value < count and not faults:
            time.sleep(0.002)
    for i in range(1, options.exchanges + 1):
        number = window.low.value + 1
        wait_for((i - 0.5) * share)
        shutil.rmtree(site.tree.path("deploy%d" % (number - 2)), ignore_errors=True)
        wait_for(i * share)
        begin = time.monotonic()
        window.high.value = number
        site.deploy(number)
        is_ok, text = ask(control, "reload")
        if not is_ok:
            faults.append("reload: " + text)
            return
        window.low.value = number
        took.append(time.monotonic() - begin)


def check_all(site, address, low):
    """Every URL of every version in every coding, while nothing is exchanged: faults and counts by status."""
    faults, counts = [], {200: 0, 404: 0}
    with Client(address, timeout=30) as client:
        for target, accepted in site.known:
            r = client.get(target, {"Accept-Encoding": accepted} if accepted else ())
            fault = judge(site, target, accepted, r, low, low)
            if fault:
                faults.append("%s (%s), three deploys: %s: %r" % (target, accepted, fault, r))
            counts[r.status] = counts.get(r.status, 0) + 1
    return faults, counts


def ask_on(site, address, window, options):
    def work(seed, faults):
        chance, tags, found = random.Random(seed), {}, 0
        with Client(address, timeout=60) as client:
            for _ in range(-(-options.requests // (options.connections * BATCH))):
                low = window.low.value
                asked = [(choose(site, chance, low), chance.choice(ACCEPTED)) for _ in range(BATCH)]
                client.send(b"".join(request(target, {"Accept-Encoding": accepted} if accepted else ()) for target, accepted in asked))
                answers = [client.read() for _ in asked]
                high = window.high.value
                for (target, accepted), r in zip(asked, answers):
                    fault = judge(site, target, accepted, r, low, high)
                    if not fault and r.status == 200 and tags.setdefault((target, r.get("etag")), digest(r.body)) != digest(r.body):
                        fault = "one ETag, two contents"
                    if fault:
                        faults.append("%s (%s) in deploys %d to %d: %s: %r" % (target, accepted, low, high, fault, r))
                    found += r.status == 200
                with window.requests.get_lock():
                    window.requests.value += len(asked)
        return found
    return spread(work, list(range(options.connections)), options.connections)


def deploys(options):
    site, window, control = Site(), Window(), temporary(".sock")
    site.deploy(0)
    with Server("--no-watch", "--control", control, roots=[site.tree.path("current")]) as server:
        for window.low.value in (1, 2):
            site.deploy(window.low.value)
            ask(control, "reload")
        window.high.value = 2
        faults, counts = check_all(site, server.address, 2)
        took = []
        exchanges = threading.Thread(target=exchange_on, args=(site, control, window, options, faults, took))
        exchanges.start()
        more, found = ask_on(site, server.address, window, options)
        requests, window.requests.value = window.requests.value, options.requests  # no exchange waits for a client that has failed
        exchanges.join()
        faults += more
    for fault in faults[:10]:
        print(fault[:1000])
    return report("deploys", not faults and len(took) == options.exchanges and counts[404] > 0, after_three_deploys=counts, requests=requests, found=found,
                  exchanges=len(took), exchange_ms_median=round(sorted(took)[len(took) // 2] * 1000, 1) if took else None, known=sum(map(len, site.known.values())), faults=len(faults))


# --- rollback -------------------------------------------------------------------------------

def rollback(options):
    names = ["d%d/f%d.txt" % (i % 500, i) for i in range(options.files)]
    site, control = Tree({name: version_of(name, 0, 300) for name in names}), temporary(".sock")
    changing = names[::10]
    asked = ["/" + name for name in random.Random(1).sample(names, min(200, len(names))) + changing[:100]]
    faults, took = [], []
    with Server("--no-watch", "--control", control, roots=[site], start_s=120) as server:
        result = []
        loader = threading.Thread(target=lambda: result.extend(load(server.address, asked, options.seconds, options.connections)))
        loader.start()
        began, pace = time.monotonic(), options.seconds / (options.rollbacks + 1)
        for i in range(1, options.rollbacks + 1):
            before = fetch(server.address, "/" + changing[0]).body
            for name in changing:
                site.replace(name, version_of(name, i, 300))
            for words, expected in (("reload", version_of(changing[0], i, 300)), ("rollback", before)):
                begin = time.monotonic()
                is_ok, text = ask(control, words)
                spent = time.monotonic() - begin
                if not is_ok or fetch(server.address, "/" + changing[0]).body != expected:
                    faults.append("%s %d: %s" % (words, i, text))
            took.append(spent)
            time.sleep(max(0, began + i * pace - time.monotonic()))
        loader.join()
        more, count, tags = result
        faults += more
    for fault in faults[:10]:
        print(fault[:1000])
    milliseconds = sorted(round(seconds * 1000, 2) for seconds in took)
    median = milliseconds[len(took) // 2]
    return report("rollback", not faults and median < 10, files=options.files, rollbacks=len(took), ms={"least": milliseconds[0], "median": median, "most": milliseconds[-1]},
                  requests=count, etags=tags, faults=len(faults))


# --- kills ----------------------------------------------------------------------------------

def expand(coding, data, expanded):
    """The content; `expanded` remembers by digest, as each takes a process."""
    key = digest(data)
    if key not in expanded:
        if coding == "gzip":
            expanded[key] = zlib.decompress(data, 31)
        else:
            tool = {"br": ["brotli", "-d", "-c"], "zstd": ["zstd", "-d", "-q", "-c"]}[coding]
            expanded[key] = subprocess.run(tool, input=data, capture_output=True, check=True).stdout
    return expanded[key]


class Texts:
    """Files of words, as they pack well, and slowly at the best level; each knows its contents, the newest first."""

    def __init__(self, count):
        self.tree, self.chance, self.known = Tree(), random.Random(1), {}
        self.words = ["".join(self.chance.choices("etaoinshrdlu", k=self.chance.randrange(2, 9))) for _ in range(3000)]
        for i in range(count):
            self.write("d%d/f%d.txt" % (i % 7, i))

    def write(self, name):
        data = (name + " " + " ".join(self.chance.choices(self.words, k=self.chance.randrange(200, 12000)))).encode()
        self.known[name] = [data] + self.known.get(name, [])
        os.makedirs(os.path.dirname(self.tree.path(name)), exist_ok=True)
        self.tree.replace(name, data)

    def change(self):
        for name in self.known:
            if self.chance.random() < 0.3:
                self.write(name)


def check_texts(server, texts, expanded, is_new, faults, counts):
    """Each file in each coding; `is_new`: the server has just read the tree; else it
    may be behind, but what it sends was a content once."""
    tools = {CODINGS[kind] for kind in kinds()}
    with Client(server.address, timeout=30) as client:
        for name, contents in texts.known.items():
            for accepted in ACCEPTED:
                r = client.get("/" + name, {"Accept-Encoding": accepted} if accepted else ())
                coding = r.get("content-encoding")
                counts[coding or "identity"] = counts.get(coding or "identity", 0) + 1
                if coding and coding not in tools:
                    continue
                try:
                    body = expand(coding, r.body, expanded) if coding else r.body
                except (zlib.error, subprocess.CalledProcessError) as error:
                    faults.append("%s (%s): corrupt: %s" % (name, coding, error))
                    continue
                if r.status != 200 or body not in (contents[:1] if is_new else contents):
                    faults.append("%s (%s): %r is not its content" % (name, coding, r))


def kills(options):
    if "--cache-dir" not in run_program("serve", "--help")[1]:
        return report("kills", False, reason="this program has no --cache-dir")
    texts, cache, chance = Texts(options.files), temporary("-cache"), random.Random(2)
    expanded, faults, counts, starts = {}, [], {}, []

    def start():
        begin = time.monotonic()
        server = Server("--cache-dir", cache, roots=[texts.tree])
        starts.append(time.monotonic() - begin)
        check_texts(server, texts, expanded, True, faults, counts)
        return server
    running = [start(), start()]
    for _ in range(options.kills):
        texts.change()
        time.sleep(chance.random() * 1.2)
        victims = [0, 1] if chance.random() < 0.2 else [chance.randrange(2)]
        for i in victims:
            running[i].kill(signal.SIGKILL)
        for i in victims:
            running[i].wait()
        for i in {0, 1} - set(victims):
            check_texts(running[i], texts, expanded, False, faults, counts)
        for i in victims:
            running[i] = start()
    for server in running:
        server.stop()
    start().stop()
    for fault in faults[:10]:
        print(fault[:1000])
    encoded = sum(count for coding, count in counts.items() if coding != "identity")
    return report("kills", not faults and encoded > 0, kills=options.kills, answers=dict(sorted(counts.items())), starts=len(starts), start_s_most=round(max(starts), 2), distinct_variants=len(expanded), faults=len(faults))
