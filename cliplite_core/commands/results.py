"""Make every table and figure of a profile: data, trainings, notebooks; finished work is not repeated.

One run at a time works in a checkout; a second one waits for the first and says so. The lock is the operating system's:
it goes with the process that holds it. Snakemake's own, which a kill leaves behind, is removed under it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from cliplite_core.commands.one_name import claim
from cliplite_core.commands.overrides import add_profile, profile_and_values, take
from cliplite_core.config import ConfigError
from cliplite_core.storage.files import write_text
from cliplite_core.storage.locks import alone
from cliplite_core.storage.places import PROJECT, results_directory
from cliplite_core.storage.watch import STARTER

QUICK = ["OMP_NUM_THREADS=1", "TOKENIZERS_PARALLELISM=false", "TQDM_DISABLE=1"]
STATE = PROJECT / ".snakemake"
PATIENCE = 60.0  # seconds for Snakemake to end its steps
CHECKSUMS = "20MB"  # a touched file is not a changed one: Snakemake compares contents up to this size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `results` takes: a profile, seeds, the grid of the ablations, and processes."""
    add_profile(parser, optional="scenes", fields="seeds=3, grid=full, cores=2")
    parser.add_argument("--dry-run", action="store_true", help="list the steps and run none")
    parser.epilog = "example:\n  cliplite results scenes seeds=3 grid=full"


def run(options: argparse.Namespace) -> int:
    """Run Snakemake on the artefact graph, then list what was made; its exit status is handed on."""
    profile, values = profile_and_values(options)
    profile = "scenes" if profile is None else profile
    given = take(values, "results", seeds=1, grid="quick", cores=os.cpu_count() or 1)
    if values:
        raise ConfigError(f"unknown parameter {next(iter(values))!r}; `results` has: seeds, grid, cores")
    claim(profile)
    command = graph_command(profile, given["seeds"], given["grid"], given["cores"])
    if options.dry_run:
        return subprocess.run([*command, "--dry-run", "--nolock"], cwd=PROJECT).returncode
    with alone(STATE / "results.lock", "another `results` is running in this checkout; waiting for it to end"):
        for left in (results_directory(profile) / "notebooks").glob("*.partial.ipynb"):
            left.unlink()  # of a run of an earlier version that was killed
        status = _work([*command, "--quiet", "all"])
    if status == 0:
        from cliplite_core.commands.summary import summary

        print(summary(profile))
    return status


def graph_command(profile: str, seeds: int, grid: str, cores: int = 1) -> list[str]:
    """Return the words that start Snakemake on the artefact graph of a profile."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--rerun-incomplete"]
    command += ["--max-checksum-file-size", CHECKSUMS]
    return [*command, "--config", f"profile={profile}", f"seeds={seeds}", f"grid={grid}"]


def _work(command: Sequence[str]) -> int:
    """Run Snakemake; whoever calls this is alone in the checkout.

    Raises:
        OSError: Snakemake was killed; its steps end themselves.
    """
    running = STATE / "results.pid"  # there for as long as Snakemake runs, and where it or this process was killed
    if running.exists():
        _wait_for(running)
        shutil.rmtree(STATE / "locks", ignore_errors=True)
    environment = dict(word.split("=") for word in QUICK) | os.environ | {STARTER: str(os.getpid())}
    process = subprocess.Popen(command, cwd=PROJECT, env=environment)
    write_text(running, f"{process.pid}\n")
    try:
        status = process.wait()
    except KeyboardInterrupt:  # which Snakemake got as well, and ends its steps
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    if status < 0:
        shutil.rmtree(STATE / "locks", ignore_errors=True)
    running.unlink(missing_ok=True)
    if status < 0:
        raise OSError(f"Snakemake was killed (signal {-status}); run the same command again to finish the rest")
    return status


def _wait_for(running: Path) -> None:
    """Wait until the Snakemake of a former run is gone, whose starter was killed: it is about to notice."""
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        try:
            process = psutil.Process(int(running.read_text(encoding="utf-8")))
            if not any("snakemake" in word for word in process.cmdline()):
                return
        except (OSError, ValueError, psutil.Error):
            return
        time.sleep(0.2)
