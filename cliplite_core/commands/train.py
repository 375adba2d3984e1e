"""Pretrain one model: a finished run is left as it is, an interrupted one resumes from its last checkpoint.

The same function trains from a shell, from a notebook (`runs.train`) and on many processes
(`accelerate launch -m cliplite_core train …`).
"""

from __future__ import annotations

import argparse

from cliplite_core.commands.overrides import add_profile, configured, fields_help, profile_and_values

EXAMPLE = """

example:
  cliplite train scenes objective=infonce seed=1 batch_size=128"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `train` takes: a profile and any of its fields."""
    add_profile(parser, optional="scenes", fields="any of the fields below")
    parser.epilog = fields_help() + EXAMPLE


def run(options: argparse.Namespace) -> int:
    """Train, and print where and how fast; of several processes, the main one prints."""
    from accelerate import PartialState

    from cliplite_core.runs import train
    from cliplite_core.storage.logs import read_summary

    profile, values = profile_and_values(options)
    directory = train(configured("scenes" if profile is None else profile, values))
    if PartialState().is_main_process:
        summary = read_summary(directory)
        speed = f"{summary['seconds']} s, {summary['images_per_second']} images/s, {summary['peak_memory_gib']} GiB"
        print(f"  {directory.name:<32} {speed}")
    return 0
