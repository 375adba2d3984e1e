"""The results contract: an experiment ends by writing one JSON file, and tables are made from those files alone."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from scipy import stats

from cliplite_core.config import Config
from cliplite_core.storage.files import write_text
from cliplite_core.storage.fingerprint import fingerprint
from cliplite_core.storage.places import PROJECT, data_root, results_directory

FOLDERS = ("metrics", "timings")  # what two equal runs repeat to the last digit, and what they cannot
PACKAGES = ("torch", "torchvision", "transformers", "tokenizers", "scikit-learn", "numpy", "pandas")


def row(
    metric: str, values: Sequence[float], *, n: int, unit: str = "%", chance: float | None = None, **labels: Any
) -> dict:
    """Build the row of one measured quantity: a value per seed, with mean and 95 % interval.

    Args:
        metric: its name, e.g. "image_to_text R@5".
        values: one per seed, in `unit`.
        n: number of test items behind each value.
        unit: "%", "images/s", "rank", …
        chance: what guessing gives, in `unit`; None where that has no meaning.
        **labels: what the row is about, e.g. `objective="jsd"`.

    Returns:
        A row for `write_metrics`. `ci95` is half the width of the interval, t · s / sqrt(seeds); None for one seed.

    Example:
        >>> row("R@5", [10.0, 12.0, 14.0], n=500, objective="jsd")["ci95"]
        4.9683
    """
    values = [round(float(value), 4) for value in values]
    half = round(half_width(values), 4) if len(values) > 1 else None
    return {**labels, "metric": metric, "unit": unit, "n": n, "chance": chance, "values": values,
            "mean": round(float(np.mean(values)), 4), "ci95": half}  # fmt: skip


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a mean, t(0.975, n - 1) · s / sqrt(n); 0 for a single value.

    Example:
        >>> round(half_width([10.0, 12.0, 14.0]), 2)
        4.97
    """
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)) if len(values) > 1 else 0.0


def write_metrics(
    name: str,
    config: Config,
    rows: Sequence[Mapping[str, Any]],
    seconds: float,
    folder: Literal["metrics", "timings"] = "metrics",
    **parameters: Any,
) -> Path:
    """Write `results/PROFILE/metrics/NAME.json`, under a temporary name until it is complete.

    Args:
        name: the experiment, e.g. "retrieval".
        config: the profile behind it; its hash and its data's fingerprint go into the file.
        rows: from `row`.
        seconds: wall time of the experiment.
        folder: "timings" for rows that are measured times; all others are the same for every equal run.
        **parameters: the notebook's parameters, e.g. `seeds=3`.

    Returns:
        The file's path.
    """
    content = {
        "name": name,
        "profile": config.profile,
        "parameters": parameters,
        "rows": list(rows),
        "config_hash": config.hash(),
        "data_fingerprint": fingerprint(data_root() / config.data.folder),
        "git_commit": _git_commit(),
        "packages": {package: version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})",
        "wall_seconds": round(seconds, 1),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return write_text(results_directory(config.profile) / folder / f"{name}.json", json.dumps(content, indent=1) + "\n")


def experiments_of(profile: str, place: Callable[[str], Path] = results_directory) -> list[str]:
    """Return the names of all experiments that a profile has results of, sorted; `place` as for `read_metrics`."""
    return sorted(path.stem for folder in FOLDERS for path in (place(profile) / folder).glob("*.json"))


def read_metrics(name: str, profile: str, place: Callable[[str], Path] = results_directory) -> pd.DataFrame:
    """Read the rows of one experiment as a table.

    Args:
        name: the experiment.
        profile: the profile; a table never mixes two.
        place: where the profile's results lie, `results_directory` or `published_directory`.

    Returns:
        One line per row, columns as `row` names them.

    Raises:
        FileNotFoundError: the experiment has not been run for this profile; the message says how.
    """
    return pd.DataFrame(_read(name, profile, place)["rows"])


def read_provenance(name: str, profile: str) -> dict[str, Any]:
    """Read how one experiment was made, for a table: parameters, hashes, device and wall time.

    Args:
        name: the experiment.
        profile: the profile.
    """
    content = _read(name, profile)
    return {
        "experiment": name,
        "seeds": content["parameters"].get("seeds", "–"),
        "grid": content["parameters"].get("grid", "–"),
        "config": content["config_hash"],
        "data": content["data_fingerprint"],
        "commit": content["git_commit"][:10],
        "torch": content["packages"]["torch"],
        "device": content["device"],
        "seconds": content["wall_seconds"],
    }


def _read(name: str, profile: str, place: Callable[[str], Path] = results_directory) -> dict[str, Any]:
    paths = [place(profile) / folder / f"{name}.json" for folder in FOLDERS]
    for path in paths:
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
    raise FileNotFoundError(f"{paths[0]} not found; make it with: make results PROFILE={profile}")


def _git_commit() -> str:
    try:
        return subprocess.check_output(
            ["git", "rev-parse", "HEAD"], cwd=PROJECT, text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return "no git checkout"
