"""The figure of a study of convergence: recall at the end, stopped at its best, and on the training images."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cliplite_core.reporting.figures import COLORS, LABELS, PAGE

STYLES = {"at the end": "-", "stopped at its best": ":"}  # as evaluation.convergence names them
KNOWN = "on training images"


def recall_by_length(rows: pd.DataFrame, images: int) -> Figure:
    """Draw recall against the length of training: held out on the left, on training images on the right.

    Args:
        rows: of one study, from `Experiment.frame`, with `pairs` seen; whiskers are 95 % intervals over seeds.
        images: of the training split, which makes pairs epochs.
    """
    figure, (held_out, known) = plt.subplots(1, 2, figsize=(PAGE, 3.0), width_ratios=[1.35, 1])
    for metric, style in STYLES.items():
        _lines(held_out, rows[rows["metric"] == metric], rows, images, "pairs", linestyle=style)
    _lines(known, rows[rows["metric"] == KNOWN], rows, images, "pairs", linestyle="-")
    epochs = sorted(rows["pairs"].unique() / images)
    for axis, title in ((held_out, "held-out photos"), (known, "training photos")):
        axis.set_xscale("log", base=2)
        axis.set_xticks(epochs, [f"{epoch:g}" for epoch in epochs])
        axis.minorticks_off()
        axis.set(xlabel="epochs, each with its own schedule", title=title)
    held_out.set_ylabel("R@10, mean of both directions (%)")
    entries = [Line2D([], [], color=COLORS[name], marker="o", ms=4, label=LABELS[name]) for name in COLORS]
    entries += [Line2D([], [], color="black", linestyle=style, label=name) for name, style in STYLES.items()]
    figure.legend(handles=entries, loc="outside lower center", ncols=3)
    return figure


def recall_by_share(rows: pd.DataFrame) -> Figure:
    """Draw held-out recall against the share of the training images, at the end and stopped at its best.

    Args:
        rows: of one study, from `Experiment.frame`, with `train_fraction`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.8), sharey=True)
    for axis, metric in zip(axes, STYLES, strict=True):
        _lines(axis, rows[rows["metric"] == metric], rows, 0.01, "train_fraction", linestyle="-")
        axis.set(title=metric, xlabel="share of the training photos (%)", xscale="log")
        shares = sorted(100 * rows["train_fraction"].unique())
        axis.set_xticks(shares, [f"{share:g}" for share in shares])
        axis.minorticks_off()
    axes[0].set_ylabel("R@10, held out (%)")
    entries = [Line2D([], [], color=COLORS[name], marker="o", ms=4, label=LABELS[name]) for name in COLORS]
    figure.legend(handles=entries, loc="outside lower center", ncols=3)
    return figure


def _lines(axis: Axes, rows: pd.DataFrame, all_rows: pd.DataFrame, unit: float, x: str, **look: Mapping) -> None:
    for objective in (name for name in COLORS if name in set(all_rows["objective"])):
        mine = rows[rows["objective"] == objective].sort_values(x)
        held = {"color": COLORS[objective], "marker": "o", "ms": 4, "capsize": 2, "elinewidth": 1}
        axis.errorbar(mine[x] / unit, mine["mean"], yerr=mine["ci95"].fillna(0), **held, **look)
