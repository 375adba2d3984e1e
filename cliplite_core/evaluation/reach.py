"""What it takes to come to a given recall through frozen encoders: pairs, time and memory, batch size by batch size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cliplite_core.data.splits import read_split
from cliplite_core.evaluation.convergence import MEASURE
from cliplite_core.evaluation.cost import objective_cost
from cliplite_core.evaluation.pace import pace
from cliplite_core.evaluation.studies import AblationRun
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_log

GOAL = 0.45  # R@10, mean of both directions
PAIRS, SECONDS, MEMORY = "pairs to the recall", "time to the recall", "memory of the objective"
TAKEN = {PAIRS: "pairs", SECONDS: "s", MEMORY: "MiB"}  # with units


def reach(runs: Sequence[AblationRun], goal: float = GOAL) -> pd.DataFrame:
    """Find how far each training of the study `batch_size` had to go, and time a few of its steps.

    Args:
        runs: from `studies.ablation_runs`; a run that is not there yet is trained first.
        goal: the held-out recall, as logged over training.

    Returns:
        One line per training, indexed by `batch_size`, `objective` and `seed`: `PAIRS` seen, `SECONDS` which so many
        take on this machine when nothing else runs, and `MEMORY` that the objective holds at once, in MiB. Without the
        settings of which a seed never came there; empty where no run has frozen encoders.
    """
    frozen = [run for run in runs if run.study == "batch_size" and run.config.model.frozen]
    lines, step = [], {}
    for run in frozen:
        config, objective = run.config, run.config.objective.objective
        setting = (config.train.batch_size, objective)
        if setting not in step:
            step[setting] = _seconds_per_step(run), objective_cost(objective, setting[0], config.model.units, least=0)
        steps = first_reached(read_log(train(config), "retrieval")[MEASURE], goal)
        seconds, cost = step[setting]
        taken = (steps * setting[0], steps * seconds, cost["mib"])
        lines.append((*setting, config.train.seed, *taken))
    found = pd.DataFrame(lines, columns=["batch_size", "objective", "seed", *TAKEN])
    found = found.groupby(["batch_size", "objective"]).filter(lambda seeds: seeds[PAIRS].notna().all())
    return found.set_index(["batch_size", "objective", "seed"])


def first_reached(curve: pd.Series, goal: float) -> float:
    """Return the step at which a curve, drawn in straight lines, first reaches a value; NaN if it never does.

    Args:
        curve: values, indexed by step, ascending.
        goal: the value.

    Example:
        >>> first_reached(pd.Series([0.0, 0.4, 0.5], index=[0, 10, 20]), goal=0.45)
        15.0
    """
    there = np.flatnonzero(curve >= goal)
    if not len(there):
        return float("nan")
    around = curve.iloc[max(0, there[0] - 1) : there[0] + 1]
    return float(np.interp(goal, around, around.index))


def _seconds_per_step(run: AblationRun) -> float:
    data = run.config.data
    found = pace(run.config, {data.train_split: read_split(run.config, data.train_split)})
    return found.training / found.steps
