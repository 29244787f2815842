# SPDX-License-Identifier: MIT
"""Nanoseconds per operation of what a request is made of."""
import os
import subprocess

import plots
from peers import SUBJECT

TITLE = "Micro benchmarks"
PROGRAMS = ("micro",)
TOOLS = {}
QUICK_REPETITIONS = 1


def run(context):
    """Rows: operation, median, least, greatest."""
    context.progress.show(context.left_s(), "operations")
    said = subprocess.run([context.program("micro")] + [str(QUICK_REPETITIONS)] * context.quick, stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in said.splitlines()[2:]]
    return [(name, float(middle), *map(float, between.split("-"))) for name, middle, between in rows]


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
