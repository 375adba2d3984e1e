"""Make every table and figure of a profile: data, trainings, notebooks; what is finished is not made twice.

One run at a time works in a checkout; a second one waits for the first and says so. The lock is the operating system's:
it goes with the process that holds it, so that none is left behind by a kill.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from filelock import FileLock, Timeout

from cliplite_core.commands.overrides import add_profile, profile_and_values, take
from cliplite_core.config import ConfigError
from cliplite_core.storage.places import PROJECT

QUICK = ["OMP_NUM_THREADS=1", "OMP_WAIT_POLICY=PASSIVE", "TOKENIZERS_PARALLELISM=false", "TQDM_DISABLE=1"]
CHECKSUMS = "20MB"  # a touched file is not a changed one: Snakemake compares contents up to this size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `results` takes: a profile, seeds, the grid of the ablations, and processes."""
    add_profile(parser, optional="scenes", fields="seeds=3, grid=full, cores=2")
    parser.add_argument("--dry-run", action="store_true", help="list the steps and run none")
    parser.epilog = "example:\n  cliplite results scenes seeds=3 grid=full"


def run(options: argparse.Namespace) -> int:
    """Run Snakemake on the artefact graph, then list what was made; its exit status is handed on."""
    profile, values = profile_and_values(options)
    profile = profile or "scenes"
    given = take(values, "results", seeds=1, grid="quick", cores=os.cpu_count() or 1)
    if values:
        raise ConfigError(f"unknown parameter {next(iter(values))!r}; `results` has: seeds, grid, cores")
    command = [sys.executable, "-m", "snakemake", "--cores", str(given["cores"]), "--nolock", "--rerun-incomplete"]
    command += ["--max-checksum-file-size", CHECKSUMS, *(["--dry-run"] if options.dry_run else ["--quiet", "all"])]
    command += ["--config", f"profile={profile}", f"seeds={given['seeds']}", f"grid={given['grid']}"]
    environment = dict(word.split("=") for word in QUICK) | os.environ
    with alone():
        status = subprocess.run(command, cwd=PROJECT, env=environment).returncode
    if status == 0 and not options.dry_run:
        from cliplite_core.commands.summary import summary

        print(summary(profile))
    return status


def alone() -> FileLock:
    """Return the lock of this checkout, held; if another process holds it, say so and wait."""
    folder = PROJECT / ".snakemake"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "results.lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        print("note: another `results` is running in this checkout; waiting for it to end", file=sys.stderr, flush=True)
        return lock.acquire()
