"""Ablations: a study varies one or two fields of the configuration around a base run (paper, ablations of section 4).

Each study is one entry of `data/ablations/PROFILE.toml`; here entries become configurations, nothing is trained.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cliplite_core.config import SECTION_OF, Config, ConfigError
from cliplite_core.storage.places import DEFINITIONS

if TYPE_CHECKING:  # the Snakefile lists runs and waits for no table
    import pandas as pd

# What an ablation file may set beside fields of a configuration.
_IN_FILES = ("pairs", "warmup_pairs", "lr", "scale_lr")
# Studies that notebook 08 draws over their values; all others change a part of the model.
CURVES = ("batch_size", "length", "negatives", "train_fraction", "objective")


@dataclass(frozen=True)
class Study:
    """One entry of an ablation file.

    Attributes:
        label: what is varied, in words, for an axis.
        objectives: the objectives it is run for.
        vary: field (or "pairs") to its values; several fields make a grid.
        quick: likewise, the part that is run by default; empty = none of it.
        fixed: fields that all its runs have in common, beside the base.
        seeds: at most this many seeds; 0 = as many as asked for.
        untuned: whether its runs start from the values before tuning: the trials by which [tuned] was chosen.
        chain: instead of `vary`, named steps from one recipe to another, each with the fields that it changes for good.
    """

    label: str
    objectives: list[str]
    vary: dict[str, list] = field(default_factory=dict)
    quick: dict[str, list] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    seeds: int = 0
    untuned: bool = False
    chain: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ablations:
    """An ablation file.

    Attributes:
        base: what all runs have in common that differs from the profile.
        studies: by name, in the order of the file.
        cost_batch_sizes: by grid, "quick" and "full", the batches for which the objective alone is timed. Of
            16,384 pairs one matrix of all B² scores takes 1 GiB in float32, and a pass holds several, so the quick grid
            stops before.
    """

    base: dict[str, Any]
    studies: dict[str, Study]
    cost_batch_sizes: dict[str, list[int]]


@dataclass(frozen=True)
class AblationRun:
    """One training of a study.

    Attributes:
        study: the study's name.
        settings: what the study varies, e.g. {"batch_size": 16}.
        config: the run, complete; runs of different studies with equal configurations are one training.
    """

    study: str
    settings: dict[str, Any]
    config: Config


def has_ablations(profile: str) -> bool:
    """Return whether there is an ablation file for a profile's name."""
    return (DEFINITIONS / "ablations" / f"{profile}.toml").is_file()


def read_ablations(profile: str) -> Ablations:
    """Read `data/ablations/PROFILE.toml`.

    Args:
        profile: the profile's name.

    Returns:
        The file's content; its fields and values are checked by `ablation_runs`.

    Raises:
        ConfigError: there is no such file, or an entry lacks or misnames a key; the message names it.
    """
    path = DEFINITIONS / "ablations" / f"{profile}.toml"
    if not path.is_file():
        raise ConfigError(f"{path} not found: the profile {profile!r} has no ablations; copy and edit scenes.toml")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        studies = {name: Study(**entry) for name, entry in content["studies"].items()}
        sizes = content["cost"]["batch_sizes"]
        cost = {"quick": content["cost"].get("quick", sizes), "full": sizes}
        plan = Ablations(content.get("base", {}), studies, cost)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: {error}; see scenes.toml for a complete file") from error
    for name, study in studies.items():
        outside = [key for key, values in study.quick.items() if not set(values) <= set(study.vary.get(key, ()))]
        if outside:
            raise ConfigError(f"{path}, [studies.{name}]: quick has values of {outside[0]!r} that vary lacks")
    return plan


def ablation_runs(profile: Config, seeds: int, grid: str = "quick") -> list[AblationRun]:
    """List the runs of all studies of a profile.

    Args:
        profile: the profile the studies vary.
        seeds: trainings per setting, >= 1.
        grid: "quick" = what `make results` runs, "full" = everything.

    Returns:
        One entry per study, setting, objective and seed, in the order of the file.

    Raises:
        ConfigError: a study names a field that does not exist or a value it cannot hold; or an unknown grid.
    """
    if grid not in ("quick", "full"):
        raise ConfigError(f"grid: got {grid!r}, expected 'quick' or 'full'")
    plan = read_ablations(profile.profile)
    runs = []
    for name, study in plan.studies.items():
        before = profile.tuned.get("untuned", {}) if study.untuned else {}
        for settings, changed in _variants(study, grid):
            for objective in study.objectives:
                start = profile.override(objective=objective, **before)
                config = _sized(start, plan.base | study.fixed | changed)
                for seed in range(min(seeds, study.seeds or seeds)):
                    runs.append(AblationRun(name, settings, config.override(seed=seed)))
    return runs


def _variants(study: Study, grid: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield what a table calls each variant of a study, and the fields it sets."""
    changed: dict[str, Any] = {}
    for step, fields in study.chain.items() if grid == "full" else ():
        changed = changed | fields
        yield {"step": step}, changed
    values = study.vary if grid == "full" else study.quick
    for chosen in itertools.product(*values.values()) if values else ():
        yield (settings := dict(zip(values, chosen, strict=True))), settings


def _sized(profile: Config, overrides: dict[str, Any]) -> Config:
    """Override a profile; lengths given in pairs become steps, and learning rates follow the batch size."""
    config = profile.override(**{name: value for name, value in overrides.items() if name not in _IN_FILES})
    batch = config.train.batch_size
    if "pairs" in overrides:
        config = config.override(steps=overrides["pairs"] // batch)
    if "lr" in overrides:
        config = config.override(image_lr=overrides["lr"], text_lr=overrides["lr"])
    if "warmup_pairs" in overrides:
        config = config.override(warmup_steps=overrides["warmup_pairs"] // batch)
    if overrides.get("scale_lr") == "sqrt":
        scale = math.sqrt(batch / profile.train.batch_size)
        config = config.override(image_lr=scale * config.optim.image_lr, text_lr=scale * config.optim.text_lr)
    return config


def plateau(pairs: Sequence[int], validation: Sequence[float], gain: float = 2.0) -> tuple[int, bool]:
    """Find where longer training stops paying.

    Args:
        pairs: lengths of training, ascending, each with its own complete schedule.
        validation: the score at each, in points.
        gain: less than this from one length to the next is a plateau, in points.

    Returns:
        Position of the first length on the plateau, and True; or the last position and False, if the score still rises.

    Example:
        >>> plateau([1, 2, 4, 8], [10.0, 30.0, 31.0, 31.5]), plateau([1, 2], [10.0, 30.0])
        ((1, True), (1, False))
    """
    for position in range(len(pairs) - 1):
        if validation[position + 1] - validation[position] < gain:
            return position, True
    return len(pairs) - 1, False


def trials(plan: Ablations, measured: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Collect the trials by which the learning rates and the like of each objective were chosen.

    Args:
        plan: the ablation file; trials are its studies marked `untuned`.
        measured: study -> one line per training, from `quality.measure_runs`.

    Returns:
        One entry per trial and objective: `trial`, what it sets in words; `objective`; and `validation`, the mean
        score over seeds, in percent. Empty for a profile that was not tuned.
    """
    tried = []
    for study in (name for name in measured if plan.studies[name].untuned):
        means = measured[study]["validation"].groupby(level=list(range(measured[study].index.nlevels - 1)), sort=False)
        for (*values, objective), score in means.mean().items():
            trial = f"{plan.studies[study].label}\n{' '.join(f'{value:g}' for value in values)}"
            tried.append({"trial": trial, "objective": objective, "validation": score})
    return tried


def plateaus(measured: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Find, for each objective and batch size of the study `length`, the training where longer ones stop paying.

    Args:
        measured: study -> one line per training, from `quality.measure_runs`.

    Returns:
        One entry per objective and batch size: both, the `pairs` seen, whether the plateau was `reached`, and the
        scores there, in percent (means over seeds). Empty without that study, or where it has a single length.
    """
    if "length" not in measured or measured["length"].index.unique("pairs").size == 1:
        return []
    means = measured["length"].groupby(level=["objective", "batch_size", "pairs"]).mean().reset_index()
    ends = []
    for _, longer in means.groupby(["objective", "batch_size"]):
        position, reached = plateau(longer["pairs"].tolist(), longer["validation"].tolist())
        ends.append(longer.iloc[position].to_dict() | {"reached": reached})
    return ends


def changed_parts(
    profile: Config, runs: Sequence[AblationRun], measured: Mapping[str, pd.DataFrame]
) -> tuple[list[pd.Series], dict[str, list[pd.Series]]]:
    """Compare JSD runs that change a part of the model with the base run of the same seed.

    Args:
        profile: the profile the studies vary.
        runs: those of one grid, from `ablation_runs`.
        measured: study -> one line per training, from `quality.measure_runs`.

    Returns:
        The base run's scores, one series per seed, in percent; and for each changed part, named with its old and its
        new value, the differences from the base run, one series per seed, in points. Both are empty where the grid
        has no base run, or no part that makes a difference.
    """
    plan = read_ablations(profile.profile)
    base = _sized(profile.override(objective="jsd"), plan.base)
    scores = {run.config.hash(): measured[run.study].loc[(*run.settings.values(), *_trained(run))] for run in runs}
    before, changes = {}, {}
    for run in runs:
        (objective, seed), study = _trained(run), plan.studies[run.study]
        start = base.override(seed=seed)
        if objective != "jsd" or run.study in CURVES or study.untuned or study.chain or run.config == start:
            continue
        if start.hash() in scores:
            before[seed] = scores[start.hash()]
            difference = scores[run.config.hash()] - before[seed]
            changes.setdefault(_change(study.label, run.settings, start), []).append(difference)
    changes = {name: found for name, found in changes.items() if any(difference.any() for difference in found)}
    return list(before.values()) if changes else [], changes


def _trained(run: AblationRun) -> tuple[str, int]:
    return run.config.objective.objective, run.config.train.seed


def _change(label: str, settings: Mapping[str, Any], before: Config) -> str:
    """Name a change: "critic: dot → concat", or the study's label alone where it sets several fields at once."""
    if len(settings) > 1:
        return label
    ((name, new),) = settings.items()
    old = getattr(getattr(before, SECTION_OF[name]), name)
    values = [f"{value:g}" if isinstance(value, int | float) else str(value) for value in (old, new)]
    return f"{label}: {' → '.join(values[old is None :])}"  # None = as the objective has it
