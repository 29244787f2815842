# SPDX-License-Identifier: MIT
"""Figures as text, and pages: one a part, and the front page over all of them."""
import csv
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median

import plots
from peers import SUBJECT
from servers import CORES

SAMPLE = ("requests", "requests_s", "p50_us", "p99_us", "cpu_us_per_request", "peak_memory_kb", "errors")
SUMMARY = "summary.json"


@dataclass(frozen=True)
class Headline:
    """A row of the front page."""
    document: str  # its letter, or a dash
    claim: str
    ours: str
    ratio: str


# --- figures

def spread(values, form="{:.1f}"):
    """Median and, when there are several, (least-greatest)."""
    text = form.format(median(values))
    if len(values) > 1:
        text += f" ({form.format(min(values))}-{form.format(max(values))})"
    return text


def bar(values):
    return (median(values), min(values), max(values)) if len(values) > 1 else (values[0],)


def sorted_bars(rows):
    return dict(sorted(rows.items(), key=lambda row: row[1][0], reverse=True))


def values(s):
    """Of a Sample, as SAMPLE names them."""
    return s.requests, s.requests_s, s.p50_us, s.p99_us, round(s.cpu_us, 3), s.memory_kb, s.errors


def cells(samples):
    """CPU, latencies, memory and errors of Samples."""
    return (spread([s.cpu_us for s in samples]), spread([s.p50_us for s in samples], "{:.0f}"),
            spread([s.p99_us for s in samples], "{:.0f}"), f"{max(s.memory_kb for s in samples) / 1024:.1f}",
            str(sum(s.errors for s in samples)))


def workload_table(workload, samples):
    lines = [f"### {workload.label}", "",
             "| server | requests/s | CPU us/request | p50 us | p99 us | peak memory MB | errors |", "|---|" + "--:|" * 6]
    for name, runs in samples.items():
        found = list(runs.values())
        lines.append(f"| {name} | {spread([s.requests_s for s in found], '{:,.0f}')} | "
                     + " | ".join(cells(found)) + " |")
    return lines + [""]


def ratios_of(samples, figure, peer):
    """Ours over the peer's, within each round: what else the machine does weighs on both sides."""
    ours, theirs = samples.get(SUBJECT, {}), samples.get(peer, {})
    return [figure(ours[n]) / figure(theirs[n]) for n in ours if n in theirs and figure(theirs[n]) > 0]


def ratios(samples, attribute, peer):
    return ratios_of(samples, lambda s: getattr(s, attribute), peer)


def named_ratios(samples, figures):
    """Of all peers, for summary.json.  `figures`: (what, a function of a sample) each."""
    found = {f"{what}, {peer}": ratios_of(samples, figure, peer) for peer in samples if peer != SUBJECT
             for what, figure in figures}
    return {label: ratios for label, ratios in found.items() if ratios}


def compared(samples, figures, title=f"## {SUBJECT} compared"):
    """A table of ratios of our figures over each peer's.  `figures`: (what, a function of a sample) each."""
    lines = [title, "", "| with | " + " | ".join(what for what, _ in figures) + " |", "|---|" + "--:|" * len(figures)]
    for peer in samples:
        found = [ratios_of(samples, figure, peer) for _, figure in figures]
        if peer != SUBJECT and all(found):
            lines.append(f"| {peer} | " + " | ".join(spread(ratio, "{:.3f}") for ratio in found) + " |")
    return lines + [""] if len(lines) > 4 else []


# --- the machine

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


# --- a part's page

def write_table(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def draw(module, done, folder, notes):
    """The names of the plots."""
    if not plots.is_there:
        notes.append(plots.MISSING)
        return []
    try:
        return module.draw(done, folder)
    except (ValueError, KeyError, IndexError) as error:  # of a part that had no time for what it shows
        notes.append(f"no plots: {error!r}")
        return []


def bullets(context):
    lines = ["## Versions and commands", ""]
    for name, (version, command) in context.seen.items():
        lines += [f"- {name}: {version}"] + [f"  `{command}`"] * bool(command)
    lines += ["", "## What did not take part, or was left out", ""]
    said = [f"- {name} did not take part: {why}" for name, why in context.absent.items()]
    said += [f"- {text}" for text in context.left_out + context.notes]
    return lines + (said or ["Nothing."])


def write_part(part, module, context, done, folder):
    """Everything of a part into its folder.  `done`: what the part's run has returned; None if there is nothing."""
    lines = [f"# {module.TITLE}", "", f"{time.strftime('%Y-%m-%d %H:%M')}; {machine()}.  `{shlex.join(sys.argv)}`; "
             "figures: median (least-greatest).", ""]
    headlines = []
    if done is not None:
        for name, (header, rows) in module.tables(done).items():
            write_table(os.path.join(folder, name + ".csv"), header, rows)
        images = draw(module, done, folder, context.notes)
        lines += [text for name in images for text in (f"![{name}]({name})", "")] + module.page(done)
        headlines = module.headlines(done)
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines + bullets(context)) + "\n")
    with open(os.path.join(folder, SUMMARY), "w", encoding="utf-8") as file:
        json.dump({"title": module.TITLE, "when": time.strftime("%Y-%m-%d %H:%M"), "mode": context.turns.mode,
                   "ratios": module.ratios(done) if done is not None and hasattr(module, "ratios") else {},
                   "headlines": [asdict(one) for one in headlines], "absent": context.absent,
                   "left_out": context.left_out + context.notes,
                   "picture": module.picture(done) if done is not None and hasattr(module, "picture") else {}}, file)


# --- the front page

FRONT = """# Results

One row a document that is compared here: what it claims, what scrubjay does, and the ratio that says how far apart
they are: more than 1 is better for scrubjay.  Ratios are medians of those within a round (least-greatest).
`bench/README.md` says how each is measured, and what is unfair about it.
"""
PICTURE = "requests-per-cpu-second.png"


def read_summaries(out, parts):
    """By part; None for one that has not been run."""
    summaries = {}
    for part in parts:
        try:
            with open(os.path.join(out, part.name, SUMMARY), encoding="utf-8") as file:
                summaries[part.name] = json.load(file)
        except FileNotFoundError:
            summaries[part.name] = None
    return summaries


def draw_picture(out, summaries):
    rows = next((said["picture"] for said in summaries.values() if said and said["picture"]), None)
    if not rows or not plots.is_there:
        return []
    plots.bars(os.path.join(out, PICTURE), "A file of 1 KB, 64 connections: what a second of CPU time is good for",
               plots.Axis("requests per CPU second"), sorted_bars(rows))
    return [f"![Requests per CPU second of each server]({PICTURE})", ""]


def front_table(summaries):
    lines = ["| document | its claim | here | ratio | page |", "|---|---|---|--:|---|"]
    for name, said in summaries.items():
        for one in said["headlines"] if said else ():
            lines.append(f"| {one['document']} | {one['claim']} | {one['ours']} | {one['ratio']} "
                         f"| [{name}]({name}/README.md) |")
    return lines + [""]


def front_parts(summaries):
    lines = ["## What was run", "", "| part | when | did not take part, or was left out |", "|---|---|---|"]
    for name, said in summaries.items():
        if said is None:
            lines.append(f"| {name} | | not run |")
            continue
        missing = [f"{peer}: {why}" for peer, why in said["absent"].items()]
        missing += [text.partition(" workloads: ")[0] for text in said["left_out"]]
        lines.append(f"| [{name}]({name}/README.md): {said['title']} | {said['when']}{', quick' * (said['mode'] == 'quick')} | "
                     + "; ".join(missing).replace("|", "/").replace("\n", " ") + " |")
    return lines + [""]


def write_front(out, parts):
    summaries = read_summaries(out, parts)
    lines = [FRONT] + draw_picture(out, summaries) + front_table(summaries) + front_parts(summaries)
    lines += ["Documents: A, an actor server against Gunicorn + WhiteNoise; B, a log evaluator, and nginx's table by CPUs and "
              "sizes; C, Rust against Python on a small machine; D, six I/O models; E, long tasks inside Tornado.  "
              "Their figures are of other machines.", "", f"This machine: {machine()}."]
    path = os.path.join(out, "README.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path
