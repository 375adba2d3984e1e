"""The figures of convergence: recall at the end, stopped at its best, and on the training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliplite_core.evaluation.convergence import BEST, END, KNOWN
from cliplite_core.evaluation.reach import GOAL, PAIRS, TAKEN
from cliplite_core.reporting.figures import COLORS, LABELS, MARKERS, PAGE, SMALLEST
from cliplite_core.reporting.plots.common import legend_below, plain_numbers

TITLES = {END: "held out, at the end", BEST: "held out, stopped at its best", KNOWN: "training photos, at the end"}


def recall_by_length(rows: pd.DataFrame, images: int) -> Figure:
    """Draw recall against the length of training: held out, at the end and at its best, and on training images.

    Args:
        rows: of one study, from `Experiment.frame`, with `pairs` seen; bands are 95 % intervals over seeds.
        images: of the training split, which makes pairs epochs.
    """
    return _panels(rows.assign(epochs=rows["pairs"] / images), "epochs", (END, BEST, KNOWN), "epochs")


def recall_by_share(rows: pd.DataFrame) -> Figure:
    """Draw held-out recall against the share of the training images, at the end and stopped at its best.

    Args:
        rows: of one study, from `Experiment.frame`, with `train_fraction`.
    """
    return _panels(rows.assign(share=100 * rows["train_fraction"]), "share", (END, BEST), "share of the photos (%)")


def recall_by_batch(rows: pd.DataFrame) -> Figure:
    """Draw held-out recall against the batch size at equal pairs, at the end and stopped at its best.

    Args:
        rows: of one study, from `Experiment.frame`, with `batch_size`.
    """
    return _panels(rows, "batch_size", (END, BEST), "pairs per batch")


def recall_by_negatives(rows: pd.DataFrame, images: int) -> Figure:
    """Draw held-out recall against the number of negatives: after a short training, and at the two ends of a long one.

    Args:
        rows: of the studies of negatives and of their sums, from `Experiment.frame`, with `pairs` seen and `negatives`.
        images: of the training split, which makes pairs epochs.
    """
    short, long = rows["pairs"].min(), rows["pairs"].max()
    panels = ((short, END, "at the end"), (long, END, "at the end"), (long, BEST, "stopped at its best"))
    sums = rows["study"].str.startswith("sums")
    figure, axes = plt.subplots(1, len(panels), figsize=(PAGE, 2.7), sharey=True)
    for axis, (pairs, metric, title) in zip(axes, panels, strict=True):
        here = (rows["pairs"] == pairs) & (rows["metric"] == metric)
        _lines(axis, rows[here & ~sums], "negatives")
        _lines(axis, rows[here & sums], "negatives", suffix=", summed", linestyle="--", mfc="white")
        _ticks(axis, rows["negatives"])
        axis.set(title=f"{pairs / images:.0f} epochs, {title}", xlabel="negatives per pair")
    axes[0].set_ylabel("R@10, both directions (%)")
    legend_below(figure, axes[0])
    return figure


def taken_to_recall(rows: pd.DataFrame) -> Figure:
    """Draw what it takes to come to a recall against the batch size: pairs, time, and memory of the objective.

    Args:
        rows: of `reach.TAKEN`, from `Experiment.frame`, with `batch_size`.
    """
    figure, axes = plt.subplots(1, len(TAKEN), figsize=(PAGE, 2.7))
    for axis, metric in zip(axes, TAKEN, strict=True):
        mine = rows[rows["metric"] == metric]
        _lines(axis, mine, "batch_size")
        unit = mine["unit"].iloc[0]
        axis.set(title=metric, xlabel="pairs per batch", ylabel="seconds" if unit == "s" else unit)
        axis.tick_params(axis="x", labelsize=SMALLEST)
        if metric == PAIRS:
            axis.set_ylim(bottom=0)
        else:
            axis.set_yscale("log")
        plain_numbers(axis.yaxis)
    legend_below(figure, axes[0], said=f"to R@10 of {100 * GOAL:.0f} % on held-out photos")
    return figure


def _panels(rows: pd.DataFrame, x: str, metrics: Sequence[str], xlabel: str) -> Figure:
    figure, axes = plt.subplots(1, len(metrics), figsize=(PAGE, 2.7))
    for axis, metric in zip(axes, metrics, strict=True):
        _lines(axis, rows[rows["metric"] == metric], x)
        axis.set(title=TITLES[metric], xlabel=xlabel)
    both = [axis.get_ylim() for axis in axes[:2]]
    axes[1].sharey(axes[0])
    axes[0].set_ylim(min(low for low, _ in both), max(high for _, high in both))
    axes[0].set_ylabel("R@10, both directions (%)")
    legend_below(figure, axes[0])
    return figure


def _lines(axis: Axes, rows: pd.DataFrame, x: str, suffix: str = "", **look: Any) -> None:
    for objective in (name for name in COLORS if name in set(rows["objective"])):
        mine, color = rows[rows["objective"] == objective].sort_values(x), COLORS[objective]
        of = {"marker": MARKERS[objective], "ms": 4, "color": color, "label": LABELS[objective] + suffix}
        axis.plot(mine[x], mine["mean"], **of, **look)
        half = mine["ci95"].astype(float).fillna(0)
        axis.fill_between(mine[x], mine["mean"] - half, mine["mean"] + half, color=color, alpha=0.15, linewidth=0)
    _ticks(axis, rows[x])


def _ticks(axis: Axes, places: pd.Series) -> None:
    at = sorted(places.unique())
    axis.set_xscale("log", base=2)
    axis.set_xticks(at, [f"{value:,.10g}" for value in at])
    axis.minorticks_off()
