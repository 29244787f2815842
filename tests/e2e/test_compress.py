# SPDX-License-Identifier: MIT
"""scrubjay compress: the sidecars of a tree."""
import gzip
import os
import pty
import random
import signal
import subprocess
import time

import server
from case import Skip, equal, test, true
from server import Server, Tree, run_program
from wire import fetch

NOBODY = 65534
ENDINGS = (".gz", ".br", ".zst")
CODINGS = {".gz": "gzip", ".br": "br", ".zst": "zstd"}
WORDS = ["".join(random.Random(i).choices("abcdefghijklmnopqrstuvwxyz", k=2 + i % 8)) for i in range(500)]


def words(size, seed):
    text = " ".join(random.Random(seed).choices(WORDS, k=size // 4))
    return text.encode()[:size]


def names(tree):
    return sorted(os.path.relpath(os.path.join(at, name), tree.root) for at, _, files in os.walk(tree.root) for name in files)


def site():
    """Whose sidecars are not racy."""
    tree = Tree({"a.css": words(20000, 1), "dir/index.html": words(5000, 2), "tiny.txt": b"x", "photo.png": words(9000, 3),
                 "noise.dat": random.Random(4).randbytes(100_000)})
    time.sleep(0.05)
    return tree


def compress(tree, *options):
    """What it says of each coding: {name: {"written": n, ...}}."""
    status, out, errors = run_program("compress", *options, tree.root)
    equal((status, errors), (0, ""), out)
    return counts(out)


def counts(out):
    rows = {}
    for line in out.splitlines()[1:]:
        name, rest = line.split(None, 1)
        rows[name] = {what: int(n) for n, what in (part.strip().split(" ", 1) for part in rest.replace(";", ",").split(","))}
    return rows


def faults_of_plan(tree):
    """The server's own word on the sidecars: it expands them all."""
    return [line for line in run_program("plan", tree.root)[1].splitlines() if "decompress" in line or "older" in line]


def assert_whole(tree):
    """No temporary files, and no sidecar that is not the whole of its file."""
    left = [name for name in names(tree) if os.path.basename(name).startswith(".")]
    equal(left, [])
    equal(faults_of_plan(tree), [])


@test
def the_server_serves_what_was_compressed():
    tree = site()
    compress(tree)
    equal([name for name in names(tree) if name.endswith(ENDINGS)], sorted(name + ending for name in ("a.css", "dir/index.html") for ending in ENDINGS))
    equal(faults_of_plan(tree), [])
    with Server(roots=[tree]) as running:
        equal(running.faults, 0)
        for ending, coding in CODINGS.items():
            with open(tree.path("a.css" + ending), "rb") as file:
                data = file.read()
            r = fetch(running.address, "/a.css", {"Accept-Encoding": coding})
            equal((r.get("content-encoding"), r.body), (coding, data))
    with open(tree.path("a.css.gz"), "rb") as file:
        equal(gzip.decompress(file.read()), words(20000, 1))


@test
def a_second_run_writes_nothing_and_looks_into_no_sidecar():
    tree = site()
    first = compress(tree)
    before = {name: os.stat(tree.path(name)) for name in names(tree)}
    folder = os.stat(tree.root)
    os.truncate(tree.path("a.css.br"), 10)  # it would notice, if it looked
    os.utime(tree.path("a.css.br"), ns=(0, before["a.css.br"].st_mtime_ns))
    second = compress(tree)
    for name in CODINGS.values():
        equal((first[name]["written"], first[name]["do not pay"]), (2, 2), name)
        equal((second[name]["written"], second[name]["kept"], second[name]["removed"]), (0, 2, 0), name)
    equal(os.stat(tree.path("a.css.br")).st_size, 10)
    equal(os.stat(tree.root).st_mtime_ns, folder.st_mtime_ns)
    for name, status in before.items():
        equal((os.stat(tree.path(name)).st_ino, os.stat(tree.path(name)).st_mtime_ns), (status.st_ino, status.st_mtime_ns), name)


@test
def one_touched_file_alone_is_compressed_again():
    tree = site()
    compress(tree)
    tree.write("a.css", words(20000, 9), server.OLD + 100)
    rows = compress(tree)
    for name in CODINGS.values():
        equal((rows[name]["written"], rows[name]["kept"]), (1, 1), name)
    assert_whole(tree)


@test
def a_new_time_alone_compresses_nothing():
    tree = site()
    compress(tree)
    os.utime(tree.path("a.css"))
    rows = compress(tree)
    for name in CODINGS.values():
        equal((rows[name]["written"], rows[name]["kept"]), (0, 2), name)
    equal(os.stat(tree.path("a.css.br")).st_mtime_ns, os.stat(tree.path("a.css")).st_mtime_ns)
    assert_whole(tree)


@test
def stale_sidecars_of_what_no_longer_pays_are_removed():
    tree = site()
    compress(tree)
    tree.write("a.css", b"x", server.OLD + 100)
    rows = compress(tree)
    for name in CODINGS.values():
        equal((rows[name]["written"], rows[name]["removed"]), (0, 1), name)
    true(not any(name.startswith("a.css.") for name in names(tree)), names(tree))


@test
def codings_can_be_left_out():
    tree = site()
    equal(set(compress(tree, "--no-br", "--no-zstd")), {"gzip"})
    equal([name for name in names(tree) if name.endswith(ENDINGS)], ["a.css.gz", "dir/index.html.gz"])


def as_ordinary_user(tree):
    """Words before the command that make it somebody to whom permissions apply, and who owns the tree."""
    if os.geteuid() != 0:
        return []
    for at, _, files in os.walk(tree.root):
        for path in [at, *(os.path.join(at, name) for name in files)]:
            os.chown(path, NOBODY, NOBODY)
    return ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"]


def run_as_ordinary_user(tree):
    done = subprocess.run([*as_ordinary_user(tree), server.PROGRAM, "compress", tree.root], capture_output=True, timeout=server.START_S)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@test
def an_unreadable_file_is_named_and_the_rest_goes_on():
    tree = site()
    tree.write("locked.txt", words(5000, 5))
    os.chmod(tree.path("locked.txt"), 0)
    status, out, errors = run_as_ordinary_user(tree)
    equal((status, errors), (1, "scrubjay: %s: Permission denied\n" % tree.path("locked.txt")))
    equal(counts(out)["br"]["written"], 2)


@test
def in_a_read_only_directory_files_are_named_and_others_go_on():
    tree = site()
    os.chmod(tree.path("dir"), 0o555)
    status, out, errors = run_as_ordinary_user(tree)
    equal((status, errors), (1, "scrubjay: %s: Permission denied\n" % tree.path("dir/index.html")))
    equal(counts(out)["br"]["written"], 1)
    assert_whole(tree)


@test
def names_are_escaped_in_messages():
    tree = Tree()
    tree.link("bad\nname", "nowhere")
    status, _, errors = run_program("compress", tree.root)
    equal((status, len(errors.splitlines())), (1, 1), errors)
    true("bad\\x0aname" in errors.lower(), errors)


def start_large(**options):
    """A run that takes seconds, once it has written something."""
    tree = Tree({"f%d.txt" % i: words(300_000, i) for i in range(30)})
    process = subprocess.Popen([server.PROGRAM, "compress", "--workers", "2", tree.root], stdin=subprocess.DEVNULL, **options)
    end = time.monotonic() + server.START_S
    while not any(name.endswith(ENDINGS) for name in names(tree)):
        true(time.monotonic() < end and process.poll() is None, "it has begun to write")
        time.sleep(0.005)
    return tree, process


@test
def interrupted_it_leaves_only_whole_sidecars():
    for number in (signal.SIGINT, signal.SIGTERM):
        tree, process = start_large(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(random.random() / 4)
        process.send_signal(number)
        out, errors = process.communicate(timeout=server.START_S)
        equal((process.returncode, errors), (1, b"scrubjay: interrupted; run it again for the rest\n"))
        true(counts(out.decode())["gzip"]["written"] < 30, out)
        assert_whole(tree)


@test
def killed_it_leaves_only_whole_sidecars():
    for _ in range(3):
        tree, process = start_large(stdout=subprocess.DEVNULL)
        time.sleep(random.random() / 4)
        process.kill()
        process.wait(server.START_S)
        equal(faults_of_plan(tree), [])
        true(len(names(tree)) < 120, "it was not done")


@test
def what_an_interrupted_run_has_made_is_not_made_again():
    tree, process = start_large(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=server.START_S)
    first = counts(out.decode())["gzip"]["written"]
    true(first > 0, out)
    equal(compress(tree, "--no-br", "--no-zstd")["gzip"]["kept"], first)
    assert_whole(tree)


@test
def progress_is_shown_on_a_terminal():
    try:
        master, terminal = pty.openpty()
    except OSError as error:
        raise Skip(str(error)) from error  # a chroot without /dev/pts
    _, process = start_large(stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    text = b""
    while b" left" not in text:
        text += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=server.START_S)
    os.close(master)
    true(b" of 30 files, " in text and b" of 9.0 MB, " in text and b" MB/s, " in text, text)


@test
def a_running_server_takes_up_what_was_compressed():
    tree = site()
    with Server(roots=[tree]) as running:
        equal(fetch(running.address, "/a.css", {"Accept-Encoding": "br"}).get("content-encoding"), None)
        compress(tree)
        running.reload()
        equal(fetch(running.address, "/a.css", {"Accept-Encoding": "br"}).get("content-encoding"), "br")
        true(not any("fault" in line and " 0 faults" not in line for line in running.lines[1:]), running.lines)
