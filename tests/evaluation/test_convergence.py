"""Where a training ended, and what stopping it at its best would have given, from its own log."""

from __future__ import annotations

import pandas as pd
import pytest

from cliplite_core.evaluation.convergence import BEST, END, KNOWN, converged_studies, convergence, stopped
from cliplite_core.evaluation.studies import AblationRun
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_log


def test_stopping_is_chosen_on_one_half_and_told_of_the_other():
    curve = pd.DataFrame({"even R@10": [0.1, 0.9, 0.2], "odd R@10": [0.5, 0.3, 0.1]})
    assert stopped(curve) == pytest.approx((0.3 + 0.1) / 2)  # even's best is step 1, odd's best is step 0


def test_on_noise_stopping_promises_no_more_than_there_is():
    import numpy as np

    rng = np.random.default_rng(0)
    found = [stopped(pd.DataFrame(rng.normal(size=(40, 2)), columns=["even R@10", "odd R@10"])) for _ in range(400)]
    assert abs(np.mean(found)) < 0.15  # the largest of forty draws would be above 2


def test_a_study_s_runs_are_read_as_they_were_logged(tiny):
    frozen = tiny.override(frozen=True, image_prior=False, optimizer="sgd", image_lr=0.05, text_lr=0.05)
    runs = [AblationRun("length", {"pairs": 8 * steps}, frozen.override(steps=steps)) for steps in (2, 6)]
    found = convergence(runs)
    assert found.index.tolist() == [(16, "jsd", 0), (48, "jsd", 0)]
    log = read_log(train(runs[1].config), "retrieval")
    assert found[END].iloc[1] == pytest.approx(100 * log["R@10"].iloc[-1], abs=1e-3)
    assert found[BEST].iloc[1] == pytest.approx(100 * stopped(log), abs=1e-3) and found[KNOWN].between(0, 100).all()
    halves = log[["even R@10", "odd R@10"]].mean(axis=1)
    assert halves.tolist() == pytest.approx(log["R@10"].tolist())


def test_only_runs_with_frozen_encoders_are_asked_where_they_end(tiny):
    frozen = tiny.override(frozen=True, image_prior=False, steps=2)
    runs = [AblationRun("negatives", {"negatives": k}, frozen.override(negatives=k)) for k in (1, 3)]
    learning = AblationRun("length", {"pairs": 16}, tiny.override(steps=2))
    assert converged_studies([learning]) == {}
    found = converged_studies([*runs, learning])
    assert list(found) == ["negatives, converged"]
    assert found["negatives, converged"].index.tolist() == [(1, "jsd", 0), (3, "jsd", 0)]
