# SPDX-License-Identifier: MIT
"""What was measured, as a Markdown page and as CSV."""
import csv
import os
import platform
import subprocess
import sys
import time
from statistics import median

from servers import CORES

# Headlines: (what, attribute, connections, mode, bytes, server compared with).  Ratios are taken
# within a round, so that what else the machine does weighs on both sides; then their median.  Beside
# it the ratio of the best runs: what else the machine does only ever makes a run worse.
HEADLINES = (
    ("CPU per request", "cpu_us", 64, "keep", 1024, "nginx"),
    ("CPU per request", "cpu_us", 64, "keep", 1024, "h2o"),
    ("CPU per request", "cpu_us", 64, "keep", 1024, "lighttpd"),
    ("CPU per request", "cpu_us", 64, "keep", 1024, "null"),
    ("CPU per request", "cpu_us", 64, "keep", 1024, "gunicorn"),
    ("CPU per request", "cpu_us", 64, "keep", 1024, "gunicorn-gthread"),
    ("CPU per request", "cpu_us", 64, "keep", 102400, "nginx"),
    ("CPU per request", "cpu_us", 64, "keep", 102400, "h2o"),
    ("CPU per request", "cpu_us", 64, "keep", 102400, "null"),
    ("requests/s", "requests_s", 64, "close", 1024, "nginx"),
    ("CPU per request", "cpu_us", 64, "close", 1024, "nginx"),
)
SUBJECT = "scrubjay"


def spread(values, form="{:.1f}"):
    """Median and, when there are several, (least-greatest)."""
    text = form.format(median(values))
    if len(values) > 1:
        text += f" ({form.format(min(values))}-{form.format(max(values))})"
    return text


def machine():
    model = "?"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as control:
        congestion = control.read().strip()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    nice = f"; all of it at nice {os.nice(0)}" if os.nice(0) else ""
    return f"{CORES} cores, {model}; Linux {platform.release()}, {congestion}; load average {load}{nice}"


def packages(names):
    """Debian's versions of these packages."""
    if not names:
        return ""
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}, "] + names.split(), capture_output=True,
                          text=True, check=False)
    return said.stdout.strip(", ")


def progress(done, total, began, text):
    left = (time.monotonic() - began) / done * (total - done) if done else None
    left_text = f"{left // 60:.0f}:{left % 60:02.0f} left" if left is not None else ""
    end = "\r" if sys.stderr.isatty() else "\n"
    if sys.stderr.isatty() or done % 20 == 0:
        print(f"{done}/{total}  {left_text:>12}  {text:<60}", end=end, file=sys.stderr, flush=True)


def by_round(samples, server, workload):
    return {number: sample for (number, w, name), sample in samples.items()
            if w == workload and name == server}


def table(samples, workload, names):
    lines = [f"### {workload.label}", "",
             "| server | requests/s | p50 us | p99 us | CPU us/request | memory MB | errors |",
             "|---|--:|--:|--:|--:|--:|--:|"]
    for name in names:
        runs = list(by_round(samples, name, workload).values())
        if not runs:
            continue
        lines.append("| " + " | ".join((
            name, spread([s.requests_s for s in runs], "{:.0f}"), spread([s.p50_us for s in runs], "{:.0f}"),
            spread([s.p99_us for s in runs], "{:.0f}"), spread([s.cpu_us for s in runs]),
            f"{max(s.memory_kb for s in runs) / 1024:.1f}", str(sum(s.errors for s in runs)))) + " |")
    return lines + [""]


def headlines(samples, workloads):
    lines = []
    for what, attribute, connections, mode, size, peer in HEADLINES:
        for workload in workloads:
            if (workload.connections, workload.mode, workload.bytes) != (connections, mode, size):
                continue
            ours, theirs = by_round(samples, SUBJECT, workload), by_round(samples, peer, workload)
            ratios = [getattr(ours[n], attribute) / getattr(theirs[n], attribute)
                      for n in ours if n in theirs and getattr(theirs[n], attribute) > 0]
            if ratios:
                best = max if attribute == "requests_s" else min
                mine, its = (best(getattr(run, attribute) for run in side.values())
                             for side in (ours, theirs))
                lines.append(f"| {what}, {workload.label} | {peer} | {spread(ratios, '{:.3f}')} | "
                             f"{mine / its:.3f} |")
    if not lines:
        return []
    return [f"## {SUBJECT} compared", "", "| what | with | ratio | of the best runs |", "|---|---|--:|--:|"] + lines + [""]


def markdown(samples, workloads, servers, notes, how):
    names = [server.row.name for server in servers]
    lines = ["# Load test", "", f"{machine()}.", f"{how}  Figures: median (least-greatest).", ""]
    lines += headlines(samples, workloads)
    lines += ["## Each workload", ""]
    for workload in workloads:
        lines += table(samples, workload, names)
    lines += ["## Versions and commands", ""]
    for server in servers:
        lines += [f"- {server.row.name}: {server.version or 'made here'}",
                  f"  `{server.commands[0]}`"]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def write_csv(path, samples):
    with open(path, "w", newline="", encoding="ascii") as file:
        rows = csv.writer(file)
        rows.writerow(("round", "server", "bytes", "connections", "mode", "requests_s", "p50_us", "p99_us",
                       "cpu_us_per_request", "memory_kb", "errors"))
        for (number, workload, name), s in samples.items():
            rows.writerow((number, name, workload.bytes, workload.connections, workload.mode, s.requests_s,
                           s.p50_us, s.p99_us, round(s.cpu_us, 3), s.memory_kb, s.errors))
