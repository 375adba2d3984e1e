"""Figures of notebook 01 show what their captions say."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from cliplite_core.evaluation.gaussians import bound_estimates
from cliplite_core.reporting.figures import COLORS
from cliplite_core.reporting.plots import pretraining as plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_of_a_batch_jsd_computes_the_diagonal_and_its_neighbour_and_infonce_everything(tmp_path):
    paths = [tmp_path / f"{n}.png" for n in range(6)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    scores = np.arange(36.0).reshape(6, 6)
    figure = plots.one_batch(paths, [f"caption {n}" for n in range(6)], scores)
    jsd, infonce = [axis for axis in figure.findobj(plt.Axes) if axis.texts]
    shown = {text.get_text() for text in jsd.texts}
    assert shown == {f"{scores[i, j]:.1f}" for i in range(6) for j in (i, (i + 1) % 6)}
    assert len(infonce.texts) == 36
    diagonal = jsd.images[0].get_array()[np.diag_indices(6)]
    assert {to_hex(colour) for colour in diagonal} == {COLORS["jsd"].lower()}


def test_the_curve_of_a_bound_does_not_lag_behind_it():
    steps = np.arange(1, 41)
    log = pd.DataFrame({"samples": 1000 * steps, "bound": steps.astype(float)})
    figure = plots.curves({"jsd": [log], "infonce": [log], "sigmoid": [log]}, batch_size=64)
    raw, smooth, *_ = figure.axes[0].lines
    np.testing.assert_allclose(smooth.get_ydata()[4:-4], raw.get_ydata()[4:-4])  # a straight line stays where it is
    assert figure.axes[1].lines[2].get_ydata()[0] == pytest.approx(np.log(64))


def test_every_panel_of_the_histograms_says_after_how_many_pairs():
    scores = pd.DataFrame({"positive": [[1.0, 2.0]] * 5, "negative": [[0.0, 1.0]] * 5}, index=[0, 2, 6, 18, 60])
    figure = plots.score_histograms(dict.fromkeys(COLORS, scores), batch_size=32)
    titles = [axis.get_title() for axis in figure.axes[:4]]
    assert titles == ["after 0 pairs", "after 192 pairs", "after 576 pairs", "after 1,920 pairs"]


def test_both_bounds_are_drawn_beside_what_they_should_be():
    figure = plots.bounds(*bound_estimates(candidates=4, points=3, pairs=64), candidates=4)
    assert [len(axis.lines[1].get_xdata()) for axis in figure.axes] == [3, 3]
    assert figure.axes[1].lines[2].get_ydata()[0] == pytest.approx(np.log(4))
