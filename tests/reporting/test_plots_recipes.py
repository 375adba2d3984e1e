"""The figures of recipes and optimisers: in order, and the paper's comparison of its two ends in words."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from cliplite_core.evaluation.convergence import BEST, END
from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.plots.recipes import optimizers, recipes

VALUES = {
    ("short", "jsd"): [10.0, 12.0],
    ("short", "infonce"): [20.0, 21.0],
    ("long", "jsd"): [40.0, 41.0],
    ("long", "infonce"): [45.0, 47.0],
}


def rows(metric="probe"):
    made = [row(metric, values, n=9, step=step, objective=name) for (step, name), values in VALUES.items()]
    return pd.DataFrame(made).astype({"ci95": float})


@pytest.fixture
def figure():
    yield recipes(rows())
    plt.close("all")


def test_clip_lite_at_the_end_of_the_chain_is_compared_with_clip_at_its_beginning(figure):
    assert figure.axes[0].get_title() == "linear probe top-1 (%)"
    assert figure.axes[0].get_xlabel() == "CLIP-Lite's last step\n− CLIP's first:\n+20.0 ± 0.0"


def test_steps_stand_from_the_top_down_and_nothing_is_cut_off(figure):
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["short", "+ long"]
    assert axis.get_ylim() == (1.5, -0.5)
    ours = axis.get_lines()[0]
    assert list(ours.get_xdata()) == [11.0, 40.5] and axis.get_xlim()[1] > 47
    assert ours.get_linestyle() == "None"  # nothing lies between two steps
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)"]


def test_optimisers_are_no_chain_and_each_measure_has_a_panel():
    figure = optimizers(pd.concat([rows(END), rows(BEST)]))
    assert [axis.get_title() for axis in figure.axes] == ["R@10 at the end (%)", "R@10, stopped at its best (%)"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["short", "long"]
    dots = figure.axes[0].get_lines()[0]
    assert list(dots.get_xdata()) == [11.0, 40.5] and dots.get_linestyle() == "None"
    assert figure.legends[0].get_title().get_text() == "mean of 2 seeds, 95 % intervals; n = 9"
    plt.close(figure)
