"""Say what a profile's trainings cost, before any data is there: nothing is read and nothing trained."""

from __future__ import annotations

import argparse

from cliplite_core.commands.overrides import FIELDS_HELP, add_profile, configured, profile_and_values, take

EPILOG = """
seeds=1       trainings per objective
tflops=100    what the device sustains in training, in TFLOP/s; a third of its data sheet is a first guess
              (default: measured on this machine, by a step of two pairs)
devices=1     how many share a training; a figure for devices that never wait for each other

example:
  cliplite plan coco seeds=3 tflops=100 batch_size=4096"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `plan` takes: a profile, seeds, the device's speed, and any field."""
    add_profile(parser, fields=f"seeds, tflops, devices, or {FIELDS_HELP}")
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Print the plan of a profile."""
    profile, values = profile_and_values(options)
    given = {"tflops": None} | take(
        values, "plan", seeds=1, devices=1, **({"tflops": 100.0} if "tflops" in values else {})
    )
    config = configured(profile or "", values)

    from cliplite_core.evaluation.budget import plan

    print(plan(config, **given))
    return 0
