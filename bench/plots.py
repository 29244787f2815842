# SPDX-License-Identifier: MIT
"""Plots as PNG files: lines over a quantity, bars by name.  scrubjay has the same colour in all of them.

A point or a bar is (value,) or (value, least, greatest).  Without matplotlib `is_there` is false, and nothing here may
be called.
"""
from typing import NamedTuple

try:
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker
    is_there = True
except ImportError:
    is_there = False

MISSING = "no plots: matplotlib is missing (apt-get install python3-matplotlib)"
SUBJECT, SUBJECT_COLOUR = "scrubjay", "#0072b2"
COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c3e", "#888888", "#000000", "#8a2be2", "#b8b000")
MARKERS = "sD^vPX<>*"


class Axis(NamedTuple):
    label: str  # with its unit
    scale: str = "linear"  # or "log"
    ticks: tuple = ()  # of a few values that were measured: these and no others


def style(names):
    """name: (colour, marker), in the order given; more than ten beside scrubjay look alike."""
    others = [name for name in names if name != SUBJECT]
    styles = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(others)}
    styles[SUBJECT] = (SUBJECT_COLOUR, "o")
    return styles


def number(value, _=None):
    """1500000: 1.5 M; 12000: 12 k; 0.02: 0.02."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if unit == ' k' else limit):.3g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def scale_axis(axis, wanted):
    """`axis`: pyplot's x or y axis; `wanted`: an Axis."""
    axis.set_label_text(wanted.label)
    axis.set_major_formatter(ticker.FuncFormatter(number))
    if wanted.scale == "log":
        axis.set_minor_formatter(ticker.NullFormatter())
    if wanted.ticks:
        axis.set_major_locator(ticker.FixedLocator(wanted.ticks))
        axis.set_minor_locator(ticker.NullLocator())


def frame(title, size, x, y):
    figure, axes = pyplot.subplots(figsize=size)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xscale(x.scale)
    axes.set_yscale(y.scale)
    scale_axis(axes.xaxis, x)
    scale_axis(axes.yaxis, y)
    axes.grid(True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def label_between(figure):
    """Where a logarithmic axis has hardly a power of ten: 2 and 5 as well."""
    for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
        least, greatest = axis.get_view_interval()
        if axis.get_scale() == "log" and greatest < 100 * least and not isinstance(axis.get_major_locator(),
                                                                                   ticker.FixedLocator):
            axis.set_minor_locator(ticker.LogLocator(subs=(2, 5)))
            axis.set_minor_formatter(ticker.FuncFormatter(number))
            axis.set_tick_params(which="both", length=3.5, pad=3.5)


def save(figure, path):
    label_between(figure)
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)


def lines(path, title, x, y, series):
    """`series`: {name: {x: (value[, least, greatest])}}; least to greatest is a shade, the legend stands beside."""
    figure, axes = frame(title, (8.5, 5), x, y)
    styles = style(series)
    for name, points in series.items():
        colour, marker = styles[name]
        at, rows = sorted(points), [points[key] for key in sorted(points)]
        axes.plot(at, [row[0] for row in rows], color=colour, marker=marker, markersize=5, label=name,
                  linewidth=2.6 if name == SUBJECT else 1.5, zorder=3 if name == SUBJECT else 2)
        if all(len(row) == 3 for row in rows):
            axes.fill_between(at, [row[1] for row in rows], [row[2] for row in rows], color=colour, alpha=0.12, linewidth=0)
    if y.scale == "linear":
        axes.set_ylim(0, axes.get_ylim()[1] * 1.03)
    ends = {name: points[max(points)][0] for name, points in series.items()}
    handles = dict(zip(*reversed(axes.get_legend_handles_labels())))
    names = sorted(handles, key=ends.get, reverse=True)  # as the lines end, from the top
    axes.legend([handles[name] for name in names], names, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    save(figure, path)


def bars(path, title, axis, rows):
    """`rows`: {name: (value[, least, greatest])}, from the top; each bar has its value beside it."""
    figure, axes = frame(title, (8.5, 0.8 + 0.42 * len(rows)), axis, Axis(""))
    values = [row[0] for row in rows.values()]
    spread = [[row[0] - row[1], row[2] - row[0]] if len(row) == 3 else [0, 0] for row in rows.values()]
    axes.barh(range(len(rows)), values, 0.7, xerr=list(zip(*spread)), color=[
        SUBJECT_COLOUR if name == SUBJECT else "#b0b7bd" for name in rows], error_kw={"elinewidth": 1, "ecolor": "#444444"})
    for i, row in enumerate(rows.values()):
        axes.annotate(number(row[0]), (row[-1], i), (5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.yaxis.set_major_locator(ticker.FixedLocator(range(len(rows))))
    axes.yaxis.set_major_formatter(ticker.FixedFormatter(list(rows)))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.margins(x=0.12)
    save(figure, path)


def panels(path, title, x, y, quantiles):
    """Lines side by side, by the name of the panel; `quantiles`: {panel: series as in lines}."""
    figure, all_axes = pyplot.subplots(1, len(quantiles), figsize=(4 * len(quantiles) + 2, 4.4), sharey=True, squeeze=False)
    styles = style(dict.fromkeys(name for series in quantiles.values() for name in series))
    for axes, (panel, series) in zip(all_axes[0], quantiles.items()):
        axes.set_title(panel, fontsize=10)
        axes.set_xscale(x.scale)
        axes.set_yscale(y.scale)
        scale_axis(axes.xaxis, x)
        scale_axis(axes.yaxis, y if axes is all_axes[0][0] else y._replace(label=""))
        axes.grid(True, color="#dddddd", linewidth=0.6)
        for name, points in series.items():
            colour, marker = styles[name]
            at, rows = sorted(points), [points[key] for key in sorted(points)]
            axes.plot(at, [row[0] for row in rows], color=colour, marker=marker, markersize=5, label=name,
                      linewidth=2.6 if name == SUBJECT else 1.5, zorder=3 if name == SUBJECT else 2)
    handles = dict(zip(*reversed(all_axes[0][0].get_legend_handles_labels())))
    all_axes[0][-1].legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    figure.suptitle(title, x=0.08, ha="left", fontsize=11)
    save(figure, path)


def dots(path, title, axis, groups):
    """A line a group, a dot a name on it; `groups`: {group: {name: (value[, least, greatest])}}, from the top.  For what
    is apart by powers of ten, where the length of a bar says nothing."""
    figure, axes = frame(title, (8.5, 1 + 0.36 * len(groups)), axis, Axis(""))
    styles, labelled = style(dict.fromkeys(name for rows in groups.values() for name in rows)), set()
    for at, rows in enumerate(groups.values()):
        for name, row in rows.items():
            colour, marker = styles[name]
            axes.plot([row[1], row[2]] if len(row) == 3 else [row[0]] * 2, [at, at], color=colour, linewidth=1.5, zorder=2)
            axes.plot([row[0]], [at], marker, color=colour, markersize=9 if name == SUBJECT else 7, alpha=0.9, zorder=3,
                      label=None if name in labelled else name)
            labelled.add(name)
    axes.yaxis.set_major_locator(ticker.FixedLocator(range(len(groups))))
    axes.yaxis.set_major_formatter(ticker.FixedFormatter(list(groups)))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    if len(labelled) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    save(figure, path)
