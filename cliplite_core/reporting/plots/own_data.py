"""Figures of notebook 10: one's own pairs before training, the training, and what the model finds among them."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill, shorten, wrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.inventory.survey import Survey
from cliplite_core.evaluation.features import EmbeddedSplit
from cliplite_core.reporting.figures import COLORS, COLUMN, GREY, PAGE
from cliplite_core.reporting.plots.common import SMALL, picture

SMOOTHED = 9  # logged steps in a centred mean
ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}  # a legend that hides no data


def sizes(seen: Sequence[Survey], items: Sequence[CaptionedImage], longest: int, side: int) -> Figure:
    """Draw how long the captions are and how large the images, beside what the encoders take of them.

    Args:
        seen: what was opened, of each split.
        items: the images of all splits, for their captions.
        longest: words of a caption that are read to its end, if every word is one token.
        side: of the square the image encoder sees, in pixels.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 3.0), width_ratios=[1.5, 1])
    words = np.bincount([len(caption.split()) for item in items for caption in item.captions])
    left.bar(range(len(words)), 100 * words / words.sum(), width=1, color=GREY, edgecolor="white", linewidth=0.3)
    left.axvline(longest, color="black", linestyle=":", linewidth=1, label=f"cut off after {longest} words")
    left.set(xlabel="words in a caption", ylabel="share of captions (%)", xlim=(0, None))
    table = pd.concat([looked.table for looked in seen]).query("problem == ''")
    counts = table.value_counts(["width", "height"]).reset_index(name="images")
    area = 8 + 60 * counts["images"] / counts["images"].max()
    label = f"images ({len(counts):,} sizes; larger dot: more)" if len(counts) > 1 else "all images"
    right.scatter(counts["width"], counts["height"], s=area, color=GREY, alpha=0.5, linewidths=0, label=label)
    look = {"fill": False, "edgecolor": COLORS["infonce"], "linewidth": 1.5, "clip_on": False}
    right.add_patch(plt.Rectangle((0, 0), side, side, label=f"image encoder: {side} × {side}", **look))
    reach = (0, 1.08 * max(side, table["width"].max(), table["height"].max()))
    right.set(xlabel="width (px)", ylabel="height (px)", xlim=reach, ylim=reach, aspect="equal")
    for axis in (left, right):
        axis.legend(**ABOVE)
    return figure


def contact_sheet(items: Sequence[CaptionedImage], seed: int = 0) -> Figure:
    """Show ten images, drawn at random, each above its first caption.

    Args:
        items: the training split.
        seed: of the drawing.
    """
    figure, axes = plt.subplots(2, 5, figsize=(PAGE, 3.7))
    chosen = np.random.default_rng(seed).permutation(len(items))[: axes.size]
    for axis, item in zip(axes.flat, [items[row] for row in chosen], strict=False):
        picture(axis, item.path)
        below = fill(shorten(item.captions[0], 60, placeholder=" …"), 22)
        axis.set_title(below, y=-0.04, pad=0, va="top", fontsize=SMALL, parse_math=False)
    for axis in axes.flat[len(chosen) :]:
        axis.axis("off")
    return figure


def near_duplicates(
    alike: pd.DataFrame, held_out: Sequence[CaptionedImage], training: Sequence[CaptionedImage], most: int = 5
) -> Figure:
    """Show held-out images above the training images they resemble, the figure as wide as there are pairs.

    Args:
        alike: at least one pair, from `survey.near_duplicates`.
        held_out, training: the items that its rows count.
        most: pairs shown, the most similar ones.
    """
    pairs = alike.head(most).to_dict("records")
    width = PAGE / most
    figure, axes = plt.subplots(2, len(pairs), figsize=(max(COLUMN, width * len(pairs)), 3.0), squeeze=False)
    for (above, below), pair in zip(axes.T, pairs, strict=True):
        picture(above, held_out[pair["held_out"]].path)
        picture(below, training[pair["training"]].path)
        above.set_title(f"correlation {pair['correlation']:.2f}", fontsize=8)
    tallest = max(np.divide(*axis.images[0].get_size()) for axis in axes.flat)
    figure.set_figheight(0.4 + 2 * tallest * (width - 0.15))
    for axis, name in zip(axes[:, 0], ("test", "training"), strict=True):
        axis.text(-0.06, 0.5, name, rotation=90, va="center", ha="right", transform=axis.transAxes)
    return figure


def training(log: pd.DataFrame, curve: pd.DataFrame, per_epoch: float, objective: str) -> Figure:
    """Draw the bound on training batches and the recall on validation images over a training.

    Args:
        log: of the run, by step, with `bound`.
        curve: its line of kind "retrieval", by step, with R@k in [0, 1] and the `gallery`, its number of images.
        per_epoch: steps per epoch.
        objective: what was trained with, for its colour.
    """
    color = COLORS[objective]
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.8))
    left.plot(log.index / per_epoch, log["bound"], color=color, alpha=0.35, linewidth=0.8, label="single batch")
    smooth = log["bound"].rolling(SMOOTHED, center=True, min_periods=1).mean()
    left.plot(log.index / per_epoch, smooth, color=color, label=f"mean of {SMOOTHED}")
    left.set(xlabel="epochs", ylabel="bound (maximised)")
    for metric, line in (("R@10", "--"), ("R@5", "-"), ("R@1", "-.")):
        right.plot(curve.index / per_epoch, 100 * curve[metric], line, color=color, label=metric)
    chance = 100 * curve["chance R@5"].iloc[-1]
    right.axhline(chance, color="black", linestyle=":", linewidth=1, label="guessing, R@5")
    right.set(xlabel="epochs", ylabel=f"recall among {curve['gallery'].iloc[-1]} images (%)", ylim=(0, None))
    for axis in (left, right):
        axis.legend(ncols=2, **ABOVE)
    return figure


def captions_found(split: EmbeddedSplit, items: Sequence[CaptionedImage], rows: Sequence[int], k: int = 4) -> Figure:
    """Show images beside the captions that fit them best; a tick marks one that was written for the image.

    Args:
        split: unit vectors of the items.
        items: the split.
        rows: of the images to show; two stand beside each other.
        k: captions per image. If none of them is its own, its best own one follows, with its place in the order.
    """
    lines = -(-len(rows) // 2)
    figure, axes = plt.subplots(lines, 4, figsize=(PAGE, 1.35 * lines), width_ratios=[1, 2.3] * 2)
    for axis in axes.flat:
        axis.axis("off")
    for row, (left, right) in zip(rows, axes.reshape(-1, 2), strict=False):
        picture(left, items[row].path)
        order = np.argsort(-split.captions @ split.images[row], kind="stable")  # shape: (captions,)
        own = split.caption_to_image[order] == row
        shown = [*range(k)] if own[:k].any() else [*range(k), int(own.argmax())]
        _ranked(right, [(place + 1, split.texts[order[place]], bool(own[place])) for place in shown])
    return figure


def _ranked(axis: Axes, answers: Sequence[tuple[int, str, bool]]) -> None:
    """Write answers under each other, each as place, text and whether it is right."""
    wrapped = [wrap(shorten(f"{'✓ ' * right}{text}", 72, placeholder=" …"), 36) for _, text, right in answers]
    heights = [0.085 * len(lines) + 0.05 for lines in wrapped]
    top = 0.5 + sum(heights) / 2
    for (place, _, right), lines, height in zip(answers, wrapped, heights, strict=True):
        look = {"va": "top", "fontsize": 7, "linespacing": 1.1, "parse_math": False}
        axis.text(0, top, f"{place:,}", color=GREY, **look)
        axis.text(0.13, top, "\n".join(lines), color=COLORS["jsd"] if right else "black", **look)
        top -= height
