# SPDX-License-Identifier: MIT
"""What the watch makes of atomic switches, of tools that write many files, and of editors."""
import os
import shutil
import signal
import subprocess
import threading
import time

from case import Skip, equal, test, true
from server import RELOAD_LINE, Server, Tree
from wire import Client, fetch

NAMES = ["/page-%d.txt" % i for i in range(20)]
LARGE = "/large.bin"


def unit(release, name):
    return b"release %06d of %s\n" % (release, name.encode())


def release(tree, number):
    """A folder with all files of that release, each of which says so all over."""
    for name in NAMES:
        tree.write("r%d%s" % (number, name), unit(number, name) * 50)
    tree.write("r%d%s" % (number, LARGE), unit(number, LARGE) * 50_000)
    return tree.path("r%d" % number)


class Readers:
    """Keep-alive clients: every body is of one release, and none is of an older one than the body
    before it on the same connection."""

    def __init__(self, address, n):
        self.over, self.faults, self.count = threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.read, args=(address, i)) for i in range(n)]
        for thread in self.threads:
            thread.start()

    def read(self, address, seed):
        targets = (NAMES[seed::2] + [LARGE]) * 2
        last, tags = 0, {}
        try:
            with Client(address, timeout=30) as client:
                while not self.over.is_set():
                    for target in targets:
                        r = client.get(target)
                        equal((r.status, r.closes), (200, False), target)
                        number = int(r.body[8:14])
                        true(r.body == unit(number, target) * (len(r.body) // len(unit(0, target))), "one release in one body: %s" % target)
                        equal(tags.setdefault(r.get("etag"), (target, number)), (target, number), "one ETag, one release")
                        true(number >= last, "%s of release %d after one of release %d" % (target, number, last))
                        last = number
                        self.count += 1
        except (AssertionError, OSError) as error:
            self.faults.append(repr(error))

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        equal(self.faults, [])
        true(self.count > 0, "there were requests")


def generations(server):
    return [int(found[1]) for found in map(RELOAD_LINE.search, server.lines) if found]


@test
def each_switch_of_the_roots_link_is_one_deploy_and_no_response_mixes_two():
    tree, n = Tree(), 8
    os.symlink(release(tree, 0), tree.path("current"))
    with Server(roots=[tree.path("current")]) as server:
        readers = Readers(server.address, 4)
        try:
            for number in range(1, n + 1):
                folder, start = release(tree, number), len(server.lines)
                os.symlink(folder, tree.path("next"))
                os.rename(tree.path("next"), tree.path("current"))
                equal(server.wait_generation(start, 60), (number + 1, 0, len(NAMES) + 1, 0, 0, 0))
                equal(fetch(server.address, NAMES[0]).body[:14], unit(number, "")[:14])
        finally:
            readers.finish()
        time.sleep(0.5)
        equal(generations(server), list(range(2, n + 2)))


class Held:
    """The server stands still meanwhile, so that all events wait when it goes on, however long it
    takes: what becomes of them does not depend on the machine's speed."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.server.kill(signal.SIGSTOP)
        os.waitid(os.P_PID, self.server.pid, os.WSTOPPED)

    def __exit__(self, *_):
        self.server.kill(signal.SIGCONT)


def becomes_one_reload(server, act, expected):
    """What `act` does is one generation, with these numbers of URLs added, changed, removed."""
    number, start = (generations(server) or [1])[-1] + 1, len(server.lines)
    with Held(server):
        act()
    equal(server.wait_generation(start, 60)[:4], (number, *expected))


def has_settled(server, n):
    time.sleep(0.5)
    equal(generations(server), list(range(2, n + 2)))


def run(*command, cwd):
    """A tool; the test is skipped where it is missing."""
    if shutil.which(command[0]) is None:
        raise Skip("there is no %s" % command[0])
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": cwd}
    done = subprocess.run(command, cwd=cwd, capture_output=True, env=env, timeout=60)
    equal(done.returncode, 0, "%s: %s" % (" ".join(command), done.stderr.decode()))


def version(number):
    """Files in folders; from one version to the next some change, and some go where others come."""
    files = {"d%d/f%d.txt" % (i % 7, i): b"%d" % i for i in range(100)}
    files.update({"d%d/f%d.txt" % (i % 7, i): b"version" * number for i in range(20)})
    files.update({"only-%d/f%d.txt" % (number, i): b"x" for i in range(10)})
    return files


CHANGE = (10, 20, 10)


@test
def rsync_becomes_one_reload():
    one, two, place = Tree(version(1)), Tree(version(2)), Tree()
    run("rsync", "-a", one.root + "/", place.root, cwd="/")
    with Server(roots=[place]) as server:
        becomes_one_reload(server, lambda: run("rsync", "-a", "--delete", two.root + "/", place.root, cwd="/"), CHANGE)
        becomes_one_reload(server, lambda: run("rsync", "-a", "--delete", one.root + "/", place.root, cwd="/"), CHANGE)
        has_settled(server, 2)


@test
def git_checkout_becomes_one_reload():
    tree = Tree(version(1))

    def git(*words):
        run("git", "-c", "user.name=a", "-c", "user.email=a@b", *words, cwd=tree.root)

    git("init", "-q", "-b", "one")
    git("add", ".")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "two")
    git("rm", "-rq", "only-1")
    for path, data in version(2).items():
        tree.write(path, data)
    git("add", ".")
    git("commit", "-qm", "two")
    with Server(roots=[tree]) as server:
        becomes_one_reload(server, lambda: git("checkout", "-q", "one"), CHANGE)
        becomes_one_reload(server, lambda: git("checkout", "-q", "two"), CHANGE)
        git("tag", "not-in-the-tree")
        has_settled(server, 2)


@test
def unpacking_an_archive_becomes_one_reload():
    two, place, archive = Tree(version(2)), Tree(version(1)), Tree()
    run("tar", "cf", archive.path("two.tar"), ".", cwd=two.root)
    with Server(roots=[place]) as server:
        becomes_one_reload(server, lambda: run("tar", "xf", archive.path("two.tar"), cwd=place.root), (10, 20, 0))
        has_settled(server, 1)


def save_by_rename(tree, data):
    """Write a temporary file, rename it over the old one: most editors."""
    tree.replace("a.txt", data)


def save_by_backup(tree, data):
    """As vim does by default: a probe, the old file becomes a backup, a new one is written, the
    backup goes; meanwhile there is a swap file."""
    swap = tree.write(".a.txt.swp", b"swap")
    os.unlink(tree.write("4913", b""))
    os.rename(tree.path("a.txt"), tree.path("a.txt~"))
    with open(tree.path("a.txt"), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(tree.path("a.txt"), 0o644)
    os.unlink(tree.path("a.txt~"))
    os.unlink(swap)


def save_in_place(tree, data):
    """With a copy for a backup, as vim does for links, and emacs."""
    shutil.copy2(tree.path("a.txt"), tree.path("a.txt~"))
    with open(tree.path("a.txt"), "r+b") as file:
        file.truncate()
        file.write(data)
    os.unlink(tree.path("a.txt~"))


@test
def each_way_of_saving_becomes_one_reload():
    tree = Tree({"a.txt": b"a", "b.txt": b"b"})
    with Server(roots=[tree]) as server:
        for i, save in enumerate((save_by_rename, save_by_backup, save_in_place)):
            data = b"saved %d times" % (i + 1)
            becomes_one_reload(server, lambda: save(tree, data), (0, 1, 0))
            equal(fetch(server.address, "/a.txt").body, data)
        tree.write(".a.txt.swp", b"somebody looks at it")
        has_settled(server, 3)


@test
def vim_becomes_one_reload():
    tree = Tree({"a.txt": b"a\n", "b.txt": b"b\n"})
    with Server(roots=[tree]) as server:
        becomes_one_reload(server, lambda: run("vim", "-Nes", "-u", "NONE", "-c", "set backup backupdir=. backupskip= directory=.", "-c", "normal ix", "-c", "wq", "a.txt", cwd=tree.root), (1, 1, 0))
        equal((fetch(server.address, "/a.txt").body, fetch(server.address, "/a.txt~").body), (b"xa\n", b"a\n"))
        has_settled(server, 1)
