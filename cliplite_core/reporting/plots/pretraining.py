"""Figures of notebook 01: the bounds where the truth is known, one batch, the curves, the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cliplite_core.reporting.figures import COLORS, GREY, LABELS, PAGE
from cliplite_core.reporting.plots.common import picture

NEGATIVE, UNUSED = "#E69F00", "#E8E8E8"
SMOOTHED = 9  # logged steps in a centred mean


def bounds(truth: pd.DataFrame, estimates: pd.DataFrame, candidates: int) -> Figure:
    """Draw both bounds of correlated Gaussians against their mutual information, beside what they should be.

    Args:
        truth: `mutual_information` and `jsd_bound`, exact, one line per correlation.
        estimates: `jsd` and `infonce`, from samples, likewise.
        candidates: K of the InfoNCE estimate, which cannot exceed log K.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.6))
    nats = truth["mutual_information"]
    left.plot(nats, truth["jsd_bound"], color=GREY, label="exact: 2·JSD − 2·log 2")
    left.plot(nats, estimates["jsd"], "o", ms=4, color=COLORS["jsd"], label="4,096 pairs, one negative each")
    left.set(xlabel="mutual information (nats)", ylabel="JSD bound")
    right.plot(nats, nats, color=GREY, label="exact mutual information")
    label = f"InfoNCE, {candidates} candidates"
    right.plot(nats, estimates["infonce"], "s", ms=4, color=COLORS["infonce"], label=label)
    right.axhline(np.log(candidates), color="black", linestyle=":", linewidth=1)
    right.text(0, np.log(candidates), f"log {candidates}", va="bottom", fontsize=8)
    right.set(xlabel="mutual information (nats)", ylabel="InfoNCE bound (nats)")
    for axis in (left, right):
        axis.legend(loc="lower right")
    return figure


def one_batch(paths: Sequence[Path], captions: Sequence[str], scores: np.ndarray) -> Figure:
    """Show which scores of a small batch two objectives use: JSD the diagonal and its neighbour, InfoNCE all of them.

    Args:
        paths: B image files.
        captions: their B captions.
        scores: (B, B), image i with caption j.
    """
    pairs = len(paths)
    figure = plt.figure(figsize=(PAGE, 4.3))
    pictures, left, right = figure.subfigures(1, 3, width_ratios=[0.17, 1, 1])
    for axis, path in zip(pictures.subplots(pairs, 1), paths, strict=True):
        picture(axis, path)
    role = np.full((pairs, pairs), 2)  # 0 = positive, 1 = negative, 2 = unused
    role[np.arange(pairs), (np.arange(pairs) + 1) % pairs] = 1
    for part, roles, title in (
        (left, role, "CLIP-Lite: B positives, B negatives"),
        (right, np.minimum(role, 1), "CLIP: B positives, B² − B negatives"),
    ):
        roles[np.diag_indices(pairs)] = 0
        _score_grid(part.subplots(), roles, scores, captions)
        part.suptitle(title, fontsize=9)
    kinds = {"true pair": COLORS["jsd"], "negative": NEGATIVE, "not computed": UNUSED}
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in kinds.values()]
    figure.legend(handles, kinds, loc="outside lower center", ncols=3)
    return figure


def _score_grid(axis: Axes, roles: np.ndarray, scores: np.ndarray, captions: Sequence[str]) -> None:
    colours = np.array([to_rgba(colour) for colour in (COLORS["jsd"], NEGATIVE, UNUSED)])
    axis.imshow(colours[roles], aspect="auto")
    for (i, j), role in np.ndenumerate(roles):
        if role < 2:
            axis.text(
                j,
                i,
                f"{round(scores[i, j], 1) + 0.0:.1f}",
                ha="center",
                va="center",
                color="white" if role == 0 else "black",
            )
    wrapped = [fill(caption, 17, max_lines=3, placeholder=" …") for caption in captions]
    axis.set_xticks(range(len(captions)), wrapped, rotation=90, fontsize=7, va="top", linespacing=0.9)
    axis.set_yticks([])
    axis.set_xticks(np.arange(len(captions) - 1) + 0.5, minor=True)
    axis.set_yticks(np.arange(len(captions) - 1) + 0.5, minor=True)
    axis.grid(False)
    axis.grid(which="minor", color="white", linewidth=2)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)


def curves(logs: Mapping[str, Sequence[pd.DataFrame]], batch_size: int) -> Figure:
    """Draw the bound over training, one panel per objective, one line per seed.

    Args:
        logs: objective -> one training log per seed, with `samples` and `bound`.
        batch_size: B; InfoNCE cannot exceed log B.
    """
    figure, axes = plt.subplots(1, len(logs), figsize=(PAGE, 2.6))
    known = {
        "jsd": (-2 * np.log(2), "−2 log 2: knows nothing"),
        "infonce": (np.log(batch_size), "log B: the ceiling"),
    }
    for axis, (objective, of_seeds) in zip(axes, logs.items(), strict=True):
        for log in of_seeds:
            pairs, smooth = log["samples"] / 1000, log["bound"].rolling(SMOOTHED, center=True, min_periods=1).mean()
            axis.plot(pairs, log["bound"], color=COLORS[objective], alpha=0.3, linewidth=0.8)
            axis.plot(pairs, smooth, color=COLORS[objective])
        if objective in known:
            height, label = known[objective]
            axis.axhline(height, color="black", linestyle=":", linewidth=1)
            axis.text(0.98, height, label, ha="right", va="bottom", fontsize=8, transform=axis.get_yaxis_transform())
            axis.margins(y=0.12)  # room for the label above the line, where no curve passes
        axis.set(title=LABELS[objective], xlabel="thousand pairs seen")
    axes[0].set_ylabel("bound (maximised)")
    lines = {"a batch of each seed": {"alpha": 0.4, "linewidth": 0.8}, f"mean of {SMOOTHED} logged batches": {}}
    handles = [Line2D([], [], color="black", label=name, **look) for name, look in lines.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def score_histograms(scores: Mapping[str, pd.DataFrame], batch_size: int) -> Figure:
    """Draw how the scores of held-out pairs part during training, one line of panels per objective.

    Args:
        scores: objective -> snapshots by step, with lists `positive` and `negative`.
        batch_size: pairs per step, for the titles.
    """
    figure, axes = plt.subplots(len(scores), 4, figsize=(PAGE, 4.2), sharex="row")
    for number, (objective, found) in enumerate(scores.items()):
        reach = np.concatenate([*found["positive"], *found["negative"]])
        bins = np.linspace(*np.quantile(reach, [0.001, 0.999]), 32)
        for axis, step in zip(axes[number], found.index[[0, -3, -2, -1]], strict=True):
            axis.hist(found.loc[step, "negative"], bins, color=GREY, alpha=0.45)
            axis.hist(found.loc[step, "positive"], bins, color=COLORS[objective], alpha=0.75)
            axis.set(yticks=[])
            axis.grid(False)
            axis.spines["left"].set_visible(False)
            if number == 0:
                axis.set_title(f"after {step * batch_size:,} pairs")
        axes[number, 0].set_ylabel(LABELS[objective], fontsize=8)
    said = "critic score T(x, y); colour: true pairs, grey: each image with the next image's caption"
    figure.supxlabel(said, fontsize=8)
    return figure
