"""The figure of the reproduction report: every difference from a published number, as a share of what is allowed."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cliplite_core.reporting.figures import COLORS, GREY, PAGE
from cliplite_core.reporting.plots.common import legend_below
from cliplite_core.reporting.reproduction import OUTSIDE, WITHIN, shares_of_allowed

REACH = 2.5  # of the axis; what lies beyond is drawn at its edge


def differences(compared: pd.DataFrame) -> Figure:
    """Draw one dot per number, one row per experiment; the grey band is what other seeds explain.

    Args:
        compared: from `reproduction.reproduction`, not empty; numbers of the same value are left out.
    """
    experiments = list(compared["experiment"].unique())
    figure, axis = plt.subplots(figsize=(PAGE, 1.1 + 0.27 * len(experiments)))
    axis.axvspan(-1, 1, color="#E6E6E6", zorder=0, label="allowed")
    axis.axvline(0, color=GREY, linewidth=0.8)
    for verdict, color in ((WITHIN, COLORS["jsd"]), (OUTSIDE, COLORS["infonce"])):
        lines = compared[compared["verdict"] == verdict]
        if len(lines):
            share = shares_of_allowed(lines).clip(-REACH, REACH)
            rows = lines["experiment"].map(experiments.index)
            spread = (np.arange(len(lines)) * 0.618 % 1 - 0.5) / 2  # the same for the same table
            axis.plot(share, rows + spread, "o", ms=3, mew=0, alpha=0.7, color=color, label=verdict, clip_on=False)
    axis.set_yticks(range(len(experiments)), experiments)
    axis.set(xlim=(-REACH, REACH), ylim=(len(experiments) - 0.5, -0.5), xlabel="difference ÷ allowed difference")
    axis.grid(axis="y", visible=False)
    legend_below(figure, axis)
    return figure
