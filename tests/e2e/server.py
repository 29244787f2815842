# SPDX-License-Identifier: MIT
"""Trees of files to serve, and servers that are started, watched and ended."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

PROGRAM = os.environ.get("SCRUBJAY", "")
START_S = 30
STOP_S = 20
OLD = 1_600_000_000  # the mtime of files whose age does not matter
START_LINE = re.compile(r"scrubjay (\S+) listening on (.+?); (\d+) files?"
                        r"(?:, (\d+) bytes?, (\d+) faults?, indexed in| known from the last run, indexing)")
RELOAD_LINE = re.compile(r"generation (\d+): (\d+) added, (\d+) changed, (\d+) removed, (\d+) unchanged, (\d+) faults?")
LEVEL = re.compile(r"^[^\"]{0,40}?\b(error|warning|info|debug)\b")
REPORTS = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:", "MemorySanitizer",
           "Assertion", "UndefinedBehaviorSanitizer")
folders = []


class Tree:
    """A folder of files that goes away when all tests are done."""

    def __init__(self, files=None):
        self.root = tempfile.mkdtemp(prefix="scrubjay-e2e-")
        os.chmod(self.root, 0o755)
        folders.append(self.root)
        for path, data in (files or {}).items():
            self.write(path, data)

    def path(self, path=""):
        return os.path.join(self.root, path)

    def write(self, path, data, mtime=OLD):
        """Makes the file or writes over it in place."""
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(data)
        os.utime(full, (mtime, mtime))
        return full

    def replace(self, path, data, mtime=None):
        """Exchanges the file by rename, as a careful deploy does."""
        full = self.path(path)
        new = tempfile.NamedTemporaryFile(dir=os.path.dirname(full), prefix=".new-", delete=False)
        with new:
            new.write(data)
        os.chmod(new.name, 0o644)
        if mtime is not None:
            os.utime(new.name, (mtime, mtime))
        os.rename(new.name, full)

    def remove(self, path):
        os.unlink(self.path(path))

    def link(self, path, to):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        os.symlink(to, self.path(path))


def temporary(suffix=""):
    """A path in a folder of its own, where nothing is yet."""
    folder = tempfile.mkdtemp(prefix="scrubjay-e2e-")
    folders.append(folder)
    return os.path.join(folder, "file" + suffix)


def remove_folders():
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def address_of(text):
    """What a Client connects to, from what the start line says."""
    text = text.strip().rstrip("/")
    if "unix:" in text or text.startswith("/"):
        return text.partition("unix:")[2] or text
    host, _, port = text.removeprefix("http://").rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else text


class Server:
    """A running server.  As a context it is stopped by TERM, and must end clean.  It is waited for
    until its first generation is served; or `wait` is False, or "early": until it listens."""

    def __init__(self, *options, roots=(), listen=("127.0.0.1:0",), wrap=(), expected_errors=None, wait=True, start_s=START_S, **popen):
        if not PROGRAM:
            raise RuntimeError("SCRUBJAY does not name the program")
        self.expected_errors = expected_errors
        self.lines, self.news = [], threading.Condition()
        self.ended = False
        command = [*wrap, PROGRAM, "serve"]
        for address in listen:
            command += ["--listen", address]
        command += [str(option) for option in options]
        if "env" not in popen and not any(str(option).startswith("--control") for option in options):
            command += ["--control", "none"]  # servers that run side by side would want the same default
        if not any(str(option).startswith("--cache-dir") for option in options) and "CACHE_DIRECTORY" not in popen.get("env", {}):
            command += ["--cache-dir", "none", "--no-compress"]  # what is served does not change by itself
        command += [root.root if isinstance(root, Tree) else root for root in roots]
        self.command = command
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=popen.pop("stdout", subprocess.DEVNULL),
                                        stdin=subprocess.DEVNULL, **popen)
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()
        if wait:
            self.wait_start(start_s, wait != "early")

    def read_lines(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait_line(self, pattern, timeout=10, start=0):
        """The match of the first line from `start` on that fits; an error if none comes."""
        end = time.monotonic() + timeout
        seen = start
        with self.news:
            while True:
                for line in self.lines[seen:]:
                    found = re.search(pattern, line)
                    if found:
                        return found
                seen = len(self.lines)
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError("no line like %r on stderr; %s\n    %s" % (
                        re.compile(pattern).pattern, " ".join(self.command), "\n    ".join(self.lines[-20:])))
                self.news.wait(left)

    def wait_start(self, timeout, for_build):
        try:
            found = self.wait_line(START_LINE, timeout)
            built = self.wait_generation(0, timeout) if for_build and found[4] is None else None
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise
        self.version = found[1]
        self.addresses = [address_of(part) for part in re.split(r",\s*|\s+and\s+|\s+", found[2]) if part]
        self.address = self.addresses[0]
        self.files, self.bytes, self.faults = (int(found[i] or 0) for i in (3, 4, 5))
        if built:
            self.files, self.faults = built[1], built[5]

    @property
    def pid(self):
        return self.process.pid

    def kill(self, number):
        self.process.send_signal(number)

    def reload(self, timeout=10):
        """Asks by SIGHUP and waits for the new generation: (number, added, changed, removed,
        unchanged, faults)."""
        start = len(self.lines)
        self.kill(signal.SIGHUP)
        return self.wait_generation(start, timeout)

    def wait_generation(self, start, timeout=10):
        return tuple(map(int, self.wait_line(RELOAD_LINE, timeout, start).groups()))

    def wait(self, timeout=STOP_S):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not end within %d s: %s" % (timeout, " ".join(self.command)))
        self.reader.join(5)
        return self.process.returncode

    def stop(self, number=signal.SIGTERM, status=0):
        """Ends the server and checks how it ended."""
        if self.process.poll() is None:
            self.kill(number)
        got = self.wait()
        faults = [line for line in self.lines if self.is_fault(line)]
        if got != status or faults:
            raise AssertionError("exit status %d (expected %d); %s\n    %s" % (
                got, status, " ".join(self.command), "\n    ".join(faults or self.lines[-20:])[:6000]))

    def is_fault(self, line):
        if any(word in line for word in REPORTS) or line.startswith("    #"):
            return True
        level = LEVEL.match(line)
        if not level or level[1] != "error":
            return False
        return not (self.expected_errors and re.search(self.expected_errors, line))

    def abandon(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.abandon()
            return
        self.stop()

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def threads(self):
        return os.listdir("/proc/%d/task" % self.pid)


def run_program(*arguments, **options):
    """The finished program: (status, stdout, stderr)."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=START_S, stdin=subprocess.DEVNULL, **options)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def is_sanitized():
    """A sanitizer keeps what is freed, has notes of its own, and cannot do without memory."""
    with open(PROGRAM, "rb") as file:
        data = file.read()
    return b"__asan_init" in data or b"__tsan_init" in data


shared_lock = threading.Lock()
shared_servers = {}


def shared(make):
    """The server that `make` returns, started once for all tests which only read."""
    with shared_lock:
        lock = shared_servers.setdefault(make, [threading.Lock(), None])
    with lock[0]:
        if lock[1] is None:
            lock[1] = make()
        return lock[1]


def stop_shared():
    """Ends the shared servers; the faults, one text each."""
    faults = []
    for make, (_, server) in shared_servers.items():
        if server is None:
            continue
        try:
            server.stop()
        except AssertionError as error:
            faults.append("the shared server %s ends clean: %s" % (make.__name__, error))
    return faults
