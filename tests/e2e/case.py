# SPDX-License-Identifier: MIT
"""The registry of tests, and what they assert with."""
import functools

TESTS = []


class Case:
    """One test: its area (the file), its name (a sentence), its function."""

    def __init__(self, function, name, alone):
        self.area = function.__module__.removeprefix("test_")
        self.name, self.call, self.alone = name, function, alone


class Skip(Exception):
    """The test needs something that this machine does not have."""


def test(function=None, *, alone=False):
    """Registers a test.  `alone`: it measures, so nothing may run beside it."""
    if function is None:
        return functools.partial(test, alone=alone)
    TESTS.append(Case(function, function.__name__.replace("_", " "), alone))
    return function


def table(rows):
    """Registers the function once for each row; the row begins with its name."""
    def register(function):
        names = [row[0] for row in rows]
        assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1]
        for row in rows:
            call = functools.partial(function, *row[1:])
            call.__module__ = function.__module__
            TESTS.append(Case(call, "%s: %s" % (function.__name__.replace("_", " "), row[0]), False))
        return function
    return register


def equal(got, expected, what=""):
    if got != expected:
        got, expected = repr(got), repr(expected)
        raise AssertionError("%s\n    expected %s\n    got      %s" % (what, expected[:1500], got[:1500]))


def one_of(got, allowed, what=""):
    if got not in allowed:
        raise AssertionError("%s: got %r, not one of %r" % (what, got, allowed))


def true(condition, what):
    if not condition:
        raise AssertionError(what)
