"""List what was made of a profile, where, how long it took and how much memory: the last lines of `make results`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from cliplite_core.profiles import load_profile
from cliplite_core.storage.places import results_directory, run_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `summary` takes: a profile."""
    parser.add_argument("profile", metavar="PROFILE", help="name of a profile, or path of a .toml file")
    parser.epilog = "example:\n  cliplite summary scenes"


def run(options: argparse.Namespace) -> int:
    """Print the summary of a profile."""
    print(summary(options.profile))
    return 0


def summary(profile: str) -> str:
    """Describe the finished steps of a profile.

    Args:
        profile: the profile's name, or the path of its file.

    Returns:
        One line per training and per notebook, then the results folder and its contents.

    Raises:
        FileNotFoundError: nothing was made yet.
    """
    runs, results = run_directory(load_profile(profile)).parent, results_directory(profile)
    if not results.is_dir():
        raise FileNotFoundError(f"{results} not found; make it with: make results PROFILE={profile}")
    trained = sorted(runs.glob("*/run.json"))
    alike = Counter(_objective_and_seed(path) for path in trained)
    steps = []
    for path in trained:
        name = _objective_and_seed(path)
        # Trainings of a study share objective and seed; the hash tells them apart, as in the folder's name.
        steps.append((f"train {name if alike[name] == 1 else path.parent.name}", _read(path)))
    steps += [(step["notebook"], step) for step in map(_read, sorted(runs.glob("done/*.json")))]
    width = max((len(name) for name, _ in steps), default=0)
    counts = ", ".join(
        f"{len(list(folder.iterdir()))} {folder.name}" for folder in sorted(results.iterdir()) if folder.is_dir()
    )
    from cliplite_core.reporting.reproduction import PAGE, reproduction_line

    lines = [f"{results.name}: what was made, with seconds and peak memory"]
    lines += [_line(name.ljust(width), step) for name, step in steps]
    lines.append(f"in {results}: {counts}")
    if reproduced := reproduction_line(profile):
        lines.append(f"{reproduced}; what that means: {results / PAGE}")
    return "\n".join(lines)


def _objective_and_seed(path: Path) -> str:
    return path.parent.name.rpartition("-")[0]


def _read(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.keys() >= {"seconds", "peak_memory_gib"}:
            return content
        reason = "it lacks what a finished step writes"
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{path} is cut short or broken ({reason}); delete it, and give the command that made it again")


def _line(name: str, step: dict) -> str:
    speed = f"   {step['images_per_second']:.0f} images/s" if "images_per_second" in step else ""
    return f"  {name} {step['seconds']:>7.1f} s   {step['peak_memory_gib']} GiB{speed}"
