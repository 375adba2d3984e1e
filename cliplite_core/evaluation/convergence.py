"""Where long trainings end, and where they would better have been stopped: read from the logs of finished runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cliplite_core.callbacks import HALVES
from cliplite_core.evaluation.studies import AblationRun
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_log

MEASURE = "R@10"
END, BEST, KNOWN = REACHED = ("at the end", "stopped at its best", "on training images")
CONVERGED = {  # studies whose runs are long enough to ask where they end, and what their rows are called
    "length": "convergence",
    "train_fraction": "shares, converged",
    "negatives": "negatives, converged",
    "negative_sum": "sums, converged",
    "batch_size": "batches, converged",
    "optimizer": "optimisers, converged",
}


def converged_studies(runs: Sequence[AblationRun]) -> dict[str, pd.DataFrame]:
    """Return `convergence` of each study whose runs have frozen encoders, by what its rows are called.

    Args:
        runs: from `studies.ablation_runs`; those that train encoders are left out.

    Returns:
        A value of `CONVERGED` -> a table; empty where no run has frozen encoders.
    """
    frozen = [run for run in runs if run.config.model.frozen]
    by_study = {name: [run for run in frozen if run.study == study] for study, name in CONVERGED.items()}
    return {name: convergence(mine) for name, mine in by_study.items() if mine}


def convergence(runs: Sequence[AblationRun]) -> pd.DataFrame:
    """Read what each training of a study reached; a run that is not there yet is trained first.

    Where to stop is chosen on every other held-out query, and the recall there is that of the queries in between, then
    the other way round: the mean of both is what stopping promises without having seen its test.

    Args:
        runs: at least one training of one study, with frozen encoders, whose recall is logged on held-out and on
            training images.

    Returns:
        One line per training, indexed by what the study varies, `objective` and `seed`; recall in percent, the mean of
        both directions: `at the end`, `stopped at its best`, `on training images` (at the end).
    """
    lines = []
    for run in runs:
        directory = train(run.config)
        held_out, known = read_log(directory, "retrieval"), read_log(directory, "retrieval_train")
        reached = {END: held_out[MEASURE].iloc[-1], BEST: stopped(held_out), KNOWN: known[MEASURE].iloc[-1]}
        labels = run.settings | {"objective": run.config.objective.objective, "seed": run.config.train.seed}
        lines.append(labels | {name: round(100 * float(value), 4) for name, value in reached.items()})
    return pd.DataFrame(lines).set_index([*runs[0].settings, "objective", "seed"])


def stopped(curve: pd.DataFrame, measure: str = MEASURE) -> float:
    """Return the recall of a run stopped where one half of the held-out queries says, as the other half finds it.

    Args:
        curve: the recall over training, with columns "even R@10" and "odd R@10" of the two halves.
        measure: the recall.

    Example:
        >>> stopped(pd.DataFrame({"even R@10": [0.2, 0.6, 0.4], "odd R@10": [0.3, 0.4, 0.5]}))
        0.4
    """
    halves = [f"{name} {measure}" for name, _ in HALVES]
    chosen = [(curve[here].to_numpy().argmax(), there) for here, there in (halves, halves[::-1])]
    return float(np.mean([curve[there].iloc[at] for at, there in chosen]))
