"""Figures of notebook 08: what they must show for a reader not to be misled."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from cliplite_core.evaluation.cost import EXPONENTS, MEMORY, TIME
from cliplite_core.reporting.metrics import row
from cliplite_core.reporting.plots import studies as draw


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def rows(*settings, study="batch_size", name="batch_size", measures=("retrieval", "transfer")):
    """Rows of a study: (value of the setting, objective, scores of the seeds)."""
    made = [
        row(measure, scores, n=9, study=study, objective=objective, **{name: value})
        for value, objective, scores in settings
        for measure in measures
    ]
    return pd.DataFrame(made).astype({"ci95": float})


def named(figure):
    return [text.get_text() for legend in legends(figure) for text in legend.get_texts()]


def legends(figure):
    return [*figure.legends, *(legend for part in figure.subfigs for legend in part.legends)]


def test_one_panel_per_measure_and_one_line_per_objective():
    figure = draw.batch_sizes(
        rows((16, "jsd", [1.0]), (32, "jsd", [2.0]), (16, "infonce", [5.0]), (32, "infonce", [6.0]))
    )
    axes = figure.subfigs[0].axes
    assert [axis.get_ylabel() for axis in axes] == ["retrieval R@5 (%)", "VOC-style mAP (%)"]
    assert [list(line.get_ydata()) for line in axes[0].lines] == [[1.0, 2.0], [5.0, 6.0]]
    assert named(figure) == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)"]


def test_an_interval_ends_where_percentages_end_and_nothing_drawn_is_cut_off():
    figure = draw.batch_sizes(rows((16, "jsd", [1.0, 9.0]), (32, "jsd", [99.0, 99.9])))
    axis = figure.subfigs[0].axes[0]
    (low, high), (_, top) = (ends[:, 1] for ends in axis.collections[0].get_segments())
    assert low == 0.0 and high > 9.0 and top == 100.0
    bottom, limit = axis.get_ylim()
    assert bottom < 0 and limit > 100


def test_longer_trainings_are_hollow_while_they_still_rise_and_say_how_many_pairs_they_saw():
    ends = [
        {"objective": "jsd", "batch_size": 16, "pairs": 80000, "retrieval": 3.0, "transfer": 4.0, "reached": True},
        {"objective": "jsd", "batch_size": 32, "pairs": 960, "retrieval": 5.0, "transfer": 6.0, "reached": False},
    ]
    figure = draw.batch_sizes(rows((16, "jsd", [1.0]), (32, "jsd", [2.0])), ends)
    axis = figure.subfigs[1].axes[0]
    assert [line.get_markerfacecolor() for line in axis.lines[1:]] == [draw.COLORS["jsd"], "white"]
    assert [text.get_text() for text in axis.texts] == ["80k", "960"]
    assert "still rising at the longest training" in named(figure)


def test_batch_sizes_differ_in_their_dashes_and_the_legend_shows_them():
    made = [
        rows((16, objective, [size / 9.0]), study="length").assign(batch_size=size, pairs=pairs)
        for objective in ("jsd", "infonce")
        for size in (16, 256)
        for pairs in (40000, 80000)
    ]
    figure = draw.lengths(pd.concat(made))
    assert {line.get_linestyle() for line in figure.axes[0].lines} == {"-", "--"}
    assert named(figure) == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)", "batch of 16", "batch of 256"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["40k", "80k"]


def test_rates_have_a_panel_per_batch_size_and_one_scale():
    made = [
        rows((0.001, "jsd", [9.0]), (0.003, "jsd", [size / 8]), name="lr").assign(batch_size=size) for size in (64, 256)
    ]
    figure = draw.rates(pd.concat(made))
    assert [axis.get_title() for axis in figure.axes] == ["batches of 64", "batches of 256"]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["0.001", "0.003"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim() and figure.axes[0].get_ylim()[1] > 32
    plt.close(figure)


def test_negatives_are_compared_with_the_objectives_that_use_all_of_them():
    jsd = rows((1, "jsd", [3.0]), (31, "jsd", [4.0]), study="negatives", name="negatives")
    others = rows((32, "jsd", [3.0]), (32, "infonce", [9.0, 8.0]), study="objective")
    figure = draw.negatives(pd.concat([jsd, others]))
    assert named(figure) == ["CLIP-Lite (JSD)", "CLIP (InfoNCE), all negatives"]
    assert figure.axes[0].get_ylim()[1] > 9.0


def test_shares_are_in_percent():
    found = rows((0.1, "jsd", [3.0]), (1.0, "jsd", [4.0]), study="train_fraction", name="train_fraction")
    assert list(draw.shares(found).axes[0].get_xticks()) == [10, 100]


def test_parts_stand_beside_the_base_run_and_its_score():
    base = [pd.Series({"retrieval": 10.0}), pd.Series({"retrieval": 12.0})]
    changes = {"critic: dot → concat": [pd.Series({"retrieval": -3.0}), pd.Series({"retrieval": -5.0})]}
    axis = draw.parts(base, changes).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["base run (its score)", "critic: dot → concat"]
    assert [text.get_text() for text in axis.texts] == ["11.0 %"]
    low, high = axis.get_xlim()
    assert low == -high and low < -4


def test_the_best_trial_of_each_objective_is_circled():
    scores = {("lr 1", "jsd"): 1.0, ("lr 2", "jsd"): 3.0, ("lr 1", "infonce"): 5.0, ("lr 2", "infonce"): 4.0}
    figure = draw.tuning([{"trial": t, "objective": o, "validation": v} for (t, o), v in scores.items()])
    circles = [line for line in figure.axes[0].lines if line.get_label() == "chosen"]
    assert [circle.get_ydata()[0] for circle in circles] == [3.0, 5.0]
    assert named(figure) == ["CLIP-Lite (JSD)", "CLIP (InfoNCE)", "chosen"]


def test_costs_are_labelled_with_their_exponents_and_a_hidden_line_shows_around_the_other():
    index = pd.MultiIndex.from_product([["infonce", "sigmoid"], [64, 256]], names=["objective", "batch_size"])
    costs = pd.DataFrame({TIME: [0.1, 1.6, 0.1, 1.6], MEMORY: [1.0, 16.0, 1.0, 16.0]}, index=index)
    powers = pd.DataFrame({name: [2.0, 1.5] for name in EXPONENTS.values()}, index=["infonce", "sigmoid"])
    figure = draw.cost(costs, powers)
    left, right = figure.axes
    assert left.get_ylabel() == "time of one pass (ms)" and list(left.lines[0].get_ydata()) == [100.0, 1600.0]
    assert right.get_legend().get_texts()[1].get_text() == "SigLIP (sigmoid): 1.50"
    under, over = right.lines
    assert under.get_markersize() > over.get_markersize() and over.get_linestyle() == "--"
