"""What the studies of a profile are going to train, as a table, and where to look for those that it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cliplite_core.config import Config
from cliplite_core.evaluation.studies import AblationRun, Ablations, read_ablations
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.figures import LABELS
from cliplite_core.reporting.tables import SETTINGS, number

TITLES = {  # published profile: the title of its results
    "scenes": "Composed scenes",
    "flickr8k": "Flickr8k, from scratch",
    "flickr8k_frozen": "Flickr8k, frozen encoders",
}


def plan_table(plan: Ablations, runs: Sequence[AblationRun]) -> pd.DataFrame:
    """Set out what is trained: a line for what all runs have in common, one per study, and the total.

    Args:
        plan: the ablation file, from `studies.read_ablations`.
        runs: those of one grid, from `studies.ablation_runs`; a study without runs is not in that grid.

    Returns:
        Text cells. Settings of several studies may give one configuration, which is trained once, so that the total
        can be less than the sum.
    """
    lines = [{"study": "common to all", "values": _in_words({name: [value] for name, value in plan.base.items()})}]
    for name, study in plan.studies.items():
        mine = [run for run in runs if run.study == name]
        varied = mine[0].settings if mine else {}
        values = {field: list(dict.fromkeys(run.settings[field] for run in mine)) for field in varied}
        rest = {
            "values": _in_words(values, study.label),
            "objectives": ", ".join(LABELS[objective] for objective in study.objectives),
            "seeds": str(len({run.config.train.seed for run in mine})),
            "trainings": str(len(mine)),
        }
        lines.append({"study": study.label} | (rest if mine else {"values": "not in this grid"}))
    total = len({run.config.hash() for run in runs})
    return pd.DataFrame([*lines, {"study": "all, each once", "trainings": f"{total:,}"}]).fillna("")


def left_out(config: Config, study: str, frozen: bool = False) -> str:
    """Say why a study is not among the results at hand, and which published results have it.

    Args:
        config: the profile at hand.
        study: its name in the ablation files.
        frozen: whether it takes frozen encoders.

    Example:
        >>> left_out(load_profile("scenes"), "batch_lr")
        'Not part of the profile scenes; see results/flickr8k_frozen ("Flickr8k, frozen encoders").'
    """

    def has(profile: str) -> bool:
        return study in read_ablations(profile).studies and (load_profile(profile).model.frozen or not frozen)

    if has(config.profile):
        return f"Not part of this grid of the profile {config.profile}; the grid `full` has it."
    pages = ", ".join(f'results/{profile} ("{title}")' for profile, title in TITLES.items() if has(profile))
    return f"Not part of the profile {config.profile}" + (f"; see {pages}." if pages else ".")


def _in_words(values: Mapping[str, Sequence[Any]], label: str = "") -> str:
    """Name each field and its values; a single field goes without its name where the study's label says it."""
    listed = {SETTINGS.get(name, name.replace("_", " ")): " · ".join(map(number, of)) for name, of in values.items()}
    if len(values) == 1 and (label in listed or len(next(iter(values.values()))) > 1):
        return next(iter(listed.values()))
    return "; ".join(f"{name} {of}" for name, of in listed.items())
