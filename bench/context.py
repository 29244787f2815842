# SPDX-License-Identifier: MIT
"""What a part of the benchmark is given: settings, programs, a scratch directory, servers, and its turns."""
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Callable

import measure
import peers
import servers
from servers import Unusable

PAGE_S = 2  # of a part's time, for its plots and to end its servers
ALL_ROUNDS = 1000
PACE_WEIGHT = 0.1  # of what the last step has taken


@dataclass(frozen=True)
class Step:
    """One run."""
    label: str
    seconds: float  # that it takes, about
    do: Callable  # with the number of the round
    rounds: int = ALL_ROUNDS  # at most; the others of its group go on


@dataclass(frozen=True)
class Group:
    """Runs that are compared with each other: all of them that are due in a round, or none."""
    label: str
    steps: list

    @property
    def rounds(self):
        return max((step.rounds for step in self.steps), default=0)

    def due(self, number):
        """The steps of this round."""
        return [step for step in self.steps if number < step.rounds]

    def seconds(self, number):
        return sum(step.seconds for step in self.due(number))


class Turns:
    """Whose turn it is, and until when.  The parts take turns, once a lap, so that the spread of their figures is that of
    the whole time.  A quick run has one lap only.  `deadline` is None where there is no limit; `is_whole`: each workload is
    run once even if that takes longer."""

    def __init__(self, mode, rounds, budget, is_whole=False):
        self.mode, self.rounds, self.is_whole = mode, rounds, is_whole
        self.laps, self.lap = 1 if mode == "quick" else rounds, 0
        self.deadline = time.monotonic() + budget if budget else None
        self.until = self.deadline
        self.is_interrupted = False
        self.contexts, self.shown = [], 0.0

    @property
    def is_last(self):
        return self.is_interrupted or self.lap + 1 == self.laps

    def due(self, rounds):
        """How many of so many rounds are to be done by the end of this lap."""
        return -(-rounds * (self.lap + 1) // self.laps)

    def left_s(self):
        if self.deadline:
            return max(0, self.deadline - time.monotonic())
        return sum(context.left_s() for context in self.contexts)

    def show(self, text):
        """One line on the terminal; elsewhere a line every ten seconds."""
        now, is_terminal = time.monotonic(), sys.stderr.isatty()
        if not is_terminal and now - self.shown < 10:
            return
        self.shown, left_s = now, int(self.left_s())
        left = f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left"
        print(f"{self.lap + 1}/{self.laps}  {left}  {text}"[:110].ljust(110), end="\r" if is_terminal else "\n",
              file=sys.stderr, flush=True)


class Context:
    """`whole_s` is what the part takes without a limit, about."""

    def __init__(self, name, settings, work, turns, whole_s):
        self.name, self.settings, self.work, self.turns, self.whole_s = name, settings, work, turns, whole_s
        self.quick = turns.mode == "quick"
        self.used_s, self.pace = 0.0, 1.2  # in its turns; what a second of a plan takes
        self.started, self.seen = [], {}  # the latter: versions and commands of servers, by name
        self.absent, self.left_out, self.notes = {}, [], []
        turns.contexts.append(self)

    # --- settings

    def pick(self, quick, full, long):
        """By how long the run is to take."""
        return {"quick": quick, "full": full, "long": long}[self.turns.mode]

    def seconds(self, quick, full, long):
        """Of a run: what --seconds says, or one of these."""
        return self.settings.seconds or self.pick(quick, full, long)

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
            self.show(f"{server.row.name}: checked")
            try:
                check(server)
                self.saw(server)
                usable.append(server)
            except Unusable as error:
                self.leave_out(server.row.name, error)
                self.stop(server)
        measure.settle(*usable)
        return usable

    def stop(self, server):
        servers.stop(server)
        if server in self.started:
            self.started.remove(server)

    def stop_all(self):
        for server in self.started[:]:
            self.stop(server)

    # --- time

    def show(self, text):
        self.turns.show(f"{self.name}: {text}")

    def left_s(self):
        return max(0, self.whole_s - self.used_s)

    def fits(self, seconds):
        """In what is left of the turn; in one that is not the last, half of it."""
        if not self.turns.until:
            return True
        seconds *= self.pace
        reserved = seconds + PAGE_S if self.turns.is_last else seconds / 2
        return time.monotonic() + reserved < self.turns.until

    def in_rounds(self, groups, rounds=None, needed=1):
        """Each group once a round, its steps in another order each time.  Yields where the part's turn is over.

        The first `needed` groups are done in each lap, the others as there is time, those first that were done the
        least.  What has no time is left out, and named."""
        rounds = [min(group.rounds, rounds or self.turns.rounds, self.turns.rounds) for group in groups]
        done = [0] * len(groups)
        try:
            while not self.turns.is_interrupted:
                self.do_lap(groups, done, [self.turns.due(times) for times in rounds], needed)
                if self.turns.is_last or done == rounds:
                    break
                yield
        except KeyboardInterrupt:
            self.turns.is_interrupted = True
            self.tell("interrupted: not all runs were made")
        self.name_skipped(groups, done, rounds)

    def do_lap(self, groups, done, due, needed):
        for at in range(min(needed, len(groups))):
            if done[at] < due[at]:
                self.do_group(groups, at, done)
        while True:
            open_ones = [at for at in range(len(groups)) if done[at] < due[at]]
            at = min(open_ones, key=lambda i: done[i], default=None)
            if at is None:
                break
            is_missing = done[at] == 0 and self.turns.is_whole and self.turns.is_last
            if not is_missing and not self.fits(groups[at].seconds(done[at])):
                break
            self.do_group(groups, at, done)

    def do_group(self, groups, at, done):
        number = done[at]
        steps = groups[at].due(number)
        for i in range(len(steps)):
            step = steps[(i + number) % len(steps)]
            self.show(f"{step.label}, round {number + 1}")
            self.do(number, step)
        done[at] += 1

    def name_skipped(self, groups, done, rounds):
        never = [group.label for group, times in zip(groups, done) if times == 0]
        later = sum(due - times for times, due in zip(done, rounds) if times)
        if never:
            self.left_out.append(f"no time for {len(never)} of {len(groups)} workloads: " + "; ".join(never))
        if later:
            total = sum(due - 1 for times, due in zip(done, rounds) if times)
            self.left_out.append(f"no time for {later} of {total} repetitions of the others, for {max(rounds)} rounds")

    def do(self, number, step):
        began = time.monotonic()
        try:
            step.do(number)
        except (Unusable, ValueError, OSError, subprocess.SubprocessError) as error:
            self.tell(f"{step.label}, round {number + 1}: {error}")
        self.pace += PACE_WEIGHT * ((time.monotonic() - began) / step.seconds - self.pace)
