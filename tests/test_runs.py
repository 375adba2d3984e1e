"""Runs: a finished one is returned, a killed one goes on to the same bits, two processes train as one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY

from cliplite_core import runs
from cliplite_core.__main__ import main
from cliplite_core.callbacks import Gallery
from cliplite_core.config import Config
from cliplite_core.data.images import read_image
from cliplite_core.data.splits import read_split
from cliplite_core.model import CLIPLite
from cliplite_core.runs import find_run, load_run, train
from cliplite_core.storage.logs import read_log, read_summary
from cliplite_core.storage.places import run_directory

DEADLINE = 180  # seconds: far beyond what a slow machine needs, for a test that would otherwise hang


def log_of(directory: Path) -> list[dict]:
    lines = (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "images_per_second"} for line in lines]


def same_weights(first: Path, second: Path) -> bool:
    a, b = (load_file(directory / "model" / "model.safetensors") for directory in (first, second))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def elsewhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CLIPLITE_RUNS", str(folder))


def test_a_run_leaves_a_model_a_log_and_a_summary_and_no_checkpoint(tiny):
    directory = train(tiny)
    assert directory == run_directory(tiny)
    assert sorted(path.name for path in directory.iterdir() if path.name != "lock") == [
        "data.json",
        "log.jsonl",
        "model",
        "run.json",
    ]
    assert CLIPLite.load(directory / "model").config == tiny
    summary = read_summary(directory)
    assert (summary["resumed_from"], summary["processes"]) == (0, 1)
    assert summary["images_per_second"] > 0 and summary["seconds"] > 0
    steps = read_log(directory)
    assert list(steps.index) == [1, 2, 3, 4, 5, 6]
    assert {"loss", "bound", "learning_rate", "images_per_second"} <= set(steps.columns)
    scores = read_log(directory, "scores")
    assert list(scores.index) == [0, 1, 2, 6]  # the start, 3, 10 and 30 %, and the end
    assert {len(row) for row in (*scores["positive"], *scores["negative"])} == {16}


def test_a_finished_run_is_returned_untouched(tiny, monkeypatch):
    directory = train(tiny)
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.name != "lock"}
    monkeypatch.setattr(runs, "Trainer", None)  # would fail if it were called
    assert train(tiny) == directory
    assert before == {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.name != "lock"}
    model = load_run(tiny)
    assert not model.training and model.config == tiny


def test_the_same_configuration_trains_to_the_same_bits_whatever_the_workers(tiny, tmp_path, monkeypatch):
    first = train(tiny)
    elsewhere(monkeypatch, tmp_path / "again")
    second, with_workers = train(tiny), train(tiny.override(workers=2))
    assert first != second and same_weights(first, second) and log_of(first) == log_of(second)
    assert same_weights(first, with_workers)
    assert not same_weights(first, train(tiny.override(seed=1)))


def test_missing_data_stops_the_run_before_anything_is_trained(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError, match="CLIPLITE_DATA"):
        train(tiny.override(scenes_train=0))
    assert not list((tmp_path / "runs").rglob("log.jsonl"))


def test_a_validation_split_too_small_for_a_mismatch_is_named(tiny):
    with pytest.raises(ValueError, match="val_split: got 1 images, expected at least 2"):
        Gallery(read_split(tiny, "val")[:1])


def test_the_logged_scores_are_those_of_held_out_pairs_in_evaluation_mode(tiny):
    directory = train(tiny)
    images = read_split(tiny, "val")
    model = CLIPLite.load(directory / "model")
    pixels = torch.stack([model.preprocess(read_image(image.path)) for image in images])
    captions = [image.captions[0] for image in images]
    with torch.no_grad():
        positive, negative = model.score(pixels, captions), model.score(pixels, [*captions[1:], captions[0]])
    last = read_log(directory, "scores").loc[6]
    torch.testing.assert_close(torch.tensor(last["positive"]), positive, rtol=0, atol=2e-3)
    torch.testing.assert_close(torch.tensor(last["negative"]), negative, rtol=0, atol=2e-3)


def kill_after(lines: int, config: Config, arguments: list[str]) -> None:
    """Trains in another process and kills it, without warning, once its log has so many lines."""
    log = run_directory(config) / "log.jsonl"
    process = subprocess.Popen([sys.executable, "-m", "cliplite_core", *arguments], stderr=subprocess.PIPE)
    started = time.monotonic()
    while not log.exists() or log.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, f"ended by itself: {process.stderr.read().decode()[-2000:]}"
        assert time.monotonic() - started < DEADLINE
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_that_is_started_again_ends_in_the_bits_of_an_unbroken_one(
    tiny, tiny_arguments, tmp_path, monkeypatch
):
    config = tiny.override(steps=120, checkpoint_every=7)
    kill_after(30, config, tiny_arguments(steps=120, checkpoint_every=7))
    broken = run_directory(config)
    assert (broken / "state.pt").exists() and not (broken / "run.json").exists()
    assert train(config) == broken
    assert 0 < read_summary(broken)["resumed_from"] < 120
    elsewhere(monkeypatch, tmp_path / "unbroken")
    unbroken = train(config)
    assert read_summary(unbroken)["resumed_from"] == 0
    assert same_weights(broken, unbroken)
    assert log_of(broken) == log_of(unbroken)


def test_the_command_line_trains_and_says_where_and_how_fast(tiny, tiny_arguments, capsys):
    assert main(tiny_arguments(objective="infonce", seed=2, steps=2, image_lr=1e-4)) == 0
    directory = run_directory(tiny.override(objective="infonce", seed=2, steps=2, image_lr=1e-4))
    assert (directory / "model").is_dir()
    printed = capsys.readouterr().out
    assert directory.name in printed and "images/s" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smok"], "unknown profile 'smok'"),
        (["smoke", "stepps=3"], "unknown field 'stepps'; did you mean 'steps'"),
        (["smoke", "steps=1e3"], "steps: got 1000.0 (float), expected a valid integer"),
        (["smoke", "steps"], "'steps': expected NAME=VALUE"),
        (["smoke", "image_stem=big"], "image_stem: got 'big' (str), expected 'imagenet' or 'small'"),
        (["smoke", "name=x"], "unknown field 'name'"),
        (["flickr8k"], "needs files that are not there"),
        (["smoke", "seed=-2"], "seed: got -2"),
        (["smoke", "seed=1", "seed=2"], "seed: given twice"),
        (["stpes=3"], "unknown field 'stpes'; did you mean 'steps'"),
    ],
)
def test_a_wrong_command_line_ends_with_the_error_and_no_traceback(arguments, message, capsys, tmp_path):
    assert main(["train", *arguments]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and message in printed
    assert not list((tmp_path / "runs").rglob("log.jsonl"))


# Each of two processes trains on its share of the batches that one process trains on whole. Batch norm of the image
# encoder would see half a batch, so it is frozen; the critic's sees the gathered batch.
SHARED = textwrap.dedent("""
    import os
    from pathlib import Path

    import torch
    from transformers import set_seed

    from cliplite_core.data.tokenizer import tokenize, train_wordpiece
    from cliplite_core.loss import Pretraining
    from cliplite_core.model import CLIPLite
    from cliplite_core.profiles import load_profile
    from cliplite_core.runs import train
    from cliplite_core.trainer import Trainer

    def train_on_shares(directory, objective, negatives, fields):
        config = load_profile("smoke", **fields).override(
            objective=objective, negatives=negatives, prior_weight=0.0, text_dropout=0.0, steps=4, warmup_steps=0,
            optimizer="sgd", image_lr=0.05, text_lr=0.05,
        )
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        texts = [f"{colour} {thing}" for colour in ("red", "blue") for thing in ("dog", "cat", "bird", "moon")]
        tokenizer = train_wordpiece(texts, 60)
        set_seed(0)
        training = Pretraining(CLIPLite(config, tokenizer))

        def batches(start):
            for step in range(start, config.train.steps):
                images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(step))
                share = slice(rank, None, world)
                yield images[share], tokenize(tokenizer, texts[share])

        def freeze_batch_norm(trainer):
            trainer.pretraining.model.image_encoder.eval()

        Trainer(training, batches, config, directory, [freeze_batch_norm]).fit()
        if rank == 0:
            torch.save(training.state_dict(), directory / "weights.pt")

    def main(folder, fields):
        for objective, negatives in (("jsd", 1), ("jsd", 3), ("infonce", 1), ("sigmoid", 1)):
            train_on_shares(folder / f"{objective}-{negatives}", objective, negatives, fields)
""")


def test_two_processes_train_as_one_on_the_same_batches(tiny, tmp_path):
    script = tmp_path / "shared.py"
    launched = f"    main(Path({str(tmp_path / 'two')!r}), {TINY!r})\n    train(load_profile('smoke', **{TINY!r}))\n"
    script.write_text(SHARED + 'if __name__ == "__main__":\n' + launched, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr[-9000:]
    alone: dict = {"__name__": "alone"}
    exec(compile(SHARED, "shared", "exec"), alone)
    alone["main"](tmp_path / "one", TINY)
    for variant in ("jsd-1", "jsd-3", "infonce-1", "sigmoid-1"):
        one, two = (log_of(tmp_path / name / variant) for name in ("one", "two"))
        assert len(one) == len(two) == 4
        for a, b in zip(one, two, strict=True):
            assert (a.pop("kind"), b.pop("kind")) == ("train", "train")
            assert a == pytest.approx(b, rel=1e-3, abs=1e-4), variant  # loss, bound and gradient norm among them
        first, second = (
            torch.load(tmp_path / name / variant / "weights.pt", weights_only=True) for name in ("one", "two")
        )
        for name in first:
            torch.testing.assert_close(first[name], second[name], rtol=1e-3, atol=1e-4, msg=f"{variant}: {name}")
    # The same processes have trained a run as `accelerate launch -m cliplite_core train` does.
    assert read_summary(run_directory(tiny))["processes"] == 2
    assert [line["samples"] for line in log_of(run_directory(tiny)) if line["kind"] == "train"] == [
        8,
        16,
        24,
        32,
        40,
        48,
    ]
    assert CLIPLite.load(run_directory(tiny) / "model").config == tiny


def test_a_published_run_is_taken_if_it_saw_this_data_and_none_was_trained_here(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cliplite_core.storage.places.PROJECT", tmp_path)
    published = tmp_path / "results" / "smoke" / "runs" / run_directory(tiny).name
    shutil.copytree(train(tiny), published)
    monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / "elsewhere"))
    assert find_run(tiny) == published
    record = json.loads((published / "data.json").read_text())
    (published / "data.json").write_text(json.dumps(record | {"training captions": "3, of another day"}))
    assert find_run(tiny) == run_directory(tiny), "trained here"
    assert "has seen other data: training captions" in capsys.readouterr().err
    (published / "data.json").write_text(json.dumps(record))
    assert find_run(tiny) == run_directory(tiny), "one's own comes first"
