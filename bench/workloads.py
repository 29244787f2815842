# SPDX-License-Identifier: MIT
"""The table of what is asked of the peers: by part, one row a workload, the most telling ones first.

A new workload is one row here and, if it is a new task, what it does in each of the peers.
"""
from dataclasses import dataclass

from servers import CORES

# --- static-files, sizes, low-power, reload


@dataclass(frozen=True)
class Files:
    """GETs without pause from wrk; of one file of this size where there is a size."""
    bytes: int
    connections: int
    mode: str = "keep"  # or "close": a connection a request
    cores: int = CORES  # of the server

    @property
    def target(self):
        return f"/{self.bytes}.txt"

    @property
    def size(self):
        return f"{self.bytes >> 20} MB" if self.bytes >> 20 else f"{self.bytes >> 10} KB"

    @property
    def label(self):
        return (f"{self.size}, {self.connections} connection{'s' * (self.connections > 1)}"
                + ", a connection a request" * (self.mode == "close")
                + f", {self.cores} core{'s' * (self.cores > 1)}" * (self.cores < CORES))


def core_counts():
    """1, 2, 4 and so on, and all of them."""
    return [1 << i for i in range(CORES.bit_length()) if 1 << i < CORES] + [CORES]


IMAGES = Files(0, 64)
SIZE_STEPS = (0, 1 << 10, 10 << 10, 100 << 10, 1 << 20)
COMPARED = (Files(1 << 10, 64), Files(1 << 10, 64, "close"), Files(100 << 10, 64))  # by ratios
SIZES = tuple(dict.fromkeys(
    [*COMPARED] + [Files(size, 64) for size in SIZE_STEPS] + [Files(1 << 10, 64, cores=1)]
    + [Files(size, 64, mode, cores) for mode, steps in (("keep", SIZE_STEPS), ("close", SIZE_STEPS[:2]))
       for size in steps for cores in core_counts()]
    + [Files(size, connections) for size in SIZE_STEPS for connections in (1, 512)]))
IO_MODELS = tuple(Files(1 << 10, connections) for connections in (64, 1000, 1, 16, 256, 4))


@dataclass(frozen=True)
class Pinned:
    """GETs of one file from ab, of a server on one core."""
    bytes: int
    clients: int
    requests: int
    keeps: str  # words for ab
    label: str


LOW_POWER = (
    Pinned(1 << 10, 4, 500_000, "", "a connection a request"),
    Pinned(1 << 10, 4, 500_000, "-k", "keep-alive"),
)
ENDURANCE_REQUESTS = 30_000_000
RELOADED = {"connections": 64, "targets": 1000, "loads": (250, 500, 1000, 2000, 4000)}

# --- eval

EVAL_WORKERS = {"quick": (1, 2 * CORES + 1), "full": (1, 2 * CORES + 1, 14, 20), "long": tuple(range(1, 21))}
EVAL_CLIENTS = {"quick": (1, 20), "full": (2, 10, 20), "long": (1, 2, 4, 5, 10, 20)}

# --- long-tasks

SLEEP_MS, ROUND_TRIP_MS, NAME_MS = 280, 40, 40
FETCH_MS, TLS_MS = 2 * ROUND_TRIP_MS, 3 * ROUND_TRIP_MS


@dataclass(frozen=True)
class Task:
    name: str
    module: str = "tasks"  # that has it, of scrubjay's
    group: str = ""
    body: str = ""  # which of External's
    wait_ms: int = 0  # an answer that comes sooner has not done it
    least_s: int = 0  # of siege, where answers take seconds: what is on the way at the end is not counted


LONG_TASKS = (
    Task("sleep_sync", "tasks", "sleep", "sleep", SLEEP_MS),
    Task("sleep_async", "tasks", "sleep", "sleep", SLEEP_MS),
    Task("sleep_async_split", "tasks", "sleep", "sleep", SLEEP_MS),
    Task("network_sync_local", "fetch_sync", "network, local", "page"),
    Task("network_async_local", "fetch_async", "network, local", "page"),
    Task("network_sync_external", "fetch_sync", "network, external", "page", FETCH_MS),
    Task("network_async_external", "fetch_async", "network, external", "page", FETCH_MS),
    Task("network_async_dns_external", "fetch_async", "network, external, name", "page", FETCH_MS + NAME_MS),
    Task("network_async_external_retry", "fetch_async", "network, external, retry", "page", FETCH_MS),
    Task("network_async_dns_external_retry", "fetch_async", "network, external, name, retry", "page", FETCH_MS + NAME_MS),
    Task("network_https_sync", "fetch_sync", "https", "page", TLS_MS),
    Task("network_https_async", "fetch_async", "https", "page", TLS_MS),
    Task("network_https_dns_async", "fetch_async", "https, name", "page", TLS_MS + NAME_MS),
    Task("network_https_async_retry", "fetch_async", "https, retry", "page", TLS_MS),
    Task("network_https_dns_async_retry", "fetch_async", "https, name, retry", "page", TLS_MS + NAME_MS),
    Task("network_https_cpu_bound_sync", "fetch_sync", "https, parse", "records", TLS_MS, 4),
    Task("network_https_cpu_bound_async", "fetch_async", "https, parse", "records", TLS_MS, 4),
    Task("file_sync", "tasks", "file", "file"),
    Task("file_async", "tasks", "file", "file"),
)

# --- mixed


@dataclass(frozen=True)
class Mix:
    name: str
    hits: int  # a second
    share: float  # of tasks, to these
    task: str
    query: str
    body: str
    what: str

    @property
    def tasks(self):
        return self.hits * self.share

    @property
    def target(self):
        return f"/{self.task}?{self.query}"


MIXED = (
    Mix("a", 20_000, 0.01, "cpu", "us=800", "burned 800 us\n", "1 % of 800 us CPU"),
    Mix("b", 20_000, 0.002, "cpu", "us=5000", "burned 5000 us\n", "0.2 % of 5 ms CPU"),
    Mix("c", 4_000, 0.05, "cpu", "us=100", "burned 100 us\n", "5 % of 100 us CPU"),
    Mix("d", 20_000, 0.01, "sleep_sync", "ms=50", "slept 50 ms\n", "1 % that sleep for 50 ms and block"),
    Mix("e", 1_000, 0.01, "cpu", "us=200000", "burned 200000 us\n", "1 % of 200 ms CPU"),
)
# Hits a second, alone and beside the tasks of (b), for p99 over load.
MIXED_LOADS = (1_000, 5_000, 10_000, 20_000, 40_000)

# --- scheduler


@dataclass(frozen=True)
class Kernel:
    name: str
    what: str  # is timed
    answer: int  # that is right for a run; 0: there is none


SCHEDULER = (
    Kernel("spawn", "spawn and join of an empty subtask, 256 a group", 0),
    Kernel("fib", "a task of fib(27), by two subtasks each", 196418),
    Kernel("skynet", "a task of a tree of 111,111, ten subtasks each, sums on the way back", 4999950000),
    Kernel("queens", "a task of all solutions of 10 queens, a subtask for each safe square", 724),
    Kernel("tree", "a task of an unbalanced tree, as deep as chance has it", 462871),
    Kernel("stream", "a task or message through a queue of 1,024 from one thread to another", 0),
    Kernel("wake", "a task for a worker that sleeps: until it runs", 0),
)
