"""Figures of notebooks 02 and 03: what is asked of the features, and what they give with few labels or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliplite_core.evaluation.linear_probe import SHARES
from cliplite_core.reporting.figures import COLORS, GREY, LABELS, MARKERS, PAGE
from cliplite_core.reporting.plots.common import SMALL, bars, legend_below, made_of, picture, whiskers

NETWORKS = LABELS | {"random": "random init", "imagenet": "ImageNet labels (MobileNetV2)"}
NETWORK_COLORS = COLORS | {"random": GREY, "imagenet": "#CC79A7"}
NETWORK_MARKERS = MARKERS | {"random": "X", "imagenet": "P"}
# What the lines and columns of the two tables are called.
VOC_NAMES = NETWORKS | {"objective": "features", "mAP": "mAP (%)"}
VOC_NAMES |= {f"mAP gain, {NETWORKS[name]}": f"over {NETWORKS[name]} (points)" for name in ("random", "infonce")}
PROBE_NAMES = NETWORKS | {"objective": "features", "linear probe": "linear"}
PROBE_NAMES |= {share: f"{share} of the labels" for share in SHARES}
HEIGHTS = {"infonce": 0.22, "sigmoid": -0.22}  # above the line of a class, so that no dot hides another


def images_with_classes(paths: Sequence[Path], labels: np.ndarray, classes: Sequence[str], shown: int = 6) -> Figure:
    """Show images with the classes in them, first up to three with a difficult class, which stands in brackets.

    Args:
        paths: N image files.
        labels: (N, C): 1 present, -1 absent, 0 difficult.
        classes: C names.
        shown: how many images.
    """
    difficult = np.flatnonzero((labels == 0).any(axis=1))[:3]
    rows = list(dict.fromkeys([*difficult.tolist(), *range(len(paths))]))[:shown]
    figure, axes = plt.subplots(1, len(rows), figsize=(PAGE, 1.7), squeeze=False)
    for axis, row in zip(axes[0], rows, strict=True):
        named = [(name, label) for name, label in zip(classes, labels[row], strict=True) if label >= 0]
        picture(axis, paths[row])
        text = "\n".join(name if label == 1 else f"({name})" for name, label in named)
        axis.set_title(text, fontsize=SMALL, va="top", y=-0.05, pad=0)
    return figure


def precision_by_class(rows: pd.DataFrame) -> Figure:
    """Draw one line per class, ordered by CLIP-Lite's precision, with a dot per network; above them the mean of all.

    Args:
        rows: of `Experiment.frame`: "AP" for each category, and "mAP" with its interval.
    """
    per_class = rows[rows["metric"] == "AP"].pivot(index="category", columns="objective", values="mean")
    per_class = per_class.sort_values("jsd")
    mean = rows[rows["metric"] == "mAP"].set_index("objective")
    chance = rows.dropna(subset="category").drop_duplicates("category").set_index("category")["chance"]
    lines, above = np.arange(len(per_class)), len(per_class) + 0.6

    figure, axis = plt.subplots(figsize=(PAGE, 0.9 + 0.17 * len(lines)))
    gain = "from random init to CLIP-Lite"
    axis.hlines(lines, per_class["random"], per_class["jsd"], color="#D5D5D5", linewidth=2.5, zorder=1, label=gain)
    axis.plot(chance[per_class.index], lines, "|", color="black", ms=7, label="chance (share of images)")
    for objective, point in mean.iterrows():
        color, place = NETWORK_COLORS[objective], HEIGHTS.get(objective, 0)
        look = {"color": color, "mec": "white", "zorder": 4 if objective == "jsd" else 3, "clip_on": False}
        marker = NETWORK_MARKERS[objective]
        axis.plot(per_class[objective], lines + place, marker, ms=4.5, mew=0.4, label=NETWORKS[objective], **look)
        half = None if pd.isna(point["ci95"]) else point["ci95"]
        axis.errorbar(point["mean"], above + 1.4 * place, xerr=half, fmt="D", ms=5.5, mew=0.5, elinewidth=1, **look)
    axis.plot([], [], "D", color="white", mec="black", ms=5, label="mean over the classes (mAP)")
    axis.axhline(len(lines) - 0.2, color="black", linewidth=0.6)
    axis.set_yticks([*lines, above], [*per_class.index, f"mean of {len(lines)}"], fontsize=SMALL)
    axis.set(xlabel="average precision on test (%)", xlim=(0, 102), ylim=(-0.7, len(lines) + 1.3))
    said = made_of(rows[rows["metric"] == "mAP"], dots=False).replace(", ", ",\n").replace("; ", "\n")
    axis.legend(fontsize=SMALL, loc="upper left", bbox_to_anchor=(1, 1), title=said, title_fontsize=SMALL)
    return figure


def labels_and_finetuning(
    rows: pd.DataFrame, images: Mapping[str, int], losses: Mapping[str, Sequence[Sequence[float]]]
) -> Figure:
    """Draw accuracy over the share of the labels, the loss of finetuning, and the accuracy before and after it.

    Args:
        rows: "top1" of `Experiment.frame`, by protocol and labels.
        images: share of the labels, e.g. "10 %" = how many images that is.
        losses: network that was finetuned = for each seed the loss of each epoch, in nats.
    """
    figure, axes = plt.subplots(1, 3, figsize=(PAGE, 2.9), width_ratios=[1.6, 1, 1.2])
    accuracy_over_labels(axes[0], rows[rows["protocol"] == "linear probe"], images)
    for objective, of_seeds in losses.items():
        for loss in of_seeds:
            look = {"color": NETWORK_COLORS[objective], "marker": NETWORK_MARKERS[objective], "ms": 3, "alpha": 0.8}
            axes[1].plot(range(1, len(loss) + 1), loss, **look)
    axes[1].set(xlabel="epoch", ylabel="training loss (nats)", title="finetuning, each seed")
    axes[1].xaxis.get_major_locator().set_params(integer=True)
    axes[1].set_ylim(0, 1.05 * max(max(loss) for of_seeds in losses.values() for loss in of_seeds))
    both = rows[rows["objective"].isin(losses) & (rows["labels"] == list(images)[-1])]
    bars(axes[2], both.replace({"protocol": {"linear probe": "frozen"}}), "protocol", NETWORK_COLORS, NETWORKS)
    axes[2].set(title="all labels", ylabel="top-1 on test (%)")
    legend_below(figure, axes[0], 3, said=made_of(rows[rows["objective"].isin(COLORS)]))
    return figure


def accuracy_over_labels(axis: Axes, rows: pd.DataFrame, images: Mapping[str, int]) -> None:
    """Draw a line per network over the share of the labels, the points a little apart so that none hides another.

    A supervised network that stands far above is written at the upper edge, so that it does not flatten the others.

    Args:
        axis: to draw on.
        rows: of one protocol, for every network a row per share; whiskers are 95 % intervals.
        images: share = how many images that is, in growing order.
    """
    shares = np.array([float(share.rstrip(" %")) for share in images])
    axis.axhline(rows["chance"].iloc[0], color="black", linestyle=":", linewidth=1, label="chance")
    top = 1.1 * rows.loc[rows["objective"] != "imagenet", "values"].map(max).max()
    for step, objective in enumerate(rows["objective"].unique()):
        mine = rows[rows["objective"] == objective].set_index("labels").loc[list(images)]
        at, color = shares * 1.1 ** (step - 1.5), NETWORK_COLORS[objective]
        look = {"color": color, "marker": NETWORK_MARKERS[objective], "ms": 4, "label": NETWORKS[objective]}
        if mine["mean"].max() > 2 * top:
            for place, mean in zip(shares, mine["mean"], strict=True):
                where = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "top", "fontsize": SMALL}
                axis.annotate(f"↑ {mean:.0f} %", (place, 0.99), color=color, **where)
            axis.plot([], [], linestyle="none", **look)
            top *= 1.15  # room for what is written there
            continue
        axis.plot(at, mine["mean"], **look)
        axis.errorbar(at, mine["mean"], whiskers(mine), fmt="none", ecolor=color, elinewidth=1, capsize=2)
    axis.set(xscale="log", xlabel="share of the labels (images)", ylabel="top-1 on test (%)", title="frozen, linear")
    axis.set_xticks(shares, [f"{share}\n({count:,})" for share, count in images.items()])
    axis.margins(x=0.12)
    axis.minorticks_off()
    axis.set_ylim(0, max(top, axis.dataLim.y1 + 0.03 * top))
