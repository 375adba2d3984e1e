"""What a profile's trainings will cost, before any data is there: `python -m cliplite_core.plan coco --seeds 3`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cliplite_core.config import ConfigError
from cliplite_core.evaluation.budget import plan
from cliplite_core.profiles import load_profile


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the plan of a profile; nothing is read and nothing trained."""
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.plan", description=main.__doc__)
    parser.add_argument("profile", help="name of a profile, or path of a .toml file")
    parser.add_argument("--seeds", type=int, default=1, help="trainings per objective")
    parser.add_argument(
        "--tflops",
        type=float,
        default=100.0,
        help="what your device sustains in training, in TFLOP/s; a third of its data sheet is a first guess",
    )
    options = parser.parse_args(arguments)
    try:
        print(plan(load_profile(options.profile), options.seeds, options.tflops))
    except (ConfigError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
