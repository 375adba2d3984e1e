"""One training on several processes: the weights of one process, from its own shards, killed and gone on with fewer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from web_shards import write_shards

from cliplite_core.profiles import load_profile
from cliplite_core.storage.logs import read_summary
from cliplite_core.storage.places import run_directory

SCRIPT = Path(__file__).parent / "several_processes.py"
DEADLINE = 600  # seconds, for a test that would otherwise hang
PROFILE = """extends = "smoke"
[data]
folder = "web"
format = "webdataset"
captions = ""
images = ""
scenes_train = 0
scenes_eval = 0
image_size = 16
vocab_size = 100
[model]
image_width = 8
text_hidden = 16
text_dropout = 0.0
units = 16
[objective]
prior_weight = 0.0
[optim]
optimizer = "sgd"
image_lr = 0.001
text_lr = 0.001
warmup_steps = 0
[train]
steps = 12
batch_size = 8
checkpoint_every = 4
log_every = 1
"""
# Small steps: what rounding leaves between two orders of summation grows with them.
# The prior draws its noise, and dropout its masks, by process: with them two trainings are two samples, and as good.

slow = pytest.mark.skipif(not os.environ.get("CLIPLITE_SLOW"), reason="starts many processes: make cluster")


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains on a number of processes, below a folder of runs, and returns the run's directory."""
    write_shards(tmp_path / "data/web", [23, 20, 31])  # divides by nothing
    (tmp_path / "web.toml").write_text(PROFILE)

    def run(processes: int, runs: str, die_at: int = 0, freeze: bool = True, workers: int = 0, **fields) -> Path:
        launched = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
        launched += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        launched += ["--main_process_port", "0"]
        values = {"workers": workers, **fields}
        command = [sys.executable, *(launched if processes > 1 else []), str(SCRIPT), str(tmp_path / "web.toml")]
        command += [f"{name}={value}" for name, value in values.items()]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "DIE_AT": str(die_at)}
        environment |= {"CLIPLITE_RUNS": str(tmp_path / runs)} | ({"FREEZE_NORMS": "1"} if freeze else {})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE)
        assert (done.returncode == 0) == (die_at == 0), done.stderr[-6000:]
        monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / runs))
        return run_directory(load_profile(str(tmp_path / "web.toml"), **values))

    return run


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model/model.safetensors")


def expect_equal(first: Path, second: Path) -> None:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(
            one[name], other[name], rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_two_processes_on_shards_are_killed_and_go_on_as_one_to_the_weights_of_one(train):
    alone = train(1, "alone")
    broken = train(2, "shared", die_at=7)
    assert (broken / "state.pt").exists() and not (broken / "run.json").exists()
    assert train(1, "shared") == broken
    summary = read_summary(broken)
    assert (summary["resumed_from"], summary["processes"]) == (4, 1)
    expect_equal(alone, broken)


@slow
def test_two_processes_with_loader_processes_train_as_one(train):
    shared = train(2, "shared", workers=1)
    assert read_summary(shared)["processes"] == 2
    expect_equal(train(1, "alone", workers=1), shared)


@slow
def test_batch_norm_sees_the_share_of_its_process_and_nothing_else_differs(train):
    """No SyncBN: as in CLIP, each process normalises by its own share, and the first one's statistics are kept."""
    alone, shared = (weights(train(n, f"on {n}", freeze=False, steps=1, image_lr=0.0, text_lr=0.0)) for n in (1, 2))
    differing = {name for name in alone if not torch.allclose(alone[name], shared[name], rtol=1e-5, atol=1e-5)}
    assert any("image_encoder" in name for name in differing)
    assert all("running" in name and "text" not in name for name in differing), "nothing was learned in this one step"


@slow
@pytest.mark.parametrize("objective", ["jsd", "infonce", "sigmoid"])
def test_four_processes_are_killed_and_go_on_as_two_to_the_weights_of_one(train, objective):
    broken = train(4, "shared", die_at=6, objective=objective)
    train(2, "shared", die_at=10, objective=objective)
    assert train(4, "shared", objective=objective) == broken
    assert (read_summary(broken)["resumed_from"], read_summary(broken)["processes"]) == (8, 4)
    expect_equal(train(1, "alone", objective=objective), broken)
    expect_equal(train(4, "four", objective=objective), broken)
