# SPDX-License-Identifier: MIT
"""How the benchmarks share their time (bench/context.py), and when two runs agree (bench/agree.py)."""
import os
import sys

from case import equal, table, test

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))

import agree  # noqa: E402
from context import Context, Group, Step, Turns  # noqa: E402
from servers import Unusable  # noqa: E402


class Part:
    """A part whose steps only say that they were done: the laps that it took.  Names are groups, each letter a step; in
    capitals it is done once."""

    def __init__(self, turns, names, **options):
        self.turns, self.did = turns, []
        self.context = Context("part", None, "", turns, 60)
        self.steps = self.context.in_rounds([Group(name, [self.step(letter) for letter in name]) for name in names], **options)

    def step(self, letter):
        return Step(letter, 1, self.do(letter), **({"rounds": 1} if letter.isupper() else {}))

    def do(self, name):
        def step(number):
            self.did.append((self.turns.lap, name, number))
            if name == "x":
                raise Unusable("it")
        return step

    def run(self):
        for self.turns.lap in range(self.turns.laps):
            if next(self.steps, "over") == "over":
                break
        return self.did


def turns(mode="full", rounds=3, is_late=False, is_whole=False):
    made = Turns(mode, rounds, 60 if is_late else None, is_whole)
    made.show = lambda text: None
    if is_late:
        made.until -= 61
    return made


@test
def a_lap_is_a_round():
    equal(Part(turns(), "ab").run(), [(lap, name, lap) for lap in range(3) for name in "ab"])


@test
def all_rounds_are_in_the_one_lap_of_a_quick_run():
    equal(Part(turns("quick"), "ab").run(), [(0, name, number) for number in range(3) for name in "ab"])


@test
def what_is_done_less_often_is_spread_over_the_laps():
    equal(Part(turns(rounds=5), "a", rounds=2).run(), [(0, "a", 0), (2, "a", 1)])
    equal(Part(turns(), "Ba").run(), [(0, "B", 0), (0, "a", 0), (1, "a", 1), (2, "a", 2)])


@test
def a_step_can_be_done_once_and_its_group_goes_on():
    equal(Part(turns(), ["aB", "c"]).run(), [
        (0, "a", 0), (0, "B", 0), (0, "c", 0), (1, "a", 1), (1, "c", 1), (2, "a", 2), (2, "c", 2)])


@test
def without_time_the_needed_ones_are_done_in_each_lap_and_others_named():
    part = Part(turns(is_late=True), "abc", needed=1)
    equal(part.run(), [(lap, "a", lap) for lap in range(3)])
    equal(part.context.left_out, ["no time for 2 of 3 workloads: b; c"])


@test
def a_whole_run_has_everything_once():
    part = Part(turns(is_late=True, is_whole=True), "abc", needed=1)
    equal(part.run(), [(0, "a", 0), (1, "a", 1), (2, "a", 2), (2, "b", 0), (2, "c", 0)])
    equal(part.context.left_out, ["no time for 4 of 6 repetitions of the others, for 3 rounds"])


@test
def those_come_first_that_were_done_the_least():
    made = turns()
    part = Part(made, "abc", needed=1)
    made.until = 1  # in the first lap there is no time but for a
    next(part.steps)
    made.lap, made.until = 1, None
    next(part.steps)
    equal(part.did, [(0, "a", 0), (1, "a", 1), (1, "b", 0), (1, "c", 0), (1, "b", 1), (1, "c", 1)])
    equal(part.context.left_out, [])


@test
def a_step_that_fails_is_named_and_the_others_go_on():
    part = Part(turns(rounds=1), "xa")
    equal(part.run(), [(0, "x", 0), (0, "a", 0)])
    equal(part.context.notes, ["x, round 1: it"])


@test
def an_interruption_ends_all_parts_with_what_they_have():
    made = turns()
    part = Part(made, "ab")
    next(part.steps)
    made.is_interrupted = True
    equal(next(part.steps, "over"), "over")
    equal(part.did, [(0, "a", 0), (0, "b", 0)])
    equal(part.context.left_out, ["no time for 4 of 4 repetitions of the others, for 3 rounds"])


@table([
    ("one round", [1.0], [1.0, 2.0], agree.ONCE),
    ("each median within the other", [1.0, 2.0, 3.0], [1.5, 2.1, 2.5], agree.IN_BOTH),
    ("spreads that overlap", [1.0, 1.1, 3.0], [2.0, 3.5, 4.0], agree.OVERLAP),
    ("spreads that touch", [1.0, 2.0], [2.0, 3.0], agree.OVERLAP),
    ("apart", [1.0, 1.1], [1.2, 1.3], agree.APART),
])
def agreement(one, other, expected):
    equal(agree.verdict(one, other), expected)
    equal(agree.verdict(other, one), expected)
