"""Where things live: data, training runs and results, each movable by an environment variable."""

from __future__ import annotations

import os
from pathlib import Path

from cliplite_core.config import Config

PROJECT = Path(__file__).resolve().parents[2]
DEFINITIONS = PROJECT / "data"  # the small texts that experiments are defined by


def data_root() -> Path:
    """Folder of the data sets: $CLIPLITE_DATA, else `data/` of the project."""
    return Path(os.environ.get("CLIPLITE_DATA") or PROJECT / "data")


def runs_root() -> Path:
    """Folder of all training runs: $CLIPLITE_RUNS, else `runs/` of the project."""
    return Path(os.environ.get("CLIPLITE_RUNS") or PROJECT / "runs")


def run_directory(config: Config) -> Path:
    """Folder of one training run below `runs_root()`: a changed configuration never finds an old run."""
    return runs_root() / config.profile / f"{config.objective.objective}-seed{config.train.seed}-{config.hash()}"


def results_directory(profile: str) -> Path:
    """Folder of what was made here of a profile: below $CLIPLITE_RESULTS, else `results/local/`, which git ignores.

    Example:
        >>> results_directory("coco").name, results_directory("somewhere/mine.toml").name  # a name, or a file's path
        ('coco', 'mine')
    """
    return Path(os.environ.get("CLIPLITE_RESULTS") or PROJECT / "results" / "local") / _name(profile)


def published_directory(profile: str) -> Path:
    """Folder of a profile's published results, `results/PROFILE`: `cliplite publish` alone writes there."""
    return PROJECT / "results" / _name(profile)


def published_run_directory(config: Config) -> Path:
    """Folder of one published training run, `results/PROFILE/runs/RUN`; few are published."""
    return published_directory(config.profile) / "runs" / run_directory(config).name


def _name(profile: str) -> str:
    return Path(profile).stem if profile.endswith(".toml") else profile


def definition(name: str) -> Path:
    """Path of one of the small texts that experiments are defined by: `data/prompts.json`, `data/concepts.csv`, …

    Raises:
        FileNotFoundError: there is no such file; it comes with a checkout of the project.
    """
    path = DEFINITIONS / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; it comes with a checkout of the project (pip install -e .)")
    return path
