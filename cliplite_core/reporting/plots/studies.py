"""Figures of notebook 08: quality over what a study varies, and what the objectives cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from cliplite_core.evaluation.cost import EXPONENTS
from cliplite_core.evaluation.quality import MEASURES
from cliplite_core.reporting.figures import COLORS, COLUMN, GREY, LABELS, MARKERS, PAGE
from cliplite_core.reporting.metrics import half_width
from cliplite_core.reporting.plots.common import DOTS, SMALL, legend_below, made_of, plain_numbers, whiskers
from cliplite_core.reporting.tables import COSTS

DASHES = ("-", "--", ":", "-.")
APART = 1.04  # factor between the points of two objectives on a logarithmic axis, so that no whisker hides another


def tuning(trials: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the validation score of each trial, the best of each objective in a circle.

    Args:
        trials: from `studies.trials`.
    """
    tried = pd.DataFrame(trials).pivot_table("validation", "trial", "objective", sort=False)
    figure, axis = plt.subplots(figsize=(PAGE, 2.6))
    chosen = {"ms": 10, "mfc": "none", "mec": "black", "mew": 0.9}
    for step, objective in enumerate(tried):
        at = np.arange(len(tried)) + 0.16 * (step - 1)
        axis.plot(at, tried[objective], MARKERS[objective], ms=5, color=COLORS[objective], label=LABELS[objective])
    for step, objective in enumerate(tried):
        best = tried[objective].argmax()
        axis.plot(best + 0.16 * (step - 1), tried[objective].iloc[best], "o", label="chosen", **chosen)
    axis.set(ylabel=f"validation {MEASURES['retrieval']}", ylim=(0, 1.1 * tried.max(axis=None)))
    names = ["\n".join(fill(line, 16) for line in trial.splitlines()) for trial in tried.index]
    axis.set_xticks(range(len(tried)), names)
    legend_below(figure, axis)
    return figure


def batch_sizes(rows: pd.DataFrame, ends: Sequence[Mapping[str, Any]] = ()) -> Figure:
    """Draw quality against batch size: at equal pairs seen, and below that of longer trainings, where there are some.

    Args:
        rows: of the study `batch_size`, from `Experiment.frame`.
        ends: from `studies.plateaus`.
    """
    figure = plt.figure(figsize=(PAGE, 2.7 + 2.1 * bool(ends)))
    parts, measures = figure.subfigures(1 + bool(ends), 1, squeeze=False)[:, 0], rows["metric"].unique()
    for axis, measure in zip(_panels(parts[0], measures), measures, strict=True):
        curves(axis, rows[rows["metric"] == measure], "batch_size", "pairs per batch")
    entries = {LABELS[name]: _line(name) for name in rows["objective"].unique()}
    if ends:
        parts[0].suptitle("all runs have seen the same number of pairs", fontsize=9)
        parts[1].suptitle("trained longer; labels give the number of pairs seen", fontsize=9)
        for axis, measure in zip(_panels(parts[1], measures), measures, strict=True):
            _ends(axis, pd.DataFrame(ends), measure)
        for label, face in (("plateau", GREY), ("still rising at the longest training", "white")):
            entries[label] = Line2D([], [], linestyle="", marker="o", ms=5, color=GREY, mfc=face)
    _legend(parts[-1], entries, "top: " * bool(ends) + made_of(rows))
    return figure


def lengths(rows: pd.DataFrame) -> Figure:
    """Draw quality against the number of pairs seen, a line per objective and batch size.

    Args:
        rows: of the study `length`, from `Experiment.frame`.
    """
    measures, sizes = rows["metric"].unique(), dict(zip(sorted(rows["batch_size"].unique()), DASHES, strict=False))
    figure = _figure(measures)
    for axis, measure in zip(_panels(figure, measures), measures, strict=True):
        for size, dashes in sizes.items():
            mine = rows[(rows["metric"] == measure) & (rows["batch_size"] == size)]
            curves(axis, mine, "pairs", "pairs seen", linestyle=dashes)
    shown = {LABELS[name]: _line(name) for name in rows["objective"].unique()}
    if len(sizes) > 1:
        shown |= {f"batch of {size:g}": Line2D([], [], color=GREY, linestyle=dashes) for size, dashes in sizes.items()}
    _legend(figure, shown, made_of(rows))
    return figure


def rates(rows: pd.DataFrame) -> Figure:
    """Draw recall against the learning rate, a panel per batch size.

    Args:
        rows: of the study `batch_lr`, from `Experiment.frame`; `lr` is the rate before it follows the batch size.
    """
    rows = rows[rows["metric"] == "retrieval"]
    sizes = sorted(rows["batch_size"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(PAGE, 2.7), sharey=True, squeeze=False)
    for axis, size in zip(axes[0], sizes, strict=True):
        curves(axis, rows[rows["batch_size"] == size], "lr", "learning rate")
        axis.set_title(f"batches of {size:,.0f}")
        axis.label_outer()
    _from_zero(max(axes[0], key=lambda axis: axis.dataLim.y1))  # whose scale is everyone's
    legend_below(figure, axes[0, 0], said=made_of(rows))
    return figure


def negatives(rows: pd.DataFrame) -> Figure:
    """Draw quality against the number of negatives, with objectives that always use all of them as level lines.

    Args:
        rows: of the studies `negatives` and `objective`, from `Experiment.frame`.
    """
    measures = rows["metric"].unique()
    figure = _figure(measures)
    axes = _panels(figure, measures)
    for axis, measure in zip(axes, measures, strict=True):
        mine = rows[rows["metric"] == measure]
        varied = mine[mine["study"] == "negatives"]
        curves(axis, varied, "negatives", "negatives per pair")
        others = mine[(mine["study"] == "objective") & ~mine["objective"].isin(varied["objective"])]
        for other in others.itertuples():
            look = {"color": COLORS[other.objective], "linewidth": 1.2, "linestyle": "--"}
            axis.axhline(other.mean, label=f"{LABELS[other.objective]}, all negatives", **look)
            if other.ci95 > 0:
                axis.axhspan(*_within(other.mean, other.ci95), color=look["color"], alpha=0.12, linewidth=0)
        _from_zero(axis)
    legend_below(figure, axes[0], columns=3, said=made_of(rows))
    return figure


def shares(rows: pd.DataFrame) -> Figure:
    """Draw quality against the share of the training images.

    Args:
        rows: of the study `train_fraction`, from `Experiment.frame`.
    """
    measures, rows = rows["metric"].unique(), rows.assign(share=100 * rows["train_fraction"])
    figure = _figure(measures)
    axes = _panels(figure, measures)
    for axis, measure in zip(axes, measures, strict=True):
        curves(axis, rows[rows["metric"] == measure], "share", "images used (%)")
    legend_below(figure, axes[0], said=made_of(rows))
    return figure


def parts(base: Sequence[pd.Series], changes: Mapping[str, Sequence[pd.Series]]) -> Figure:
    """Draw what changing one part of the model does, as the difference from the base run.

    Args:
        base: scores of the base run, one series per seed, in percent.
        changes: name of a change -> differences from it, one series per seed, in points; as `studies.changed_parts`.
    """
    measures = [measure for measure in MEASURES if measure in base[0]]
    size, seeds = (PAGE, 1.2 + 0.34 * len(changes)), len(base)
    figure, axes = plt.subplots(1, len(measures), figsize=size, sharey=True, squeeze=False)
    look = {"color": COLORS["jsd"], "fmt": "o", "ms": 5, "elinewidth": 1, "capsize": 2}
    for axis, measure in zip(axes[0], measures, strict=True):
        for at, found in enumerate(changes.values(), start=1):
            values = pd.DataFrame(found)[measure]
            axis.errorbar(values.mean(), -at, xerr=half_width(values) or None, **look)
        widest = 1.1 * np.abs([axis.dataLim.x0, axis.dataLim.x1]).max()
        mean = pd.DataFrame(base)[measure].mean()
        axis.axvline(0, color=GREY, linewidth=1)
        axis.plot(0, 0, "D", ms=5, color=GREY)
        axis.annotate(f"{mean:.1f} %", (0, 0), (7, 0), textcoords="offset points", va="center", fontsize=8, color=GREY)
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.set(xlim=(-widest, widest), ylim=(-len(changes) - 0.6, 0.6))
        axis.set_title(MEASURES[measure].removesuffix(" (%)"))
    names = [change if len(change) < 30 else change.replace(": ", ":\n") for change in changes]
    axes[0, 0].set_yticks(-np.arange(len(changes) + 1), ["base run (its score)", *names])
    said = f"mean of {seeds} seeds, paired, 95 % intervals" if seeds > 1 else "one seed"
    figure.supxlabel(f"difference from the base run (points); CLIP-Lite, {said}", fontsize=SMALL)
    return figure


def cost(costs: pd.DataFrame, exponents: pd.DataFrame) -> Figure:
    """Draw time and memory of the objectives against the batch size, with the fitted exponents, to fill a column.

    Args:
        costs: from `cost.objective_costs`.
        exponents: from `cost.exponents`.
    """
    figure, axes = plt.subplots(2, 1, figsize=(COLUMN, 4.6), sharex=True)
    for axis, (kind, (label, scale)) in zip(axes, COSTS.items(), strict=True):
        for objective, taken in costs[kind].groupby(level="objective", sort=False):
            look = {"color": COLORS[objective], "marker": MARKERS[objective], "ms": 4}
            if objective == "infonce":  # its line nearly coincides with the sigmoid's, and shows around it
                look |= {"ms": 8, "mfc": "none"}
            look |= {"linestyle": "--" if objective == "sigmoid" else "-"}
            sizes, power = taken.index.unique("batch_size"), exponents.loc[objective, EXPONENTS[kind]]
            axis.loglog(sizes, scale * taken, label=f"{LABELS[objective]}: {power:.2f}", **look)
        axis.set(ylabel=label)
        plain_numbers(axis.yaxis)
        axis.set_ylim(top=30 * axis.get_ylim()[1])  # room for the legend, wherever the lines begin
        axis.legend(
            title="grows as B to the power of", loc="upper left", fontsize=SMALL, title_fontsize=SMALL, alignment="left"
        )
    _ticks(axes[-1], sizes, 4)
    axes[-1].set_xlabel("pairs per batch B")
    return figure


def curves(axis: Axes, rows: pd.DataFrame, x: str, xlabel: str, log: bool = True, linestyle: str = "-") -> None:
    """Draw one measure over a setting: a line per objective, with 95 % intervals, cut at 0 and 100 %, and single seeds.

    Args:
        axis: to draw on.
        rows: of one measure, from `Experiment.frame`.
        x: the label that varies.
        xlabel: its name.
        log: whether its axis is logarithmic.
        linestyle: of all lines.
    """
    for step, objective in enumerate(name for name in COLORS if name in set(rows["objective"])):
        mine, color = rows[rows["objective"] == objective].sort_values(x), COLORS[objective]
        places = mine[x] * (APART ** (step - 1) if log else 1)
        look = {"marker": MARKERS[objective], "ms": 4, "color": color, "linestyle": linestyle}
        axis.plot(places, mine["mean"], label=LABELS[objective], **look, zorder=2.2)
        if mine["ci95"].any():
            axis.errorbar(places, mine["mean"], whiskers(mine), fmt="none", ecolor=color, elinewidth=1, capsize=2)
        for place, values in zip(places, mine["values"], strict=True):
            if len(values) > 1:
                axis.plot([place] * len(values), values, "o", **DOTS | {"mec": color, "ms": 2.6, "zorder": 2.1})
    if log:
        _ticks(axis, sorted(rows[x].unique()), 2)
    axis.set(xlabel=xlabel, ylabel=MEASURES[rows["metric"].iloc[0]])
    _from_zero(axis)


def _ends(axis: Axes, ends: pd.DataFrame, measure: str) -> None:
    for objective in (name for name in COLORS if name in set(ends["objective"])):
        mine, color = ends[ends["objective"] == objective], COLORS[objective]
        axis.plot(mine["batch_size"], mine[measure], color=color)
        for end in mine.to_dict("records"):
            at, face = (end["batch_size"], end[measure]), color if end["reached"] else "white"
            axis.plot(*at, MARKERS[objective], ms=5, color=color, mfc=face)
            above = end[measure] >= ends.loc[ends["batch_size"] == end["batch_size"], measure].mean()
            offset = {"xytext": (0, 5 if above else -12), "textcoords": "offset points"}
            axis.annotate(_thousands(end["pairs"]), at, **offset, fontsize=7, ha="center")
    _ticks(axis, sorted(ends["batch_size"].unique()), 2)
    axis.set(xlabel="pairs per batch", ylabel=MEASURES[measure])
    axis.margins(x=0.15)
    _from_zero(axis, room=0.15)


def _line(objective: str) -> Line2D:
    """An objective's entry in a legend: its line and its marker, and no whisker."""
    return Line2D([], [], color=COLORS[objective], marker=MARKERS[objective], ms=4)


def _legend(figure: Figure | SubFigure, entries: Mapping[str, Line2D], said: str) -> None:
    look = {"loc": "outside lower center", "title": said, "title_fontsize": SMALL}
    figure.legend(entries.values(), entries, ncols=4 if figure.bbox.width > COLUMN * figure.dpi else 2, **look)


def _figure(measures: Sequence[str]) -> Figure:
    """One measure fills a column, several a page."""
    return plt.figure(figsize=(PAGE if len(measures) > 1 else COLUMN, 2.7))


def _panels(figure: Figure | SubFigure, measures: Sequence[str]) -> Sequence[Axes]:
    return figure.subplots(1, len(measures), squeeze=False)[0]


def _within(mean: float, half: float) -> tuple[float, float]:
    """Return the ends of an interval, as far as percentages go."""
    return max(0.0, mean - half), min(100.0, mean + half)


def _from_zero(axis: Axes, room: float = 0.06) -> None:
    """Let the y axis begin just below 0, where an interval may end, and end above all that is drawn."""
    top = axis.dataLim.y1
    axis.set_ylim(-0.03 * top, (1 + room) * top)


def _ticks(axis: Axes, values: Sequence[float], base: int) -> None:
    axis.set_xscale("log", base=base)
    axis.set_xticks(values, [_thousands(value) for value in values])
    axis.xaxis.set_minor_locator(NullLocator())


def _thousands(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 and value % 1000 == 0 else f"{value:,.10g}"
