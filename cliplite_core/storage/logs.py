"""What a run writes down: its log, a line of JSON at a time, and its summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from cliplite_core.storage.files import write_text

SUMMARY_KEYS = {"seconds", "images_per_second", "peak_memory_gib"}  # what every `run.json` has


def read_log(directory: Path, kind: str = "train") -> pd.DataFrame:
    """Read one kind of line of a run's log.

    Args:
        directory: what `train` returned.
        kind: "train" (loss, bound, rates, scores), "scores" (score samples over training) or "retrieval" (recall on
            held-out pairs over training).

    Returns:
        One row per line, indexed by step.
    """
    lines = (directory / "log.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [row for row in map(read_line, lines) if row.get("kind") == kind]
    return pd.DataFrame(rows).set_index("step").drop(columns="kind")


def read_summary(directory: Path) -> dict:
    """Read a run's `run.json`: seconds, images_per_second, peak_memory_gib, device, processes, threads."""
    return json.loads((directory / "run.json").read_text(encoding="utf-8"))


def read_line(line: str) -> dict[str, Any]:
    """Return one line of a log; {} for one that a kill or a power cut left half written or garbled."""
    try:
        values = json.loads(line)
    except ValueError:
        return {}
    return values if isinstance(values, dict) and isinstance(values.get("step"), int) else {}


def cut_log(log: Path, step: int) -> None:
    """Leave the lines of a training's log up to a step, the one it resumes from; 0 leaves none."""
    if log.exists():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        write_text(log, "".join(line for line in lines if step and 0 <= read_line(line).get("step", -1) <= step))
