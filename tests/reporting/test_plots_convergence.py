"""The figures of convergence show every objective at every length, with intervals."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd

from cliplite_core.reporting.plots.convergence import (
    TITLES,
    recall_by_batch,
    recall_by_length,
    recall_by_negatives,
    recall_by_share,
)


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


def test_batches_share_a_scale_and_have_their_sizes_as_ticks():
    figure = recall_by_batch(rows("batch_size", [16, 1024]))
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["16", "1,024"]
    assert len(figure.axes) == 2 and figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    plt.close(figure)


def test_negatives_stand_at_both_lengths_and_sums_beside_their_means():
    lengths = (30000, 240000)
    means = [rows("negatives", [1, 3, 15]).assign(pairs=pairs, study="negatives, converged") for pairs in lengths]
    sums = [rows("negatives", [3, 15]).assign(pairs=pairs, study="sums, converged") for pairs in lengths]
    drawn = pd.concat([*means, *(some[some["objective"] == "jsd"] for some in sums)], ignore_index=True)
    figure = recall_by_negatives(drawn, images=6000)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["5 epochs, at the end", "40 epochs, at the end", "40 epochs, stopped at its best"]
    for axis in figure.axes:
        labels = [line.get_label() for line in axis.lines]
        assert labels == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)", "CLIP-Lite (JSD), summed"]
        assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "3", "15"]
    plt.close(figure)
