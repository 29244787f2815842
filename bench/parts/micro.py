# SPDX-License-Identifier: MIT
"""Nanoseconds per operation of what a request is made of."""
import os
import subprocess
from statistics import median

import plots
from context import Group, Step
from peers import SUBJECT

TITLE = "Micro benchmarks"
PROGRAMS = ("micro",)
TOOLS = {}
RUN_S = 5.0  # of one repetition, about


def run(context):
    """Rows: operation, median, least, greatest of the rounds, each of one repetition."""
    found = {}

    def run_one(_):
        said = subprocess.run([context.program("micro"), "1"], stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in said.splitlines()[2:]:
            name, middle, _ = (cell.strip() for cell in line.strip("| ").split("|"))
            found.setdefault(name, []).append(float(middle))

    yield from context.in_rounds([Group("operations", [Step("operations", RUN_S, run_one)])])
    return [(name, median(ns), min(ns), max(ns)) for name, ns in found.items()]


def page(rows):
    lines = ["| operation | ns | least-greatest |", "|---|--:|--:|"]
    return lines + [f"| {name} | {middle:.1f} | {least:.1f}-{most:.1f} |" for name, middle, least, most in rows] + [""]


def tables(rows):
    return {"micro": (("operation", "ns", "least_ns", "greatest_ns"), rows)}


def draw(rows, folder):
    plots.dots(os.path.join(folder, "micro.png"), "What a request is made of", plots.Axis("ns", "log"),
               {name: {SUBJECT: figures} for name, *figures in rows})
    return ["micro.png"]


def headlines(_):
    return []
