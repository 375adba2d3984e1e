"""The table of what the trainings cost, from the runs themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cliplite_core.config import Config
from cliplite_core.reporting.figures import LABELS
from cliplite_core.storage.logs import read_summary


def training_table(runs: Mapping[str, Sequence[Path]], config: Config, separation: Mapping[str, float]) -> pd.DataFrame:
    """Set out what each objective's trainings took, means over seeds.

    Args:
        runs: objective -> the directory of each seed's run.
        config: any of the runs: how many pairs they saw.
        separation: objective -> area under the ROC curve of held-out pairs, in percent.

    Returns:
        One line per objective, formatted: pairs seen, AUC, pairs per second, seconds.
    """
    lines = []
    for objective, of_seeds in runs.items():
        took = pd.DataFrame([read_summary(run) for run in of_seeds]).mean(numeric_only=True)
        lines.append(
            {
                "objective": LABELS[objective],
                "pairs seen": f"{config.train.steps * config.train.batch_size:,}",
                "AUC true vs mismatched (%)": f"{separation[objective]:.1f}",
                "pairs per second": f"{took['images_per_second']:,.0f}",
                "seconds": f"{took['seconds']:,.0f}",
            }
        )
    return pd.DataFrame(lines)
