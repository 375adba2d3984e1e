"""How long one waits for the command line's help and for a plan of the artefact graph, beside Python's own start."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from timing import Options, Row, compare

PROJECT = Path(__file__).resolve().parents[1]


def command(*arguments: str) -> Callable[[], None]:
    return lambda: subprocess.run([sys.executable, *arguments], cwd=PROJECT, check=True, capture_output=True) and None


def measure(options: Options) -> list[Row]:
    works = {"cliplite --help": command("-m", "cliplite_core", "--help"), "python": command("-c", "pass")}
    if not options.quick:
        plan = command("-m", "snakemake", "-n", "--cores", "1", "--nolock", "--config", "profile=smoke")
        works = {"plan of `smoke` (snakemake -n)": plan, **works}
    return compare("start", works, 1 if options.quick else 5, clock=time.perf_counter)


if __name__ == "__main__":
    for row in measure(Options()):
        print(row)
