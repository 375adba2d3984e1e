"""The figure of the reproduction report: where each number lies in what seeds explain."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd

from cliplite_core.reporting.plots.reproduction import REACH, differences
from cliplite_core.reporting.reproduction import OUTSIDE, SAME, WITHIN


def test_numbers_outside_stand_outside_of_the_band_and_the_farthest_at_the_edge():
    lines = [
        ("04 Retrieval", 0.5, 1.0),
        ("04 Retrieval", -9.0, 1.0),
        ("08 Studies", 1.5, 1.0),
        ("08 Studies", 0.0, 0.0),
        ("08 Studies", 0.2, 1.0),
    ]
    compared = pd.DataFrame(lines, columns=["experiment", "difference", "allowed"])
    figure = differences(compared.assign(verdict=[WITHIN, OUTSIDE, OUTSIDE, WITHIN, SAME]))
    (axis,) = figure.axes
    inside, outside = (line for line in axis.get_lines() if line.get_marker() == "o")
    assert list(inside.get_xdata()) == [0.5, 0.0] and list(outside.get_xdata()) == [-REACH, 1.5]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["04 Retrieval", "08 Studies"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["allowed", WITHIN, OUTSIDE]
    plt.close("all")
