"""The figures of notebooks 02 and 03: every network is named, none hides another, what is difficult is marked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from small_root import write_photo

from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.plots.transfer import (
    NETWORKS,
    images_with_classes,
    labels_and_finetuning,
    precision_by_class,
)


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()  # what cannot be drawn fails here
    return figure


def test_difficult_classes_come_first_and_stand_in_brackets(tmp_path):
    paths = [tmp_path / f"{number}.jpg" for number in range(4)]
    for number, path in enumerate(paths):
        write_photo(path, (20, 20), number)
    labels = np.array([[1, -1], [1, 1], [0, 1], [-1, -1]])
    figure = drawn(images_with_classes(paths, labels, ["cat", "dog"], shown=3))
    assert [axis.get_title() for axis in figure.axes] == ["(cat)\ndog", "cat", "cat\ndog"]
    assert len(drawn(images_with_classes(paths, labels, ["cat", "dog"])).axes) == 4, "there are no six"


def precisions(networks: list[str], seeds: int) -> pd.DataFrame:
    values = {"clock": 30.0, "car": 10.0, "person": 50.0}
    rows = []
    for network in networks:
        rows.append(row("mAP", [30.0 + seed for seed in range(seeds)], n=9, chance=8.0, objective=network))
        rows += [row("AP", [v], n=9, chance=v / 5, objective=network, category=c) for c, v in values.items()]
    frame = pd.DataFrame(rows)
    return frame.assign(ci95=frame["ci95"].astype(float))


@pytest.mark.parametrize("seeds", [1, 3])
def test_classes_are_ordered_by_clip_lite_and_equal_networks_do_not_hide_each_other(seeds):
    figure = drawn(precision_by_class(precisions(list(NETWORKS), seeds)))
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["car", "clock", "person", "mean of 3"]
    named = [text.get_text() for text in axis.get_legend().get_texts()]
    assert {*NETWORKS.values(), "mean over the classes (mAP)"} < set(named)
    heights = {line.get_label(): line.get_ydata()[0] for line in axis.lines if line.get_label() in NETWORKS.values()}
    trained = [heights[NETWORKS[name]] for name in ("jsd", "infonce", "sigmoid")]
    assert len(set(trained)) == 3
    whiskers = [collection for collection in axis.collections if len(collection.get_paths()) == 1]
    assert len(whiskers) == (len(NETWORKS) if seeds > 1 else 0), "no interval of a single seed"


def accuracies(networks: list[str]) -> pd.DataFrame:
    rows = [
        row("top1", [mean, mean + 2], n=9, chance=4.0, objective=network, protocol="linear probe", labels=labels)
        for network in networks
        for labels, mean in (("1 %", 10.0), ("10 %", 20.0), ("100 %", 30.0))
    ]
    rows += [
        row("top1", [40.0, 41.0], n=9, chance=4.0, objective=network, protocol="finetuned", labels="100 %")
        for network in ("jsd", "random")
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(ci95=frame["ci95"].astype(float))


def test_a_line_per_network_a_loss_per_seed_and_bars_for_what_was_finetuned():
    losses = {"jsd": [[2.0, 1.0], [2.1, 0.9]], "random": [[3.0, 2.0], [3.5, 2.0]]}
    images = {"1 %": 24, "10 %": 96, "100 %": 1200}
    figure = drawn(labels_and_finetuning(accuracies(list(NETWORKS)), images, losses))
    curves, loss, bars = figure.axes
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {*NETWORKS.values(), "chance"}
    assert [label.get_text() for label in curves.get_xticklabels()] == ["1 %\n(24)", "10 %\n(96)", "100 %\n(1,200)"]
    assert len(loss.lines) == 4
    assert loss.get_ylim()[1] > 3.5, "no loss is cut off"
    assert [label.get_text() for label in bars.get_xticklabels()] == ["frozen", "finetuned"]
    assert [bar.get_height() for bar in bars.patches] == [31.0, 40.5, 31.0, 40.5]


def test_a_network_far_above_the_others_is_written_at_the_edge_and_does_not_flatten_them():
    rows = accuracies(list(NETWORKS))
    low = rows["objective"] != "imagenet"
    for column in ("mean", "values", "ci95"):
        scaled = rows.loc[low, column].map(lambda of: [v / 10 for v in of] if isinstance(of, list) else of / 10)
        rows.loc[low, column] = pd.Series(scaled, index=rows.index[low])
    losses = {"jsd": [[2.0, 1.0]], "random": [[3.0, 2.0]]}
    axis = drawn(labels_and_finetuning(rows, {"1 %": 24, "10 %": 96, "100 %": 1200}, losses)).axes[0]
    assert axis.get_ylim()[1] < 8
    assert [text.get_text() for text in axis.texts] == ["↑ 11 %", "↑ 21 %", "↑ 31 %"]
