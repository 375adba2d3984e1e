"""Trains and measures one run of an ablation study: `python -m cliplite_core.ablate scenes 3f0c6b1d9a52`.

The hash is that of the run's configuration; the artefact graph calls this once for every run, side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cliplite_core.config import ConfigError
from cliplite_core.evaluation.quality import quality
from cliplite_core.evaluation.studies import ablation_runs
from cliplite_core.profiles import load_profile


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains and measures the one run whose configuration has the given hash."""
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.ablations", description=main.__doc__)
    parser.add_argument("profile", help="name of a profile with an ablation file")
    parser.add_argument("hash", help="of the run's configuration, as in the name of its directory")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds the run is looked for among")
    options = parser.parse_args(arguments)
    try:
        runs = ablation_runs(load_profile(options.profile), options.seeds, "full")
        run = next((run for run in runs if run.config.hash() == options.hash), None)
        if run is None:
            raise ConfigError(f"no run of the ablations of {options.profile!r} has the hash {options.hash!r}")
        measured = quality(run.config)
    except (ConfigError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    settings = ", ".join(f"{name} = {value}" for name, value in run.settings.items())
    found = ", ".join(f"{name} {value:.1f}" for name, value in measured.items())
    print(f"  {run.config.objective.objective}, seed {run.config.train.seed}, {settings}: {found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
