# SPDX-License-Identifier: MIT
"""Flame graphs: what perf has seen of a process, folded, as SVG.  The root is at the bottom, widths are shares of samples."""
import re
import shutil
import subprocess
from xml.sax.saxutils import escape

from servers import Unusable

HERTZ = 999
STACK_BYTES = 16384  # copied with each sample, to be unwound: nothing has to be compiled in another way
WIDTH, ROW, MARGIN, HEADER = 1200, 17, 10, 44
CHARACTER = 6.6  # the width of one, about
NARROWEST = 0.4
COLOURS = {"kernel": ("#e8a33d", "#f0b860", "#e59a4c"), "server": ("#0072b2", "#3a8fc2", "#2b7fb5"), "thread": ("#9aa5ad",)}
KERNEL = "ffff"  # addresses there begin with it
LINE = re.compile(r"\s+([0-9a-f]+) (.+)")


def record(server, seconds, path):
    """Blocks for `seconds`: perf's text.  Raises Unusable."""
    if not shutil.which("perf"):
        raise Unusable("there is no perf (apt-get install linux-perf)")
    pids = ",".join(str(process.pid) for process in server.processes)
    said = subprocess.run(["perf", "record", "-q", "-F", str(HERTZ), "-e", "cpu-clock", "--call-graph", f"dwarf,{STACK_BYTES}",
                           "-o", path, "-p", pids, "--", "sleep", str(seconds)], capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise Unusable("perf cannot record here: " + " ".join(said.stderr.split())[:200])
    said = subprocess.run(["perf", "script", "--no-inline", "-i", path, "-F", "comm,ip,sym"], capture_output=True, text=True,
                          check=False)
    if said.returncode != 0:
        raise Unusable("perf script: " + " ".join(said.stderr.split())[:200])
    return said.stdout


def fold(text):
    """{(frame, ...): samples}, from the root on; a frame is (name, kind).  Threads whose names differ in a number only are
    one.  Raises Unusable when the kernel's half is missing."""
    stacks = {}
    for sample in filter(None, text.split("\n\n")):
        thread, *lines = sample.strip("\n").split("\n")
        frames = [LINE.match(line).groups() for line in lines if LINE.match(line) and not line.endswith("[unknown]")]
        stack = ((re.sub(r"[-\d]*$", "", thread.strip()), "thread"),) + tuple(
            (re.sub(r"(\.(isra|part|constprop|cold)(\.\d+)?)+$", "", name), "kernel" if address.startswith(KERNEL) else "server")
            for address, name in reversed(frames))
        stacks[stack] = stacks.get(stack, 0) + 1
    if not any(kind == "kernel" for stack in stacks for _, kind in stack):
        raise Unusable("perf sees nothing of the kernel (as root, or sysctl kernel.perf_event_paranoid=1)")
    return stacks


def grow(stacks):
    """A tree of nodes [samples, {frame: node}]."""
    root = [0, {}]
    for stack, count in stacks.items():
        node = root
        node[0] += count
        for frame in stack:
            node = node[1].setdefault(frame, [0, {}])
            node[0] += count
    return root


def depth(node):
    return 1 + max(map(depth, node[1].values()), default=0)


def boxes(node, x, level, scale):
    """(name, kind, x, level, width, samples) of all that is wide enough, children by name."""
    for (name, kind), child in sorted(node[1].items()):
        width = child[0] * scale
        if width >= NARROWEST:
            yield name, kind, x, level, width, child[0]
            yield from boxes(child, x, level + 1, scale)
        x += width


def box(name, kind, x, y, width, samples, total):
    fit = int((width - 4) / CHARACTER)
    text = name if len(name) <= fit else name[:fit - 1] + "…" if fit > 3 else ""
    colour = COLOURS[kind][sum(name.encode()) % len(COLOURS[kind])]
    ink = "#fff" if kind == "server" else "#000"
    label = f'<text x="{x + 3:.1f}" y="{y + ROW - 5}" fill="{ink}">{escape(text)}</text>' if text else ""
    share = f"{name}: {100 * samples / total:.1f} %, {samples} samples"
    return (f'<g><title>{escape(share)}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" '
            f'fill="{colour}"/>{label}</g>')


def svg(stacks, title):
    """The picture, as text."""
    root = grow(stacks)
    total, levels = root[0], depth(root) - 1
    height = HEADER + levels * ROW + MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
             'font-family="DejaVu Sans Mono, monospace" font-size="11">',
             f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             f'<text x="{MARGIN}" y="18" font-size="14">{escape(title)}</text>',
             f'<text x="{MARGIN}" y="35">{total} samples at {HERTZ} Hz of CPU time; width: share of them; '
             'blue: the server and its libraries, orange: the kernel</text>']
    for name, kind, x, level, width, samples in boxes(root, MARGIN, 0, (WIDTH - 2 * MARGIN) / total):
        parts.append(box(name, kind, x, height - MARGIN - (level + 1) * ROW, width - 0.3, samples, total))
    return "\n".join(parts + ["</svg>"]) + "\n"
