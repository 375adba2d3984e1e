"""Each promise of the README, by its words."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cliplite_core.__main__ import main
from cliplite_core.data.labelled.refcoco import read_plain_pickle
from cliplite_core.model import CLIPLite
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_summary
from cliplite_core.storage.places import data_root, run_directory
from cliplite_core.storage.weights import read_weights
from cliplite_core.trainer import Trainer

KILLED = """
import os, signal, sys
from cliplite_core.__main__ import main
from cliplite_core.trainer import Trainer
step = Trainer._train_step
def killed(trainer, batch):
    if trainer.step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(trainer, batch)
Trainer._train_step = killed
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_interrupted_runs_go_on_from_their_last_checkpoint(tiny, tiny_arguments, tmp_path, monkeypatch):
    done = subprocess.run([sys.executable, "-c", KILLED, *tiny_arguments()], env=os.environ, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert main(tiny_arguments()) == 0
    directory = run_directory(tiny)
    assert read_summary(directory)["resumed_from"] == 3
    monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / "unbroken"))
    weights = (directory / "model" / "model.safetensors").read_bytes()
    assert (train(tiny) / "model" / "model.safetensors").read_bytes() == weights


def test_nothing_that_is_finished_is_made_twice(tiny, tiny_arguments, monkeypatch):
    directory = train(tiny)
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file() and path.name != "lock"}
    monkeypatch.setattr(Trainer, "fit", lambda _: pytest.fail("a finished run was trained"))
    monkeypatch.setattr("cliplite_core.scenes.generate._write_split", lambda *_: pytest.fail("composed again"))
    assert main(tiny_arguments()) == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_nothing_trained_on_other_data_than_there_is_now_is_taken_for_finished(own_data, capsys):
    own, finished = own_data
    own.rows(lambda lines: lines.__setitem__(3, lines[3].partition(",")[0] + ",something else"))
    weights = (finished / "model" / "model.safetensors").read_bytes()
    assert main(["train", str(own.profile), "seed=99"]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"note: {finished.name}: the data changed: training captions") and said.count("\n") == 1
    assert (finished / "former" / "model" / "model.safetensors").read_bytes() == weights
    assert (finished / "model" / "model.safetensors").read_bytes() != weights


class Trap:
    """Springs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("what", ["weights", "model", "checkpoint", "references"])
def test_nothing_is_unpickled(tiny, model, tmp_path, capsys, what):
    sprung, path = tmp_path / "sprung", tmp_path / "trap.pt"
    torch.save({"layer.weight": Trap(sprung)}, path)
    if what == "weights":
        with pytest.raises(ValueError, match=r"trap\.pt: not a file of tensors alone"):
            read_weights(path)
    elif what == "model":
        path.replace(model.save(tmp_path / "model") / "model.safetensors")
        with pytest.raises(ValueError, match="not a file of tensors alone"):
            CLIPLite.load(tmp_path / "model")
    elif what == "checkpoint":
        run_directory(tiny).mkdir(parents=True)
        path.replace(run_directory(tiny) / "state.pt")
        train(tiny)
        assert "state.pt is broken" in capsys.readouterr().err
    else:
        path.write_bytes(pickle.dumps([Trap(sprung)]))
        with pytest.raises(ValueError, match=r"it asks for .*, expected plain lists"):
            read_plain_pickle(path)
    assert not sprung.exists()


def test_cliplite_data_runs_and_results_move_what_they_say(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere") in train(tiny).parents
    assert data_root() == Path(os.environ["CLIPLITE_DATA"])
