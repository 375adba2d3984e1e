"""Ablations: a study varies one or two fields of the configuration around a base run (paper, ablations of section 4).

Each study is one entry of `data/ablations/PROFILE.toml`; here entries become configurations, nothing is trained.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cliplite_core.config import Config, ConfigError
from cliplite_core.storage.places import DEFINITIONS

# What an ablation file may set beside fields of a configuration.
_IN_FILES = ("pairs", "warmup_pairs", "lr", "scale_lr")


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
    """

    label: str
    objectives: list[str]
    vary: dict[str, list]
    quick: dict[str, list] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    seeds: int = 0
    untuned: bool = False


@dataclass(frozen=True)
class Ablations:
    """An ablation file.

    Attributes:
        base: what all runs have in common that differs from the profile.
        studies: by name, in the order of the file.
        cost_batch_sizes: by grid, "quick" and "full", the batches for which the objective alone is timed; all B² scores
            of 16,384 pairs and their gradients take 6 GiB, so the quick grid stops before.
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
    """Returns whether there is an ablation file for a profile's name."""
    return (DEFINITIONS / "ablations" / f"{profile}.toml").is_file()


def read_ablations(profile: str) -> Ablations:
    """Reads `data/ablations/PROFILE.toml`.

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
    """Lists the runs of all studies of a profile.

    Args:
        profile: the profile the studies vary.
        seeds: trainings per setting, >= 1.
        grid: "quick" = what `make results` runs, "full" = everything.

    Returns:
        One entry a study, setting, objective and seed, in the order of the file.

    Raises:
        ConfigError: a study names a field that does not exist or a value it cannot hold; or an unknown grid.
    """
    if grid not in ("quick", "full"):
        raise ConfigError(f"grid: got {grid!r}, expected 'quick' or 'full'")
    plan = read_ablations(profile.profile)
    runs = []
    for name, study in plan.studies.items():
        values = study.vary if grid == "full" else study.quick
        before = profile.tuned.get("untuned", {}) if study.untuned else {}
        for settings in _settings(values):
            for objective in study.objectives:
                start = profile.override(objective=objective, **before)
                config = _sized(start, plan.base | study.fixed | settings)
                for seed in range(min(seeds, study.seeds or seeds)):
                    runs.append(AblationRun(name, settings, config.override(seed=seed)))
    return runs


def _settings(values: dict[str, list]) -> Iterator[dict[str, Any]]:
    if values:
        yield from (dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values()))


def _sized(profile: Config, overrides: dict[str, Any]) -> Config:
    """The profile with overrides; lengths given in pairs become steps, and learning rates fit the batch size."""
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
    """Finds where longer training stops paying.

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
