"""The last lines of `make results`: what was made, where, how long it took and how much memory."""

from __future__ import annotations

import json
import sys

from cliplite_core.profiles import load_profile
from cliplite_core.storage.places import results_directory, run_directory


def summary(profile: str) -> str:
    """Describes the finished steps of a profile.

    Args:
        profile: the profile's name.

    Returns:
        One line a training run and a notebook, then the results folder and its contents.
    """
    runs, results = run_directory(load_profile(profile)).parent, results_directory(profile)
    lines = [f"{profile}: what was made, with seconds and peak memory"]
    for path in sorted(runs.glob("*/run.json")):
        step = json.loads(path.read_text(encoding="utf-8"))
        name = path.parent.name.rpartition("-")[0]
        lines.append(_line(f"train {name}", step) + f"   {step['images_per_second']:.0f} images/s")
    for path in sorted(runs.glob("done/*.json")):
        step = json.loads(path.read_text(encoding="utf-8"))
        lines.append(_line(f"{step['notebook']}", step))
    counts = ", ".join(
        f"{len(list(folder.iterdir()))} {folder.name}" for folder in sorted(results.iterdir()) if folder.is_dir()
    )
    return "\n".join([*lines, f"in {results}: {counts}"])


def _line(name: str, step: dict) -> str:
    return f"  {name:<24} {step['seconds']:>7.1f} s   {step['peak_memory_gib']} GiB"


if __name__ == "__main__":
    print(summary(sys.argv[1]))
