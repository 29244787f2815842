# SPDX-License-Identifier: MIT
"""What a part of the benchmark is given: settings, programs, a scratch directory, servers, and its share of the time."""
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Callable

import peers
import servers
from servers import Unusable

PAGE_S = 2  # of a part's time, for its plots and to end its servers


@dataclass(frozen=True)
class Step:
    """One run."""
    label: str
    seconds: float  # that it takes, about
    do: Callable  # with the number of the round


@dataclass(frozen=True)
class Group:
    """Runs that are compared with each other: all of them in a round, or none."""
    label: str
    steps: list

    @property
    def seconds(self):
        return sum(step.seconds for step in self.steps)


class Progress:
    """One line on the terminal; elsewhere a line every ten seconds."""

    def __init__(self, parts):
        self.parts, self.at, self.shown = parts, 0, 0.0

    def show(self, left_s, text):
        now, is_terminal = time.monotonic(), sys.stderr.isatty()
        if not is_terminal and now - self.shown < 10:
            return
        self.shown = now
        left_s = max(0, left_s)
        left = f"{left_s // 3600:.0f}:{left_s // 60 % 60:02.0f}:{left_s % 60:02.0f} left"
        print(f"{self.at + 1}/{len(self.parts)}  {left}  {self.parts[self.at].name}: {text}"[:110].ljust(110),
              end="\r" if is_terminal else "\n", file=sys.stderr, flush=True)


class Context:
    """`seconds` is None where there is no limit; `after_s` is what the parts to come will take."""

    def __init__(self, settings, work, progress, seconds, after_s):
        self.settings, self.work, self.progress, self.after_s = settings, work, progress, after_s
        self.quick = seconds is not None
        self.rounds = settings.rounds
        self.deadline = time.monotonic() + seconds if self.quick else None
        self.spent_s, self.expected_s = 0.0, 0.0
        self.started, self.seen = [], {}  # the latter: versions and commands of servers, by name
        self.absent, self.left_out, self.notes = {}, [], []
        self.is_interrupted = False

    # --- settings

    def seconds(self, whole, quick=1):
        """Of a run: what --seconds says, or this."""
        return self.settings.seconds or (quick if self.quick else whole)

    def program(self, name):
        return os.path.abspath(self.settings.programs[name])

    def rows(self, part):
        chosen = self.settings.servers
        return [row for row in peers.rows_of(part) if not chosen or row.name in chosen]

    # --- servers

    def tell(self, note):
        self.notes.append(note)
        print(note.ljust(110), file=sys.stderr, flush=True)

    def leave_out(self, name, error):
        self.absent[name] = str(error)
        print(f"{name} does not take part: {error}".ljust(110), file=sys.stderr, flush=True)

    def need(self, tool, package):
        if not shutil.which(tool):
            raise Unusable(f"there is no {tool} (apt-get install {package})")

    def server(self, row, **environment):
        """One that is not started yet; it is stopped with the part.  Raises Unusable."""
        path = servers.locate(row, self.settings.programs)
        server = servers.Server(row, path, environment=environment)
        self.started.append(server)
        if row.name not in self.seen:
            self.seen[row.name] = (servers.version_of(row, path), "")
        return server

    def start(self, row, root, environment=None, **more):
        """One that accepts connections.  Raises Unusable."""
        server = self.server(row, **(environment or {}))
        try:
            server.ports[None] = servers.launch(server, root, self.work, **more)
        except BaseException:
            self.stop(server)
            raise
        self.saw(server)
        return server

    def saw(self, server):
        self.seen[server.row.name] = (self.seen[server.row.name][0], server.commands[0])

    def start_all(self, rows, spawn, check):
        """Those that start and pass; `spawn` starts one, `check` waits for it and asks it.  Side by side, to save time."""
        fresh, usable = [], []
        for row in rows:
            try:
                server = self.server(row)
                spawn(server)
                fresh.append(server)
            except Unusable as error:
                self.leave_out(row.name, error)
        for server in fresh:
            self.progress.show(self.left_s(), f"{server.row.name}: checked")
            try:
                check(server)
                self.saw(server)
                usable.append(server)
            except Unusable as error:
                self.leave_out(server.row.name, error)
                self.stop(server)
        return usable

    def stop(self, server):
        servers.stop(server)
        if server in self.started:
            self.started.remove(server)

    def stop_all(self):
        for server in self.started[:]:
            self.stop(server)

    # --- time

    def left_s(self):
        return (self.deadline - time.monotonic() if self.quick else 0) + self.after_s

    def pace(self):
        """What a second of a plan takes."""
        return self.spent_s / self.expected_s if self.expected_s else 1.2

    def fits(self, seconds):
        return not self.quick or time.monotonic() + seconds * self.pace() < self.deadline - PAGE_S

    def in_rounds(self, groups, rounds=None, needed=1):
        """Each group once a round, its steps in another order each time.  What has no time is left out, and named; the
        first `needed` groups are done once in any case: without them there is nothing to show."""
        rounds = rounds or self.rounds
        plan = [(number, group) for number in range(rounds) for group in groups]
        left_s, skipped = sum(group.seconds for _, group in plan), []
        try:
            for at, (number, group) in enumerate(plan):
                if at >= needed and not self.fits(group.seconds):
                    skipped.append((number, group.label))
                else:
                    for i in range(len(group.steps)):
                        self.progress.show(self.left_s() + (0 if self.quick else left_s * self.pace()),
                                           f"{group.steps[(i + number) % len(group.steps)].label}, round {number + 1}")
                        self.do(number, group.steps[(i + number) % len(group.steps)])
                left_s -= group.seconds
        except KeyboardInterrupt:
            self.is_interrupted = True
            self.tell("interrupted: not all runs were made")
        self.name_skipped(groups, rounds, skipped)

    def name_skipped(self, groups, rounds, skipped):
        never = [label for number, label in skipped if number == 0]
        later = sum(number > 0 and label not in never for number, label in skipped)
        if never:
            self.left_out.append(f"no time for {len(never)} of {len(groups)} workloads: " + "; ".join(never))
        if later:
            total = (rounds - 1) * (len(groups) - len(never))
            self.left_out.append(f"no time for {later} of {total} repetitions of the others, for {rounds} rounds")

    def do(self, number, step):
        began = time.monotonic()
        try:
            step.do(number)
        except (Unusable, ValueError, OSError, subprocess.SubprocessError) as error:
            self.tell(f"{step.label}, round {number + 1}: {error}")
        self.spent_s += time.monotonic() - began
        self.expected_s += step.seconds
