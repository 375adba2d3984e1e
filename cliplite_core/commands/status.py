"""Say which runs and results of a profile are stale, and why: the questions `make results` asks, with nothing made.

A run is stale when its data is another than it was trained on; a step, when a file it was made from changed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cliplite_core.commands.overrides import add_profile, profile_and_values, take
from cliplite_core.commands.results import graph_command
from cliplite_core.config import ConfigError
from cliplite_core.profiles import load_profile
from cliplite_core.storage.places import PROJECT, run_directory

if TYPE_CHECKING:
    from cliplite_core.config import Config

SHOWN = 2  # files that a step names
_STEP = re.compile(r"^(?:Job \d+: (?P<message>.+)|(?:local)?rule (?P<rule>\w+):)$")
_REASON = re.compile(r"^\s*[Rr]eason: (?P<reason>.+)$")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `status` takes: a profile, seeds, and the grid of the ablations."""
    add_profile(parser, optional="scenes", fields="seeds=3, grid=full")
    parser.epilog = "example:\n  cliplite status scenes seeds=3"


def run(options: argparse.Namespace) -> int:
    """Print a line per run, and one per step that `make results` would take; 1 = something is stale or not made."""
    profile, values = profile_and_values(options)
    profile = "scenes" if profile is None else profile
    given = take(values, "status", seeds=1, grid="quick")
    if values:
        raise ConfigError(f"unknown parameter {next(iter(values))!r}; `status` has: seeds, grid")
    config = load_profile(profile)
    runs = dict(run_states(config))
    print(f"runs of {config.profile}" + ("" if runs else ": none"))
    for name, state in runs.items():
        print(f"  {name:<30} {state}")
    steps = list(steps_to_take(profile, given["seeds"], given["grid"]))
    print(f"steps that `make results` would take: {len(steps)}" + (", first in order" if steps else ""))
    for step, reason in steps:
        print(f"  {step}: {reason}")
    stale = any(state.startswith("stale") for state in runs.values())
    return 1 if stale or steps else 0


def run_states(config: Config) -> Iterator[tuple[str, str]]:
    """Yield every run of a profile with what it is: finished, interrupted, or stale and why.

    Args:
        config: the profile; a finished run says itself what it read.
    """
    from cliplite_core.data.record import changes, data_record, read_record
    from cliplite_core.storage.logs import read_line
    from cliplite_core.storage.parts import read_parts

    records: dict[object, dict[str, str]] = {}  # many runs read the same data
    for directory in sorted(path.parent for path in run_directory(config).parent.glob("*/data.json")):
        log, own = directory / "log.jsonl", config
        if (directory / "run.json").exists():
            state = "finished"
            try:
                own = read_parts(directory / "model").config
            except (OSError, ValueError) as error:
                yield directory.name, f"stale: {error}"
                continue
        else:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
            step = max((read_line(line).get("step", 0) for line in lines), default=0)
            state = f"interrupted at step {step}, or running"
        key = (own.data, own.train.seed if own.data.train_fraction < 1 else None)
        try:
            if key not in records:
                records[key] = data_record(own)
            changed = changes(read_record(directory) or {}, records[key])
        except (OSError, ValueError) as error:
            changed, state = [], f"{state}; its data cannot be compared: {error}"
        yield directory.name, f"stale: {'; '.join(changed)}" if changed else state


def steps_to_take(profile: str, seeds: int, grid: str) -> Iterator[tuple[str, str]]:
    """Yield the steps of the artefact graph that are not up to date, with Snakemake's reason for each.

    Raises:
        ValueError: Snakemake could not plan; the message is its last line.
    """
    command = [*graph_command(profile, seeds, grid), "--dry-run", "--nolock"]
    plan = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if plan.returncode:
        said = (plan.stdout + plan.stderr).strip().splitlines()
        raise ValueError(said[-1].removeprefix("error: ") if said else "Snakemake said nothing")
    step, seen = "", set()
    for line in (plan.stdout + plan.stderr).splitlines():
        if found := _STEP.match(line):
            step = found["message"] or found["rule"]
        elif (found := _REASON.match(line)) and step not in seen | {"", "all"}:
            seen.add(step)
            yield step, _short(found["reason"])


def _short(reason: str) -> str:
    """Cut the list of files behind a reason, and show those of the project as they lie in it."""
    parts = []
    for part in reason.replace(f"{PROJECT}{Path('/')}", "").split("; "):
        files = part.split(", ")
        parts.append(", ".join(files[:SHOWN]) + (f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""))
    return "; ".join(parts)
