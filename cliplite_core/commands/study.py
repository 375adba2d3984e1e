"""Train and measure one run of an ablation study.

HASH is that of the run's configuration; the artefact graph calls this once for every run, side by side.
"""

from __future__ import annotations

import argparse

from cliplite_core.commands.overrides import parse_assignments, take
from cliplite_core.config import ConfigError

EPILOG = """
seeds=3       how many seeds the run is looked for among

example:
  cliplite study scenes 3f0c6b1d9a52 seeds=3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `study` takes: a profile with an ablation file, a hash, and seeds."""
    parser.add_argument("profile", metavar="PROFILE", help="name of a profile with an ablation file")
    parser.add_argument("hash", metavar="HASH", help="of the run's configuration, as in the name of its directory")
    parser.add_argument("assignments", metavar="NAME=VALUE", nargs="*", default=[], help="seeds")
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Train and measure the one run whose configuration has the given hash, and print what was measured."""
    from cliplite_core.evaluation.studies import ablation_runs
    from cliplite_core.profiles import load_profile

    values = parse_assignments(options.assignments)
    seeds = take(values, "study", seeds=3)["seeds"]
    if values:
        raise ConfigError(f"study has no parameter {next(iter(values))!r}; it has: seeds")
    runs = ablation_runs(load_profile(options.profile), seeds, "full")
    run = next((run for run in runs if run.config.hash() == options.hash), None)
    if run is None:
        raise ConfigError(f"no run of the ablations of {options.profile!r} has the hash {options.hash!r}")

    from cliplite_core.evaluation.quality import quality

    measured = quality(run.config)
    settings = ", ".join(f"{name} = {value}" for name, value in run.settings.items())
    found = ", ".join(f"{name} {value:.1f}" for name, value in measured.items())
    print(f"  {run.config.objective.objective}, seed {run.config.train.seed}, {settings}: {found}", flush=True)
    return 0
