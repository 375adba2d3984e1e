"""The figure of the recipes: steps in order, and the paper's comparison of its two ends in words."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.plots.recipes import recipes

VALUES = {
    ("short", "jsd"): [10.0, 12.0],
    ("short", "infonce"): [20.0, 21.0],
    ("long", "jsd"): [40.0, 41.0],
    ("long", "infonce"): [45.0, 47.0],
}


@pytest.fixture
def figure():
    rows = [row("probe", values, n=9, step=step, objective=name) for (step, name), values in VALUES.items()]
    yield recipes(pd.DataFrame(rows).astype({"ci95": float}))
    plt.close("all")


def test_clip_lite_at_the_end_of_the_chain_is_compared_with_clip_at_its_beginning(figure):
    assert figure.axes[0].get_title() == "linear probe top-1 (%)"
    assert figure.axes[0].get_xlabel() == "last less first:\n+20.0 ± 0.0"


def test_steps_stand_from_the_top_down_and_nothing_is_cut_off(figure):
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["short", "+ long"]
    assert axis.get_ylim() == (1.5, -0.5)
    ours = axis.get_lines()[0]
    assert list(ours.get_xdata()) == [11.0, 40.5] and axis.get_xlim()[1] > 47
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)"]
