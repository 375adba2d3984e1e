"""The one way to train: `python -m cliplite_core.train --profile scenes --objective jsd --seed 0`.

The same function trains from a shell, from a notebook (`runs.train`) and on many processes (`accelerate launch -m
cliplite_core.train …`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from accelerate import PartialState

from cliplite_core.config import ConfigError
from cliplite_core.profiles import load_profile
from cliplite_core.runs import read_summary, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and trains; any field of the configuration can be set with `--set name=value`."""
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.train", description="Pretrain one model.")
    parser.add_argument("--profile", default="scenes", help="name of a profile, or path of a .toml file")
    parser.add_argument("--objective", choices=["jsd", "infonce", "sigmoid"], help="default: the profile's own")
    parser.add_argument("--seed", type=int, help="default: the profile's own")
    parser.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="override fields, e.g. steps=100"
    )
    options = parser.parse_args(arguments)
    overrides = {"objective": options.objective, "seed": options.seed}
    overrides = {name: value for name, value in overrides.items() if value is not None}
    try:
        directory = train(load_profile(options.profile).override(**overrides | dict(map(_parse, options.set))))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if PartialState().is_main_process:
        summary = read_summary(directory)
        speed = f"{summary['seconds']} s, {summary['images_per_second']} images/s, {summary['peak_memory_gib']} GiB"
        print(f"  {directory.name:<32} {speed}")
    return 0


def _parse(assignment: str) -> tuple[str, object]:
    name, equals, value = assignment.partition("=")
    if not equals:
        raise ConfigError(f"--set {assignment!r}: expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value  # a bare word is a string


if __name__ == "__main__":
    sys.exit(main())
