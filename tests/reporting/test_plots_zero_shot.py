"""The figures of notebook 05 show every class and every objective, and leave differences to the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cliplite_core.reporting.figures import LABELS
from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.plots.zero_shot import MOST, PAIR_NAMES, PAIR_ROWS, classes_named, seen_and_novel


def results(classes: int, seeds: int = 2) -> dict[str, list[dict]]:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (3, seeds, classes, classes)) + 5 * np.eye(classes, dtype=int)
    return {
        objective: [{"confusion": c, "per_class_accuracy": c.diagonal() / c.sum(axis=1)} for c in of_seeds]
        for objective, of_seeds in zip(LABELS, counts, strict=True)
    }


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.legends[0].get_texts()}


def test_both_panels_list_the_classes_in_one_order_worst_below():
    found, names = results(6), [f"class {number}" for number in range(6)]
    figure = classes_named(found, names)
    left, right = figure.axes[:2]
    mean = 100 * np.mean([seed["per_class_accuracy"] for seed in found["jsd"]], axis=0)
    order = [names[number] for number in np.argsort(mean)]
    assert [label.get_text() for label in left.get_yticklabels()] == order
    assert [label.get_text() for label in right.get_xticklabels()] == order
    assert left.lines[0].get_xdata() == pytest.approx(np.sort(mean))
    assert np.diagonal(right.images[0].get_array()).argmax() in (4, 5)
    assert words(figure) == {*LABELS.values(), "chance"}


def test_no_dot_hides_another_where_all_objectives_are_equal():
    found = results(3)
    figure = classes_named(dict.fromkeys(LABELS, found["jsd"]), ["a", "b", "c"])
    heights = [line.get_ydata()[0] for line in figure.axes[0].lines[:3]]
    assert len(set(heights)) == 3


def test_of_many_classes_only_so_many_are_drawn_as_have_room():
    figure = classes_named(results(200), [str(number) for number in range(200)])
    assert len(figure.axes[0].get_yticklabels()) == MOST


def test_pairs_are_drawn_without_differences_and_a_taller_panel_is_not_cut():
    rows = []
    for objective in LABELS:
        for metric, high in (("top1", 20), ("one of the two", 90)):
            about = {"n": 9, "objective": objective, "chance": 1.0}
            rows += [
                row(metric, [high, high + 2], images=f"{kind} compositions", **about) for kind in ("seen", "novel")
            ]
            rows.append(
                row(f"{metric} gain", [-50, -60], n=9, unit="points", images="novel over seen", objective=objective)
            )
        rows.append(row("top5", [100, 100], n=9, images="seen compositions", objective=objective))
        rows.append(row("top1", [100, 100], n=9, images="in distribution", objective=objective))
    kept = pd.DataFrame(rows).query(PAIR_ROWS)
    figure = seen_and_novel(kept)
    assert [axis.get_title() for axis in figure.axes] == ["both named", "at least one named"]
    assert [len(axis.patches) for axis in figure.axes] == [6, 6]
    assert figure.axes[1].get_ylim()[0] == 0 and figure.axes[1].get_ylim()[1] > 92
    assert set(kept["metric"]) | set(kept["images"]) == set(PAIR_NAMES)  # each has a name in the table
