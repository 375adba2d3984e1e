"""Figures of notebook 06: where the score comes from, and how often that is the right place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from cliplite_core.data.images import read_image
from cliplite_core.evaluation.grounding import NamedObject
from cliplite_core.reporting.figures import COLORS, GREY, LABELS, PAGE
from cliplite_core.reporting.plots.common import DOTS, SMALL, made_of, whiskers

BESIDE = {"textcoords": "offset points", "va": "center", "fontsize": SMALL, "color": GREY}
BASELINES = {"centre": "centre of the image", "chance": "any pixel"}
TITLES = {
    "pointing game": "pointing game",
    "localisation": "localisation, IoU ≥ 0.5",
    "referring, heat": "referring expressions, by heat",
    "referring, crop": "referring expressions, by crop",
}


def heat_grid(queries: Sequence[NamedObject], heats: Mapping[str, Sequence[Tensor]]) -> Figure:
    """Draw one line per objective, in it the heat over each image, with the boxes of the thing that is asked for.

    Args:
        queries: K questions.
        heats: objective = K heat maps, (H, W) of their images, values in [0, 1].
    """
    tallest = max(query.image.height / query.image.width for query in queries)
    size = (PAGE, 0.5 + 1.5 * tallest * len(heats))
    figure, axes = plt.subplots(len(heats), len(queries), figsize=size, squeeze=False)
    for line, (objective, maps) in zip(axes, heats.items(), strict=True):
        for axis, query, heat in zip(line, queries, maps, strict=True):
            shown = heat_over(axis, query, heat)
        line[0].set_ylabel(LABELS[objective], fontsize=8)
    for axis, query in zip(axes[0], queries, strict=True):
        axis.set_title(f"“{query.text}”", fontsize=SMALL)
    bar = figure.colorbar(shown, ax=axes, shrink=0.5, aspect=30, pad=0.02)
    bar.set_label("heat (share of the image's maximum)")
    return figure


def heat_over(axis: Axes, query: NamedObject, heat: Tensor) -> plt.cm.ScalarMappable:
    """Lay heat over an image, the opaquer the hotter, and frame the boxes of the thing.

    Returns:
        What a colour bar needs.
    """
    axis.imshow(read_image(query.image.path).permute(1, 2, 0).numpy(), interpolation="bicubic")
    shown = axis.imshow(heat.numpy(), cmap="magma", alpha=0.35 + 0.45 * heat.numpy(), vmin=0, vmax=1)
    for x1, y1, x2, y2 in query.boxes.tolist():
        for color, width in (("black", 2.4), ("white", 1.2)):  # seen on dark and on light
            axis.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=width))
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    return plt.cm.ScalarMappable(shown.norm, shown.cmap)


def hits_and_baselines(rows: pd.DataFrame) -> Figure:
    """Draw one panel per question, in it a bar per objective and, in grey, one per guess that does not look.

    Args:
        rows: of `Experiment.frame`; "referring" without "heat" or "crop" is a guess to compare both with. Whiskers
            are 95 % intervals, white dots single seeds.
    """
    metrics = [metric for metric in TITLES if metric in set(rows["metric"])]
    panels = [rows[rows["metric"].isin([metric, metric.split(",")[0]])] for metric in metrics]
    lines = [max(map(len, panels[row : row + 2])) for row in range(0, len(panels), 2)]
    size = (PAGE, 0.7 + 0.3 * len(lines) + 0.2 * sum(lines))
    figure, axes = plt.subplots(len(lines), 2, figsize=size, sharex=True, height_ratios=lines, squeeze=False)
    for axis, metric, panel in zip(axes.flat, metrics, panels, strict=True):
        bars_by_name(axis, panel)
        axis.set_title(TITLES[metric])
        axis.margins(x=0.12)  # room for what is written beside a bar
        axis.set_xlim(0, auto=True)
    for axis in axes[-1]:
        axis.set_xlabel("hits (%)")
    models = pd.concat(panels)[lambda found: found["objective"].isin(COLORS)]
    figure.supxlabel(f"{made_of(models)}; grey: guesses that do not look", fontsize=SMALL)
    return figure


def bars_by_name(axis: Axes, rows: pd.DataFrame) -> None:
    """Draw one lying bar per row, named on the left, with interval and single seeds; the first row on top."""
    names, colors = rows["objective"].replace(LABELS | BASELINES), [COLORS.get(o, GREY) for o in rows["objective"]]
    axis.barh(range(len(rows)), rows["mean"], 0.7, xerr=whiskers(rows), color=colors, error_kw={"elinewidth": 1})
    for place, row in enumerate(rows.itertuples()):
        if len(row.values) > 1:
            axis.plot(row.values, [place] * len(row.values), "o", **DOTS)
        if row.objective not in COLORS:  # a bar of 0 % is none
            axis.annotate(f"{row.mean:.0f} %", (row.mean, place), (3, 0), **BESIDE)
    axis.set_yticks(range(len(rows)), names)
    axis.invert_yaxis()
    axis.grid(axis="y")
