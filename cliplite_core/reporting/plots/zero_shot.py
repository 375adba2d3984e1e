"""Figures of notebook 05: which classes are named, what they are taken for, and pairs seen and never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliplite_core.reporting.figures import COLORS, LABELS, MARKERS, PAGE
from cliplite_core.reporting.plots.common import grouped_bars, legend_below

MOST = 24  # classes that have room; of more, some from each part of the ranking
# Which rows are about pairs, as a query of `Experiment.frame`, and what their metrics and images are called.
PAIR_ROWS = "images.str.contains('compositions|novel over seen') and not metric.str.startswith('top5')"
PAIR_NAMES = {
    "top1": "both named",
    "top1 gain": "both named",
    "one of the two": "at least one named",
    "one of the two gain": "at least one named",
    "seen compositions": "seen pairs",
    "novel compositions": "novel pairs",
    "novel over seen": "novel over seen (points)",
}


def classes_named(found: Mapping[str, Sequence[Mapping]], classes: Sequence[str], shown: str = "jsd") -> Figure:
    """Draw how often each class is named, and what it is taken for by one objective; lines in the same order.

    Args:
        found: objective = one result of `zero_shot_metrics` per seed, of which the mean is drawn.
        classes: C names.
        shown: whose ranking orders the classes, and whose names are on the right, all seeds together.
    """
    accuracy = {o: 100 * np.mean([seed["per_class_accuracy"] for seed in seeds], axis=0) for o, seeds in found.items()}
    ranking = np.argsort(accuracy[shown], kind="stable")
    lines = ranking[np.linspace(0, len(classes) - 1, min(len(classes), MOST)).round().astype(int)]
    names, confusion = [classes[line] for line in lines], sum(seed["confusion"] for seed in found[shown])
    share = 100 * confusion / confusion.sum(axis=1, keepdims=True).clip(1)  # shape: (C, C)

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 1.6 + 0.15 * len(lines)), sharey=True)
    dots(left, {objective: values[lines] for objective, values in accuracy.items()})
    left.axvline(100 / len(classes), color="black", linestyle=":", linewidth=1, label="chance")
    left.set(xlabel="images of the class named correctly (%)", xlim=(-4, 104), ylabel="true class")
    left.set_yticks(range(len(lines)), names, fontsize=7)
    image = right.imshow(share[np.ix_(lines, lines)], cmap="Blues", vmin=0, vmax=100, aspect="auto", origin="lower")
    right.set_xticks(range(len(lines)), names, fontsize=7, rotation=90)
    right.set(xlabel=f"named by {LABELS[shown]}")
    right.grid(visible=False)
    right.tick_params(axis="y", length=0)
    figure.colorbar(image, label="share of the true class (%)", shrink=0.8)
    seeds = len(found[shown])
    legend_below(figure, left, said=f"left: mean of {seeds} seeds; right: all images of {seeds} seeds" * (seeds > 1))
    return figure


def favourites(confusion: np.ndarray, classes: Sequence[str], most: int = 2) -> str:
    """Say for how many images the most frequent names are the answer, and how much of the accuracy they give.

    Args:
        confusion: counts of `classification_metrics`, shape (C, C), row = right class, column = answer.
        classes: C names.
        most: how many names.

    Example:
        >>> favourites(np.array([[4, 0, 0], [3, 1, 0], [4, 0, 0]]), ["dog", "cat", "ship"], most=1)
        "answers 'dog' for 92 % of the images; this class gives 33.3 of its 41.7 points of top-1"
    """
    answers, points = (100 * counts / confusion.sum() for counts in (confusion.sum(axis=0), confusion.diagonal()))
    often = np.argsort(-answers, kind="stable")[:most]
    names = " or ".join(repr(str(classes[name])) for name in often)
    said, right, whole = answers[often].sum(), points[often].sum(), points.sum()
    give = "these classes give" if most > 1 else "this class gives"
    return f"answers {names} for {said:.0f} % of the images; {give} {right:.1f} of its {whole:.1f} points of top-1"


def dots(axis: Axes, values: Mapping[str, np.ndarray]) -> None:
    """Draw one line of dots per class, a dot per objective, one above the other so that none hides another.

    Args:
        axis: to draw on.
        values: objective = (C,) numbers.
    """
    for step, (objective, numbers) in enumerate(values.items()):
        heights = np.arange(len(numbers)) + 0.3 * (1 - step)
        look = {"ms": 3, "color": COLORS[objective], "label": LABELS[objective], "clip_on": False}
        axis.plot(numbers, heights, MARKERS[objective], **look)


def seen_and_novel(rows: pd.DataFrame) -> Figure:
    """Draw how well pairs are named that training showed, beside pairs that it did not.

    Args:
        rows: `PAIR_ROWS` of `Experiment.frame`; differences are left to the table.
    """
    rows = rows[rows["unit"] == "%"].replace({"metric": PAIR_NAMES, "images": PAIR_NAMES})
    return grouped_bars(rows, x="images", panels="metric", ylabel="scenes (%)")
