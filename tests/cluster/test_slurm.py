"""`smoke` on a real Slurm cluster of one node: the same numbers as here, jobs in its books, a killed job run again."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEADLINE = 3600  # seconds, for a test that would otherwise hang
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CLIPLITE_SLOW"), reason="takes minutes: make cluster"),
    pytest.mark.skipif(
        not all(map(shutil.which, NEEDED)) or not hasattr(os, "getuid") or os.getuid() != 0,
        reason="needs Slurm and munge (Debian: slurm-wlm), and root to start them",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake_executor_plugin_slurm") is None, reason="needs pip install -e '.[cluster]'"
    ),
]


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    subprocess.run([HERE / "start.sh", folder], check=True)
    yield folder
    subprocess.run([HERE / "stop.sh", folder], check=True)


def jobs() -> dict[str, tuple[str, str]]:
    """Jobs that Slurm knows: number -> (state, what Snakemake calls the step)."""
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%k"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {number: (state, name) for number, state, name in (line.split("|") for line in lines)}


def metrics(folder: Path) -> dict[str, object]:
    """What was measured, by file; when, how fast and on what is left out."""
    return {
        path.name: json.loads(path.read_text())["rows"] for path in sorted((folder / "smoke/metrics").glob("*.json"))
    }


def test_smoke_through_slurm_equals_smoke_here_and_a_killed_job_is_run_again(cluster, tmp_path, monkeypatch):
    command = [sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "4", "--retries", "1", "--nolock"]
    command += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"]
    command += ["--config", "profile=smoke"]
    with (tmp_path / "slurm.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        killed, started = None, time.monotonic()
        while process.poll() is None:
            assert time.monotonic() - started < DEADLINE
            running = [number for number, (state, name) in jobs().items() if state == "RUNNING" and "pretrain" in name]
            if running and not killed:
                killed = running[0]
                subprocess.run(["scancel", "--signal=KILL", "--full", killed], check=True)
            time.sleep(1)
    said = (tmp_path / "slurm.log").read_text()
    assert process.returncode == 0, said[-5000:]

    done = jobs()
    states = [state for state, _ in done.values()]
    print("\n".join(f"{number} {state} {name}" for number, (state, name) in done.items()))
    assert done[killed][0] != "COMPLETED" and "Trying to restart job" in said
    steps = sum(int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)[:8] if name in RULES)
    assert states.count("COMPLETED") == steps and len(states) == steps + 1
    books = subprocess.run(
        ["sacct", "-c", "--noheader", "--parsable2", "-o", "JobID,State"], capture_output=True, text=True
    )
    assert f"{killed}|" in books.stdout and books.stdout.count("COMPLETED") == steps

    through_slurm = metrics(Path(os.environ["CLIPLITE_RESULTS"]))
    for name in ("data", "runs", "results"):
        monkeypatch.setenv(f"CLIPLITE_{name.upper()}", str(tmp_path / f"here/{name}"))
    subprocess.run([sys.executable, "-m", "cliplite_core", "results", "smoke"], cwd=ROOT, check=True)
    assert len(through_slurm) > 8 and through_slurm == metrics(tmp_path / "here/results")


RULES = ("training_data", "data", "pretrain", "ablation", "quality", "notebook")
