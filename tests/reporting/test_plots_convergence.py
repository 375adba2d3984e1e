"""The figures of convergence show every objective at every length, with intervals."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd

from cliplite_core.reporting.plots.convergence import TITLES, recall_by_length, recall_by_share


def rows(label: str, values: list[float]) -> pd.DataFrame:
    lines = [
        {"metric": metric, "objective": objective, label: value, "mean": 10.0 * step, "ci95": 1.0}
        for metric in TITLES
        for objective in ("jsd", "infonce")
        for step, value in enumerate(values)
    ]
    return pd.DataFrame(lines)


def test_lengths_are_epochs_and_every_panel_has_a_line_and_a_band_per_objective():
    figure = recall_by_length(rows("pairs", [12000, 60000]), images=6000)
    assert [axis.get_title() for axis in figure.axes] == list(TITLES.values())
    for axis in figure.axes:
        assert [text.get_text() for text in axis.get_xticklabels()] == ["2", "10"]
        assert len(axis.lines) == len(axis.collections) == 2
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim(), "what is compared shares a scale"
    plt.close(figure)


def test_shares_are_percent():
    figure = recall_by_share(rows("train_fraction", [0.05, 0.2]))
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["5", "20"]
    plt.close(figure)
