"""What a power cut, a full disk or a hand leaves in a run: named, set aside or mended, and the rest goes on."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cliplite_core.__main__ import main
from cliplite_core.evaluation.quality import quality
from cliplite_core.runs import train
from cliplite_core.storage.features import cached_rows
from cliplite_core.storage.files import replacing, write_text
from cliplite_core.storage.logs import read_log, read_summary
from cliplite_core.storage.places import results_directory, run_directory
from cliplite_core.trainer import Trainer

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def stopped(scenes_data, tmp_path_factory) -> Path:
    """Runs of the tiny configuration: one that was killed at step 5, checkpoints at 4 and 3 behind it; one whole."""
    from tiny import TINY

    from cliplite_core.profiles import load_profile

    root, train_step = tmp_path_factory.mktemp("runs"), Trainer._train_step

    def until(trainer, batch):
        if trainer.step == 5:
            raise KeyboardInterrupt
        return train_step(trainer, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPLITE_DATA", str(scenes_data))
        patch.setenv("CLIPLITE_RUNS", str(root))
        config = load_profile("smoke", **TINY)
        train(config)
        patch.setattr(Trainer, "_train_step", until)
        with pytest.raises(KeyboardInterrupt):
            train(config.override(checkpoint_every=1))
    return root


@pytest.fixture
def run(stopped, tiny, tmp_path):
    """The interrupted run, to be broken."""
    shutil.copytree(stopped, tmp_path / "runs")
    return tiny.override(checkpoint_every=1)


def cut(name: str) -> Change:
    return lambda run: os.truncate(run / name, (run / name).stat().st_size // 2)


def emptied(name: str) -> Change:
    return lambda run: (run / name).write_bytes(b"")


def zeros(name: str) -> Change:
    return lambda run: (run / name).write_bytes(bytes((run / name).stat().st_size))


def holding(name: str, content: str) -> Change:
    return lambda run: (run / name).write_text(content)


def both(*changes: Change) -> Change:
    return lambda run: [change(run) for change in changes]


def checkpoint(change: Callable[[dict], object]) -> Change:
    """The last checkpoint, changed by hand."""

    def apply(run: Path) -> None:
        state = torch.load(run / "state.pt", weights_only=True)
        change(state)
        torch.save(state, run / "state.pt")

    return apply


def first_weight(state: dict) -> str:
    return next(name for name, value in state["pretraining"].items() if value.ndim > 1)


BEFORE, AFRESH = 4, 0
# What is left, the step that is gone on from, and what must be said; "" = nothing.
INTERRUPTED: dict[str, tuple[Change, int, str]] = {
    "nothing wrong": (lambda run: None, 5, ""),
    "a checkpoint cut short": (cut("state.pt"), BEFORE, "state.pt is broken"),
    "a checkpoint of zero bytes": (emptied("state.pt"), BEFORE, "state.pt is broken"),
    "a checkpoint of zeros": (zeros("state.pt"), BEFORE, "state.pt is broken"),
    "a checkpoint of text": (holding("state.pt", "hello"), BEFORE, "state.pt is broken"),
    "no last checkpoint, as between the two halves of a save": (lambda run: (run / "state.pt").unlink(), BEFORE, ""),
    "both checkpoints cut short": (both(cut("state.pt"), cut("state.before.pt")), AFRESH, "state.before.pt is broken"),
    "no checkpoint": (lambda run: [(run / name).unlink() for name in ("state.pt", "state.before.pt")], AFRESH, ""),
    "half a checkpoint beside the whole one": (holding("state.pt.tmp", "half"), 5, ""),
    "half a model": (lambda run: shutil.copytree(run, run / "model.tmp"), 5, ""),
    "a checkpoint of a list": (lambda run: torch.save([1], run / "state.pt"), BEFORE, "no checkpoint of this trainer"),
    "a checkpoint without weights": (checkpoint(lambda s: s.pop("pretraining")), BEFORE, "no checkpoint of this"),
    "a checkpoint whose step is text": (checkpoint(lambda s: s.update(step="5")), BEFORE, "no checkpoint of this"),
    "a checkpoint of another network": (
        checkpoint(lambda s: s["pretraining"].update({first_weight(s): torch.zeros(3, 3)})), BEFORE, "does not fit",
    ),
    "a checkpoint that lacks a tensor": (
        checkpoint(lambda s: s["pretraining"].pop(first_weight(s))), BEFORE, "does not fit: 1 tensors differ",
    ),
    "no log": (lambda run: (run / "log.jsonl").unlink(), 5, ""),
    "a log of zeros": (zeros("log.jsonl"), 5, ""),
    "a log cut short": (cut("log.jsonl"), 5, ""),
    "a log of other bytes": (lambda run: (run / "log.jsonl").write_bytes(b"\xff\xfe\n"), 5, ""),
    "no record of the data": (lambda run: (run / "data.json").unlink(), 5, ""),
    "a record cut short": (cut("data.json"), 5, ""),
    "a record of a list": (holding("data.json", "[1]"), 5, ""),
}  # fmt: skip


@pytest.mark.parametrize(("change", "step", "said"), INTERRUPTED.values(), ids=INTERRUPTED.keys())
def test_an_interrupted_run_goes_on_from_what_is_whole(run, stopped, capsys, change, step, said):
    change(run_directory(run))
    capsys.readouterr()
    directory = train(run)
    errors = capsys.readouterr().err
    assert read_summary(directory)["resumed_from"] == step
    assert said in errors if said else errors == ""
    assert all(line.startswith("note: ") for line in errors.splitlines())
    whole = next(path.parent for path in stopped.rglob("run.json"))
    weights = (directory / "model" / "model.safetensors").read_bytes()
    assert weights == (whole / "model" / "model.safetensors").read_bytes(), "to the bit, whatever was left"
    assert read_log(directory).index[-1] == 6


FINISHED: dict[str, tuple[Change, str]] = {
    "a summary cut short": (cut("run.json"), "run.json is cut short or broken"),
    "a summary of zero bytes": (emptied("run.json"), "run.json is cut short or broken"),
    "a summary of zeros": (zeros("run.json"), "run.json is cut short or broken"),
    "a summary of null": (holding("run.json", "null"), "run.json is cut short or broken"),
    "a summary of nothing": (holding("run.json", "{}"), "run.json is cut short or broken"),
    "a summary nested deep": (holding("run.json", "[" * 100_000), "run.json is cut short or broken"),
    "no model": (lambda run: shutil.rmtree(run / "model"), "model"),
    "no weights": (lambda run: (run / "model/model.safetensors").unlink(), "model.safetensors not found"),
    "weights cut short": (cut("model/model.safetensors"), "model.safetensors: not a file of tensors alone"),
    "weights of zero bytes": (emptied("model/model.safetensors"), "model.safetensors"),
    "no configuration": (lambda run: (run / "model/config.json").unlink(), "config.json not found"),
    "a configuration cut short": (cut("model/config.json"), "config.json: no configuration"),
    "no text encoder": (lambda run: shutil.rmtree(run / "model/text"), "text"),
    "no tokenizer": (lambda run: shutil.rmtree(run / "model/tokenizer"), "tokenizer not found"),
}


@pytest.mark.parametrize(("change", "said"), FINISHED.values(), ids=FINISHED.keys())
def test_a_finished_run_that_is_not_whole_is_named_and_trained_again(run, capsys, change, said):
    config = run.override(checkpoint_every=3)
    directory = run_directory(config)
    weights = (directory / "model" / "model.safetensors").read_bytes()
    change(directory)
    capsys.readouterr()
    assert main_train(config) == 0
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and said in errors and errors.endswith("the run is trained again\n")
    assert (directory / "model" / "model.safetensors").read_bytes() == weights


def main_train(config) -> int:
    from tiny import TINY

    words = {**TINY, "checkpoint_every": config.train.checkpoint_every}
    return main(["train", "smoke", *(f"{name}={value}" for name, value in words.items())])


@pytest.mark.parametrize("left", ["", "{", "null", "[1]", '{"retrieval": null}', "\0" * 40])
def test_a_quality_file_that_is_not_whole_is_measured_again(run, monkeypatch, capsys, left):
    monkeypatch.setattr("cliplite_core.evaluation.quality.measure_quality", lambda *_: {"retrieval": 1.5})
    config = run.override(checkpoint_every=3)
    path = run_directory(config) / "quality.json"
    path.write_text(left)
    capsys.readouterr()
    assert quality(config) == {"retrieval": 1.5} == json.loads(path.read_text())
    assert "quality.json is cut short or broken; the run is measured again" in capsys.readouterr().err


def test_a_checkpoint_beside_a_finished_run_as_of_a_kill_at_its_very_end_goes(run):
    config = run.override(checkpoint_every=3)
    directory = run_directory(config)
    for name in ("state.pt", "state.before.pt", "best.pt"):
        (directory / name).write_bytes(b"hundreds of megabytes")
    assert train(config) == directory
    assert not list(directory.glob("*.pt")) and (directory / "model" / "model.safetensors").exists()


@pytest.mark.parametrize("left", ["", "{", "{}", "null"])
def test_a_step_that_is_not_whole_is_named_by_the_summary(run, capsys, left):
    results_directory("smoke").mkdir(parents=True)
    write_text(run_directory(run).parent / "done" / "04_retrieval.json", left)
    assert main(["summary", "smoke"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "done/04_retrieval.json is cut short or broken" in said


@pytest.mark.parametrize("left", ["progress", "rows", "both"])
def test_features_that_a_power_cut_broke_are_computed_again(tmp_path, left):
    path = tmp_path / "features.npy"
    np.save(path.with_suffix(".partial.npy"), np.zeros((4, 2), np.float32))
    path.with_suffix(".progress.json").write_text('{"rows": 2}')
    for name in (".progress.json", ".partial.npy"):
        if left == "both" or (left == "progress") == (name == ".progress.json"):
            path.with_suffix(name).write_bytes(b"")
    rows = cached_rows(path, 4, lambda part: np.ones((part.stop - part.start, 2), np.float32), "rows", chunk=2)
    assert (rows == 1).all()


def test_what_was_written_is_on_the_disk_before_its_name_is(tmp_path, monkeypatch):
    done: list[str] = []
    replace = os.replace
    monkeypatch.setattr("os.fsync", lambda number: done.append(Path(os.readlink(f"/proc/self/fd/{number}")).name))
    monkeypatch.setattr("os.replace", lambda old, new: (done.append("rename"), replace(old, new)))
    write_text(tmp_path / "folder" / "a.json", "{}")
    assert done == ["a.json.tmp", "rename", "folder"]
    done.clear()
    with replacing(tmp_path / "model") as temporary:
        temporary.mkdir()
        for name in ("config.json", "model.safetensors"):
            (temporary / name).write_text("x")
    assert sorted(done[:2]) == ["config.json", "model.safetensors"] and done[2:] == ["rename", tmp_path.name]


def test_a_disk_that_fills_up_while_scenes_are_composed_is_named_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    from tiny import TINY

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    assert main(["data", "ready", "smoke", *(f"{name}={value}" for name, value in TINY.items())]) == 2
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1 and f"{tmp_path / 'data' / 'tiny'} cannot be written" in said and "CLIPLITE_DATA" in said
    )
    assert not (tmp_path / "data" / "tiny").exists() and not (tmp_path / "data" / "tiny.tmp").exists()


@pytest.mark.parametrize("left", ["", "{", "null", "[1]"])
def test_scenes_whose_recipe_is_broken_are_named(tmp_path, capsys, left):
    from tiny import TINY

    write_text(tmp_path / "data" / "tiny" / "spec.json", left)
    assert main(["data", "ready", "smoke", *(f"{name}={value}" for name, value in TINY.items())]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "tiny/spec.json is broken" in said and "composed again" in said


def test_status_lists_what_the_hub_will_be_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cliplite_core.storage.hub.try_to_load_from_cache", lambda *_: None)
    assert main(["data", "status", "coco"]) == 1
    assert "tokenizer = 'bert-base-uncased' is not here" in capsys.readouterr().out
