"""Figures of named ways to train: what each step of a chain of recipes does, and what each optimiser does."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliplite_core.reporting.figures import COLORS, LABELS, MARKERS, PAGE
from cliplite_core.reporting.measures import METRICS
from cliplite_core.reporting.metrics import half_width
from cliplite_core.reporting.plots.common import legend_below, made_of, whiskers
from cliplite_core.reporting.tables import MINUS, interval

APART = 0.13  # between the objectives of one line


def recipes(rows: pd.DataFrame) -> Figure:
    """Draw quality at each step of the chain, from the top down; below, CLIP-Lite's last step minus CLIP's first.

    Args:
        rows: of one study, from `Experiment.frame`, with `step` in the order of the chain; whiskers are 95 % intervals.
    """
    figure = _named(rows)
    for axis, measure in zip(figure.axes, rows["metric"].unique(), strict=True):
        axis.set_xlabel(_ends(rows[rows["metric"] == measure]), fontsize=8)
    steps = rows["step"].unique()
    figure.axes[0].set_yticks(range(len(steps)), ["+ " * (number > 0) + step for number, step in enumerate(steps)])
    return figure


def optimizers(rows: pd.DataFrame) -> Figure:
    """Draw quality by optimiser, a line each.

    Args:
        rows: of one study, from `Experiment.frame`, with `step` as the optimiser; whiskers are 95 % intervals.
    """
    return _named(rows)


def _named(rows: pd.DataFrame) -> Figure:
    measures, steps = rows["metric"].unique(), rows["step"].unique()
    figure, axes = plt.subplots(1, len(measures), figsize=(PAGE, 1.4 + 0.36 * len(steps)), sharey=True, squeeze=False)
    for axis, measure in zip(axes[0], measures, strict=True):
        _dots(axis, rows[rows["metric"] == measure])
        axis.set_title(f"{METRICS[measure]} (%)", fontsize=8)
    axes[0, 0].set_yticks(range(len(steps)), steps)
    axes[0, 0].set_ylim(len(steps) - 0.5, -0.5)
    legend_below(figure, axes[0, 0], said=made_of(rows, dots=False))
    return figure


def _dots(axis: Axes, rows: pd.DataFrame) -> None:
    present = [name for name in COLORS if name in set(rows["objective"])]
    for number, objective in enumerate(present):
        mine = rows[rows["objective"] == objective]
        y = np.arange(len(mine)) + APART * (2 * number - len(present) + 1)
        look = {"color": COLORS[objective], "marker": MARKERS[objective], "ms": 4, "linestyle": ""}
        axis.plot(mine["mean"], y, label=LABELS[objective], **look)
        axis.errorbar(
            mine["mean"], y, xerr=whiskers(mine), fmt="none", ecolor=COLORS[objective], elinewidth=1, capsize=2
        )
    axis.set_xlim(0, 1.05 * axis.dataLim.x1)
    axis.grid(axis="y")


def _ends(rows: pd.DataFrame) -> str:
    """Say how far CLIP-Lite at the end of the chain is ahead of CLIP at its beginning, paired by seed."""
    ends = rows.query("objective == 'jsd'").iloc[-1], rows.query("objective == 'infonce'").iloc[0]
    gaps = np.subtract(*(end["values"] for end in ends))
    size = interval(gaps.mean(), half_width(gaps) if len(gaps) > 1 else None)
    return f"CLIP-Lite's last step\n{MINUS} CLIP's first:\n{'+' if gaps.mean() > 0 else ''}{size}"
