"""What the figures share: bars of the objectives with interval, seeds and chance; pictures; one legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cliplite_core.data.images import read_image
from cliplite_core.reporting.figures import COLORS, LABELS, PAGE

FRAME = "#F0E442"  # of a right answer: Okabe and Ito's yellow, no objective's colour
WIDTH = 0.25  # of a bar, in units of the distance between two groups


def grouped_bars(frame: pd.DataFrame, x: str, panels: str, ylabel: str = "%", sharey: bool = True) -> Figure:
    """Draw one panel per value of a label, in it one group of bars per value of another, in it a bar per objective.

    Args:
        frame: rows of `Experiment.frame`; whiskers are 95 % intervals, white dots single seeds, dotted lines chance.
        x: the label that names a group, e.g. "metric".
        panels: the label that names a panel, e.g. "direction".
        ylabel: of the first panel.
        sharey: whether all panels have one scale.
    """
    titles = frame[panels].unique()
    figure, axes = plt.subplots(1, len(titles), figsize=(PAGE, 2.6), sharey=sharey, squeeze=False)
    for axis, title in zip(axes[0], titles, strict=True):
        bars(axis, frame[frame[panels] == title], x)
        axis.set_title(str(title).replace("_", " "))
    axes[0, 0].set_ylabel(ylabel)
    legend_below(figure, axes[0, 0])
    return figure


def bars(
    axis: Axes,
    frame: pd.DataFrame,
    x: str,
    colors: Mapping[str, str] = COLORS,
    names: Mapping[str, str] = LABELS,
) -> None:
    """Draw groups of bars, one bar per objective, with interval, single seeds and chance.

    Args:
        axis: to draw on.
        frame: rows of `Experiment.frame`, one per group and objective; objectives that have no row get no bar.
        x: the label that names a group.
        colors: objective = its colour, in the order of the bars.
        names: objective = what the legend calls it.
    """
    groups = list(frame[x].unique())
    shown = [objective for objective in colors if objective in set(frame["objective"])]
    for step, objective in enumerate(shown):
        mine = frame[frame["objective"] == objective].set_index(x).reindex(groups)
        at = np.arange(len(groups)) + (WIDTH + 0.02) * (step - (len(shown) - 1) / 2)
        look = {"color": colors[objective], "label": names[objective], "error_kw": {"elinewidth": 1}}
        axis.bar(at, mine["mean"], WIDTH, yerr=mine["ci95"].fillna(0), **look)
        for place, values in zip(at, mine["values"], strict=True):
            if isinstance(values, list) and len(values) > 1:
                axis.plot([place] * len(values), values, "o", ms=3, mfc="white", mec="black", mew=0.6)
    chance = frame.drop_duplicates(x).set_index(x)["chance"].reindex(groups).astype(float)
    if chance.notna().any():
        edges = np.arange(len(groups)) + np.array([[-0.45], [0.45]])
        axis.hlines(chance, *edges, color="black", linestyle=":", linewidth=1, label="chance")
    axis.set(xticks=range(len(groups)), xticklabels=groups)
    axis.set_ylim(0, auto=True)  # where panels share the scale, a taller one may follow
    axis.grid(axis="x")


def legend_below(figure: Figure, axis: Axes, columns: int = 4) -> None:
    """Put one legend for all panels below a figure, with the entries of one of them, each named once."""
    entries = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns)


def picture(axis: Axes, path: Path, framed: bool = False) -> None:
    """Show an image file without axes, framed or not."""
    image = read_image(path).permute(1, 2, 0).numpy()  # shape: (H, W, 3)
    axis.imshow(image, interpolation="bicubic")
    axis.axis("off")
    if framed:
        height, width = image.shape[:2]
        axis.add_patch(plt.Rectangle((0, 0), width - 1, height - 1, fill=False, edgecolor=FRAME, linewidth=4))


def answers_grid(texts: Sequence[str], answers: Sequence[Sequence[Path]], right: Sequence[Path | None]) -> Figure:
    """Draw one line per sentence: the sentence, then the images that were found for it, its own image framed.

    Args:
        texts: N sentences.
        answers: for each, K image files, best first.
        right: for each, its own image; None = it has none.
    """
    columns = len(answers[0])
    size, ratios = (PAGE, 1.2 * len(texts)), [1.4] + [1] * columns
    figure, axes = plt.subplots(len(texts), columns + 1, figsize=size, width_ratios=ratios, squeeze=False)
    for line, text, found, own in zip(axes, texts, answers, right, strict=True):
        line[0].axis("off")
        line[0].text(0, 0.5, fill(f"“{text}”", 20), va="center", fontsize=8, parse_math=False)
        for axis, path in zip(line[1:], found, strict=True):
            picture(axis, path, framed=path == own)
    return figure
