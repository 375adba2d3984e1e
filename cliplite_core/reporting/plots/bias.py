"""Figures of notebook 07: who is on the images, how close queries lie to them, and every measure before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cliplite_core.evaluation.bias_measures import COSTS
from cliplite_core.evaluation.bias_probes import PROBES
from cliplite_core.evaluation.gender import People
from cliplite_core.reporting.figures import COLORS, GREY, LABELS, PAGE
from cliplite_core.reporting.measures import BIAS_NAMES
from cliplite_core.reporting.metrics import half_width
from cliplite_core.reporting.plots.common import SMALL, bars, legend_below, made_of, picture

Results = Mapping[tuple[str, str], Sequence[Mapping[str, np.ndarray | float]]]  # objective, treatment = one per seed
SIDES = {"to women": 0.25, "to men": 1.0}  # share of the objective's colour in a bar, the rest is white
SEEN = {  # what queries see: title and axis of a panel
    "gap": ("gap: how far apart a query\nholds men and women", "cosine × 100"),
    "planted gap": ("planted gap: how much nearer\nis the usual gender", "cosine × 100"),
    "MaxSkew": ("MaxSkew: how much one\ngender is in front", "ln (share / expected)"),
}


def people_grid(people: People, columns: int = 8) -> Figure:
    """Show the first images of women above the first images of men.

    Args:
        people: from `find_people`.
        columns: images of each.
    """
    figure, axes = plt.subplots(2, columns, figsize=(PAGE, 1.9), squeeze=False)
    for line, name in zip(axes, ("woman", "man"), strict=True):
        line[0].text(-0.08, 0.5, name, rotation=90, va="center", ha="right", transform=line[0].transAxes)
        shown = np.flatnonzero(people.gender == name)[:columns]
        for axis, row in zip(line, shown, strict=False):
            picture(axis, people.images[row].path)
        for axis in line[len(shown) :]:
            axis.axis("off")
    return figure


def by_query(results: Results) -> pd.DataFrame:
    """Return mean and 95 % interval over queries of what queries see, after a mean over seeds.

    Args:
        results: objective, treatment = one result of `seen_by_queries` per seed, perhaps with numbers beside it.

    Returns:
        One line per objective, treatment and metric, with the columns that `bars` draws; it has no single seeds.
    """
    lines = []
    for (objective, treatment), seeds in results.items():
        for metric in (name for name, found in seeds[0].items() if np.ndim(found) == 1):
            means = np.mean([of_seed[metric] for of_seed in seeds], axis=0)  # shape: (queries,)
            lines.append((objective, treatment, metric, means.mean(), half_width(means), None, np.nan))
    return pd.DataFrame(lines, columns=["objective", "treatment", "metric", "mean", "ci95", "values", "chance"])


def alignment_bars(results: Results, k: int) -> Figure:
    """Draw how close queries lie to women and to men, a panel per objective: the paper's picture.

    Args:
        results: as for `by_query`.
        k: the nearest images that are compared.
    """
    found = by_query(results)
    figure, axes = plt.subplots(1, len(COLORS), figsize=(PAGE, 2.6))
    for axis, (objective, color) in zip(axes, COLORS.items(), strict=True):
        for step, (side, share) in enumerate(SIDES.items()):
            mine = found[(found["objective"] == objective) & (found["metric"] == side)]
            at = np.arange(len(mine)) + 0.4 * (step - 0.5)
            look = {"facecolor": _paler(color, share), "edgecolor": color, "linewidth": 0.8, "ecolor": "black"}
            axis.bar(at, mine["mean"], 0.4, yerr=mine["ci95"], error_kw={"elinewidth": 1}, **look)
        axis.set(xticks=range(len(mine)), xticklabels=mine["treatment"], title=LABELS[objective])
        axis.axhline(0, color="black", linewidth=0.8)
        axis.grid(axis="x")
    axes[0].set_ylabel(f"mean cosine × 100\nto the {k} nearest images")
    handles = [plt.Rectangle((0, 0), 1, 1, fc=_paler(GREY, share), ec=GREY) for share in SIDES.values()]
    queries = len(next(iter(results.values()))[0]["to men"])
    said = f"mean of {queries} queries, 95 % intervals over them; each panel has its own scale"
    look = {"loc": "outside lower center", "ncols": 2, "title": said, "title_fontsize": SMALL}
    figure.legend(handles, SIDES, **look)
    return figure


def _paler(color: str, share: float) -> tuple[float, ...]:
    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def removal_grid(results: Results, rows: pd.DataFrame, by_colour: float) -> Figure:
    """Draw every measure before and after, a line of panels per question; a measure that is not there has no panel.

    Args:
        results: as for `by_query`.
        rows: of `Experiment.frame`, for the measures that are one number per seed.
        by_colour: how often colours alone tell gender, in percent, from `read_by_colour`.
    """
    measured = pd.concat([by_query(results), rows[rows["metric"].isin([*PROBES, *COSTS])]])
    lines = [[name for name in line if name in set(measured["metric"])] for line in (SEEN, PROBES, COSTS)]
    figure = plt.figure(figsize=(PAGE, 6.4))
    grid = figure.add_gridspec(len(lines), 6)  # a line has one, two or three panels
    for row, metrics in enumerate(lines):
        for place, metric in enumerate(metrics):
            width = 6 // len(metrics)
            axis = figure.add_subplot(grid[row, place * width : (place + 1) * width])
            panel(axis, measured[measured["metric"] == metric], metric, by_colour)
            if metric == PROBES[-1]:
                said = made_of(rows[rows["metric"].isin([*PROBES[:2], *COSTS])])
                legend_below(figure, axis, 3, f"top: 95 % intervals over queries; below: {said}")
    return figure


def panel(axis: Axes, rows: pd.DataFrame, metric: str, by_colour: float) -> None:
    """Draw one measure, its treatments side by side, and say what it is.

    Args:
        axis: to draw on.
        rows: of this metric, one per objective and treatment.
        metric: its name.
        by_colour: as for `removal_grid`.
    """
    bars(axis, rows, "treatment")
    axis.autoscale(axis="y")  # a gap may be negative
    axis.axhline(0, color="black", linewidth=0.8)
    if metric in PROBES[1:]:
        axis.axhline(by_colour, color=GREY, linestyle="--", linewidth=1, label="linear probe on colour counts")
    told = (BIAS_NAMES[metric], "gender read (%)") if metric in PROBES else (metric, "found (%)")
    title, label = SEEN.get(metric, told)
    alone = metric == PROBES[-1] and all(len(values) == 1 for values in rows["values"])
    if alone:
        title = title.replace(",", " (one seed),", 1)
    axis.set(title=title.replace(", ", ",\n"), ylabel=label)
