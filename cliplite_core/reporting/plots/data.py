"""Figures of notebook 00: what the pairs look like, what is known about one image, and the words of the captions."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.labelled.boxes import BoxedImage, read_instances
from cliplite_core.data.splits import data_folder
from cliplite_core.reporting.figures import COLORS, GREY, PAGE
from cliplite_core.reporting.plots.common import SMALL, picture, plain_numbers

NAMED = (0, 9, 49)  # rows of the most frequent words that are written beside the curve


def contact_sheet(items: Sequence[CaptionedImage]) -> Figure:
    """Show the first dozen images, each below one of its captions; which one differs, so that all grammars occur.

    Args:
        items: a split.
    """
    figure, axes = plt.subplots(3, 4, figsize=(PAGE, 5.9))
    for axis, item in zip(axes.flat, items, strict=False):
        picture(axis, item.path)
        caption = item.captions[len(item.captions[0]) % len(item.captions)]
        axis.set_title(fill(caption, 26), fontsize=SMALL, parse_math=False)
    for axis in axes.flat[len(items) :]:
        axis.axis("off")
    return figure


def everything_known(scene: BoxedImage, captions: Sequence[str]) -> Figure:
    """Show one image with a named box around every object, beside its captions.

    Args:
        scene: the image and its boxes.
        captions: of the image.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 3), width_ratios=[1, 1.35])
    picture(left, scene.path)
    color = COLORS["jsd"]
    for (x1, y1, x2, y2), name in zip(scene.boxes.tolist(), scene.category_names, strict=True):
        for edge, width in (("white", 2.4), (color, 1.2)):  # seen on dark and on light
            left.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=edge, linewidth=width))
        label = {"facecolor": color, "pad": 1, "lw": 0}
        # Above its box, or in it where the box begins at the top of the image.
        place, side = (y1 - 1, "bottom") if y1 > scene.height / 12 else (y1 + 1, "top")
        left.text(x1, place, name, fontsize=7, color="white", va=side, bbox=label)
    right.axis("off")
    listed = "\n\n".join(fill(f"“{caption}”", 58) for caption in captions)
    right.text(0, 0.5, listed, va="center", fontsize=9, transform=right.transAxes, parse_math=False)
    return figure


def words(lengths: np.ndarray, counts: pd.Series, longest: int) -> Figure:
    """Draw how long the captions are in tokens, and how often each word occurs.

    Args:
        lengths: tokens of each caption, shape (captions,), whole numbers.
        counts: word = occurrences, the most frequent first.
        longest: tokens that the text encoder takes of a caption.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.6))
    share = 100 * np.bincount(lengths) / len(lengths)
    left.bar(range(len(share)), share, width=1, color=GREY, edgecolor="white", linewidth=0.3)
    left.axvline(longest, color="black", linestyle=":", linewidth=1, label=f"longest allowed: {longest}")
    left.set(xlabel="tokens in a caption, [CLS] and [SEP] included", ylabel="share of captions (%)", xlim=(0, None))
    left.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)  # above the axes: it hides no data
    right.loglog(range(1, len(counts) + 1), counts.to_numpy(), color=GREY)
    right.set_ylim(top=3 * counts.iloc[0])
    for row in (row for row in NAMED if row < len(counts)):
        place = (row + 1, counts.iloc[row])
        right.plot(*place, "o", color=GREY, ms=3)
        label = f"“{counts.index[row]}”"
        right.annotate(label, place, xytext=(4, 4), textcoords="offset points", fontsize=8, parse_math=False)
    right.set(xlabel="rank of the word", ylabel="occurrences")
    for axis in (right.xaxis, right.yaxis):
        plain_numbers(axis)
    return figure


def fullest_scene(config: Config, items: Sequence[CaptionedImage], among: int = 20) -> BoxedImage | None:
    """Choose an image to show, the one with the most boxes among the first of the test split.

    Args:
        config: the profile; COCO's layout has the boxes beside the captions.
        items: the test split.
        among: images to choose from.

    Returns:
        The image with its boxes; None where the data set has none.
    """
    split, folder, captioned = config.data.test_split, data_folder(config), {item.path for item in items}
    boxes = folder / "annotations" / f"instances_{split}.json"
    if not boxes.exists():
        return None
    scenes = read_instances(boxes, folder / config.data.images.replace("{split}", split))
    shown = [scene for scene in scenes[:among] if scene.path in captioned]
    return max(shown, key=lambda scene: len(scene.boxes), default=None)
