"""Figures of the bias experiment: every measure that was taken has a panel, and no other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_root import write_photo

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.evaluation.bias_measures import COSTS
from cliplite_core.evaluation.bias_probes import PROBES
from cliplite_core.evaluation.gender import People
from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.plots import bias as plots

OBJECTIVES, TREATMENTS = ("jsd", "infonce", "sigmoid"), ("before", "projected", "LEACE")
SEEN = ("to men", "to women", "gap", "planted gap", "MaxSkew")


def found(seeds=2, seen=SEEN, costs=COSTS):
    """Results and rows as the notebook has them; each query's number is -1, 0 or 1 plus the seed."""
    results = {
        (objective, treatment): [{name: np.array([-1.0, 0, 1]) + seed for name in seen} for seed in range(seeds)]
        for objective in OBJECTIVES
        for treatment in TREATMENTS
    }
    rows = [
        row(metric, [60.0, 62.0][: 1 if metric == PROBES[2] else seeds], n=9, objective=objective, treatment=treatment)
        for objective, treatment in results
        for metric in (*PROBES, *costs)
    ]
    frame = pd.DataFrame(rows)
    return results, frame.assign(ci95=frame["ci95"].astype(float), chance=50)


def test_intervals_are_over_queries_after_a_mean_over_seeds():
    lines = plots.by_query(found()[0]).query("objective == 'jsd' and treatment == 'before' and metric == 'gap'")
    assert lines["mean"].tolist() == [0.5]
    assert lines["ci95"].tolist() == pytest.approx([4.303 / 3**0.5], rel=1e-3)  # t(0.975, 2) · s / sqrt(3), s = 1


def test_every_measure_has_a_panel_with_a_bar_per_objective_and_treatment():
    figure = plots.removal_grid(*found(), by_colour=72.5)
    figure.canvas.draw()
    titles = [axis.get_title() for axis in figure.axes]
    assert [title.split(":")[0] for title in titles[:3]] == ["gap", "planted gap", "MaxSkew"]
    fitted = [f"linear probe,\nfitted on {images} images" for images in ("training", "measured")]
    assert titles[3:] == [*fitted, "MLP probe (one seed),\nfitted on measured images", *COSTS]
    assert {len(axis.patches) for axis in figure.axes} == {9}
    named = {text.get_text() for text in figure.legends[0].get_texts()}
    assert named == {"CLIP-Lite (JSD)", "CLIP (InfoNCE)", "SigLIP (sigmoid)", "chance", "linear probe on colour counts"}


def test_what_was_not_measured_leaves_no_hole():
    figure = plots.removal_grid(*found(seen=("to men", "to women", "gap", "MaxSkew"), costs=COSTS[:2]), by_colour=50)
    figure.canvas.draw()
    lines = [figure.axes[:2], figure.axes[2:5], figure.axes[5:]]
    assert [len(line) for line in lines] == [2, 3, 2]
    for line in lines:
        assert line[-1].get_position().x1 > 0.9


def test_a_negative_gap_is_drawn():
    results, rows = found()
    for of_seeds in results.values():
        for of_seed in of_seeds:
            of_seed["planted gap"] = of_seed["planted gap"] - 0.9
    assert plots.removal_grid(results, rows, by_colour=50).axes[1].get_ylim()[0] < -0.3


def test_queries_lie_beside_women_and_men_for_each_treatment():
    figure = plots.alignment_bars(found()[0], k=20)
    figure.canvas.draw()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["to women", "to men"]
    assert "3 queries" in legend.get_title().get_text()
    for axis in figure.axes:
        assert len(axis.patches) == 6 and [tick.get_text() for tick in axis.get_xticklabels()] == list(TREATMENTS)
    assert "20 nearest images" in figure.axes[0].get_ylabel()


def test_few_people_are_shown_beside_the_name_of_their_group(tmp_path):
    write_photo(tmp_path / "a.jpg", (40, 32), 0)
    people = People(
        [CaptionedImage(tmp_path / "a.jpg", ("a man",), 0)] * 3, np.array(["man", "man", "woman"]), tmp_path
    )
    figure = plots.people_grid(people, columns=4)
    figure.canvas.draw()
    assert [len(axis.images) for axis in figure.axes] == [1, 0, 0, 0, 1, 1, 0, 0]
    assert [text.get_text() for axis in figure.axes for text in axis.texts] == ["woman", "man"]
