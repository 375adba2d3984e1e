"""What a recall takes: where a curve first gets there, and only settings that get there."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from cliplite_core.evaluation import reach as module
from cliplite_core.evaluation.reach import MEMORY, PAIRS, SECONDS, first_reached, reach
from cliplite_core.evaluation.studies import AblationRun
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_log


def test_the_first_crossing_counts_also_where_the_curve_falls_again():
    curve = pd.Series([0.1, 0.3, 0.2, 0.9], index=[0, 10, 20, 30])
    assert first_reached(curve, 0.2) == pytest.approx(5)
    assert first_reached(curve, 0.1) == 0
    assert first_reached(curve, 0.3) == pytest.approx(10)
    assert math.isnan(first_reached(curve, 0.95))


@pytest.fixture
def runs(tiny):
    frozen = tiny.override(frozen=True, image_prior=False, steps=4, checkpoint_every=1)
    settings = [(2, 0), (2, 1), (4, 0)]
    made = [(size, frozen.override(batch_size=size, seed=seed)) for size, seed in settings]
    return [AblationRun("batch_size", {"batch_size": size}, config) for size, config in made]


def test_pairs_are_read_from_the_log_and_time_and_memory_grow_with_them(runs, tiny):
    other = AblationRun("length", {"pairs": 8}, runs[0].config)
    learning = AblationRun("batch_size", {"batch_size": 2}, tiny)
    found = reach([*runs, other, learning], goal=0.0)
    assert found.index.tolist() == [(2, "jsd", 0), (2, "jsd", 1), (4, "jsd", 0)]
    assert (found[PAIRS] == 0).all(), "a recall of nothing is there from the start"
    assert (found[SECONDS] == 0).all() and (found[MEMORY] > 0).all()
    held = found[MEMORY].groupby(level="batch_size").first()
    assert held[4] > held[2]


def test_a_setting_of_which_one_seed_never_gets_there_is_left_out(runs, monkeypatch):
    curves = {run.config.hash(): read_log(train(run.config), "retrieval") for run in runs}
    by_directory = {train(run.config): curves[run.config.hash()] for run in runs}
    low, high = (
        curve.assign(**{"R@10": recall})
        for curve, recall in zip(list(by_directory.values())[:2], (0.1, 0.9), strict=True)
    )
    logs = dict(zip(by_directory, (low, high, high), strict=True))
    monkeypatch.setattr(module, "read_log", lambda directory, kind: logs[directory])
    assert reach(runs, goal=0.5).index.tolist() == [(4, "jsd", 0)]
    assert reach(runs[:2], goal=0.5).empty


def test_there_is_nothing_to_tell_where_encoders_learn(tiny):
    assert reach([AblationRun("batch_size", {"batch_size": 2}, tiny)]).empty
