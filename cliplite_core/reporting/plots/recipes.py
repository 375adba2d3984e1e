"""The figure of a chain of recipes: what each step from one way of training to another does to every objective."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliplite_core.evaluation.quality import MEASURES
from cliplite_core.reporting.figures import COLORS, LABELS, MARKERS, PAGE
from cliplite_core.reporting.metrics import half_width
from cliplite_core.reporting.plots.common import legend_below
from cliplite_core.reporting.tables import interval

APART = 0.13  # between the objectives of one step


def recipes(rows: pd.DataFrame) -> Figure:
    """Draw quality at each step of the chain, from the top down; below, CLIP-Lite's last step less CLIP's first.

    Args:
        rows: of one study, from `Experiment.frame`, with `step` in the order of the chain; whiskers are 95 % intervals.
    """
    measures, steps = rows["metric"].unique(), rows["step"].unique()
    figure, axes = plt.subplots(1, len(measures), figsize=(PAGE, 1.1 + 0.36 * len(steps)), sharey=True, squeeze=False)
    for axis, measure in zip(axes[0], measures, strict=True):
        mine = rows[rows["metric"] == measure]
        _steps(axis, mine)
        axis.set_title(MEASURES[measure], fontsize=8)
        axis.set_xlabel(_ends(mine), fontsize=8)
    axes[0, 0].set_yticks(range(len(steps)), ["+ " * (number > 0) + step for number, step in enumerate(steps)])
    axes[0, 0].set_ylim(len(steps) - 0.5, -0.5)
    legend_below(figure, axes[0, 0])
    return figure


def _steps(axis: Axes, rows: pd.DataFrame) -> None:
    present = [name for name in COLORS if name in set(rows["objective"])]
    for number, objective in enumerate(present):
        mine = rows[rows["objective"] == objective]
        y = np.arange(len(mine)) + APART * (2 * number - len(present) + 1)
        look = {"color": COLORS[objective], "marker": MARKERS[objective], "ms": 4, "capsize": 2, "elinewidth": 1}
        axis.errorbar(mine["mean"], y, xerr=mine["ci95"].fillna(0), lw=1, label=LABELS[objective], **look)
    axis.set_xlim(left=0)
    axis.grid(axis="y")


def _ends(rows: pd.DataFrame) -> str:
    """Say how far CLIP-Lite at the end of the chain is ahead of CLIP at its beginning, paired by seed."""
    ends = rows.query("objective == 'jsd'").iloc[-1], rows.query("objective == 'infonce'").iloc[0]
    gaps = np.subtract(*(end["values"] for end in ends))
    size = interval(gaps.mean(), half_width(gaps) if len(gaps) > 1 else None)
    return f"last less first:\n{'+' if gaps.mean() > 0 else ''}{size}".replace("-", "−")
