"""What the figures share: bars of the objectives with interval, seeds and chance; pictures; one legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from cliplite_core.data.images import read_image
from cliplite_core.reporting.figures import COLORS, COLUMN, LABELS, PAGE

DOTS = {"ms": 3, "mfc": "white", "mec": "black", "mew": 0.6, "clip_on": False, "zorder": 3}  # single seeds
SMALL = 7.5  # points, of a remark
FRAME = "#F0E442"  # of a right answer: Okabe and Ito's yellow, no objective's colour
WIDTH = 0.25  # of a bar, in units of the distance between two groups


def grouped_bars(frame: pd.DataFrame, x: str, panels: str, ylabel: str = "score (%)", sharey: bool = True) -> Figure:
    """Draw one panel per value of a label, in it one group of bars per value of another, in it a bar per objective.

    Two panels fill a column, more a page.

    Args:
        frame: rows of `Experiment.frame`; whiskers are 95 % intervals, white dots single seeds, dotted lines chance.
        x: the label that names a group, e.g. "metric".
        panels: the label that names a panel, e.g. "direction".
        ylabel: of the first panel.
        sharey: whether all panels have one scale.
    """
    titles = frame[panels].unique()
    size = (COLUMN, 2.7) if len(titles) <= 2 else (PAGE, 2.6)
    figure, axes = plt.subplots(1, len(titles), figsize=size, sharey=sharey, squeeze=False)
    for axis, title in zip(axes[0], titles, strict=True):
        bars(axis, frame[frame[panels] == title], x)
        axis.set_title(str(title).replace("_", " "))
    axes[0, 0].set_ylabel(ylabel)
    legend_below(figure, axes[0, 0], said=made_of(frame))
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
        axis.bar(at, mine["mean"], WIDTH, yerr=whiskers(mine), **look)
        for place, values in zip(at, mine["values"], strict=True):
            if isinstance(values, list) and len(values) > 1:
                axis.plot([place] * len(values), values, "o", **DOTS)
    chance = frame.drop_duplicates(x).set_index(x)["chance"].reindex(groups).astype(float)
    if chance.notna().any():
        edges = np.arange(len(groups)) + np.array([[-0.45], [0.45]])
        axis.hlines(chance, *edges, color="black", linestyle=":", linewidth=1, label="chance")
    axis.set(xticks=range(len(groups)), xticklabels=groups)
    axis.set_ylim(0, auto=True)  # where panels share the scale, a taller one may follow
    axis.grid(axis="x")


def whiskers(rows: pd.DataFrame) -> np.ndarray:
    """Return how far the 95 % intervals reach below and above the means, shape (2, rows); shares end at 0 and 100 %."""
    half, mean = rows["ci95"].astype(float).fillna(0), rows["mean"].astype(float)
    shares = rows["unit"] == "%" if "unit" in rows else np.zeros(len(rows), bool)
    return np.stack([half.mask(shares & (half > room), room).clip(0) for room in (mean, 100 - mean)])


def made_of(rows: pd.DataFrame, dots: bool = True) -> str:
    """Say on how many seeds and test items a figure rests, and what its marks are; white dots only where it has some.

    Example:
        >>> made_of(pd.DataFrame({"values": [[1.0, 2.0, 3.0]] * 2, "n": [500, 2500]}))
        'mean of 3 seeds (white dots), 95 % intervals; n = 500 to 2,500'
    """
    seeds, counts = rows["values"].map(len).max(), sorted(rows["n"].dropna().unique())
    items = " to ".join(f"{count:,.0f}" for count in dict.fromkeys([counts[0], counts[-1]]))
    if seeds == 1:
        return f"one seed, so no intervals; n = {items}"
    return f"mean of {seeds} seeds{' (white dots)' * dots}, 95 % intervals; n = {items}"


def legend_below(figure: Figure, axis: Axes, columns: int = 4, said: str = "") -> None:
    """Put one legend for all panels below a figure, with the entries of one of them, each named once, objectives first.

    Args:
        figure: where to.
        axis: with the entries.
        columns: of the legend on a page; a column has half as many.
        said: a line above them, e.g. from `made_of`.
    """
    found = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    entries = {name: found[name] for name in sorted(found, key=lambda name: name not in LABELS.values())}
    wide = figure.get_figwidth() > COLUMN
    look = {"ncols": columns if wide else 2, "columnspacing": 1.4, "handletextpad": 0.6}
    remark = {"title": said if wide else said.replace("; ", "\n"), "title_fontsize": SMALL} if said else {}
    legend = figure.legend(entries.values(), entries, loc="outside lower center", **look, **remark)
    legend.get_title().set_multialignment("center")


def plain_numbers(axis: Axis) -> None:
    """Write 10,000 and 0.1 beside a logarithmic axis, where powers of ten would have exponents too small to read."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_minor_formatter(NullFormatter())


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
