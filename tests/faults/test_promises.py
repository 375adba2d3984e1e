"""Each promise of the README and the docs, by its words: here, or in the test that `KEPT_BY` names."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from fault import contents

from cliplite_core.__main__ import main
from cliplite_core.commands import results
from cliplite_core.data.labelled.refcoco import read_plain_pickle
from cliplite_core.model import CLIPLite
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_summary
from cliplite_core.storage.places import PROJECT, data_root, results_directory, run_directory, runs_root
from cliplite_core.storage.weights import read_weights
from cliplite_core.trainer import Trainer

# Document: words of it, and the test that fails where they are not kept.
KEPT_BY: dict[str, dict[str, str]] = {
    "README.md": {
        "Interrupted runs resume from their last checkpoint": "test_interrupted_runs_go_on_from_their_last_checkpoint",
        "Finished work is never repeated": "test_nothing_that_is_finished_is_made_twice",
        "a run on data that has since changed\nis set aside with a line that says what changed":
            "test_nothing_trained_on_other_data_than_there_is_now_is_taken_for_finished",
        "`make results` writes to `results/local/`, which git\nignores":
            "test_what_make_results_makes_lies_where_git_ignores_it",
    },
    "book/pages/recipes.md": {
        "Two `make results` in one checkout take turns": "test_two_make_results_in_one_checkout_take_turns",
        "pretrained encoders stay frozen": "test_finetuning_goes_on_from_the_frozen_model_and_is_never_worse_on_valid",
        "its best step is kept":
            "test_the_kept_step_is_the_best_of_the_validation_curve_and_the_test_images_had_no_part",
        "decodes and cross-checks all of it": "test_check_lists_a_broken_list_once_and_invents_nothing",
    },
    "SECURITY.md": {
        "weights are safetensors, nothing is unpickled": "test_nothing_is_unpickled",
        "sizes and names in its JSON are held against the tensors it brings before anything is allocated":
            "test_every_refusal_takes_less_than_a_second_and_a_gibibyte",
        "is not looked at": "test_what_leads_elsewhere_is_not_followed",
        "read with `weights_only=True`": "test_nothing_is_unpickled",
        "one that is broken or not of this network is set aside":
            "test_a_broken_checkpoint_is_set_aside_and_the_one_before_it_used",
        "JSON and CSV are held against their layout, entry by entry": "test_a_broken_entry_is_named_with_its_file",
        "an unpickler that looks up no name": "test_nothing_is_unpickled",
        "pictures larger than Pillow thinks safe are refused":
            "test_an_image_too_large_to_be_safe_is_named_before_it_is_decoded",
        "a name that leads out of the folder of images is refused":
            "test_a_name_that_leads_out_of_the_folder_is_refused",
        "is looked for below the data root alone": "test_a_model_that_names_data_elsewhere_leads_nobody_there",
        "no name in them is ever a part of a shell's command":
            "test_make_hands_over_what_it_is_given_letter_by_letter",
        "then a model directory like any other": "test_a_model_from_the_hub_is_a_model_directory_like_any_other",
        "adds the hashes of all files": "test_the_lock_has_hashes_of_just_what_is_pinned",
    },
    "data/README.md": {
        "The pickle is read without running anything": "test_nothing_is_unpickled",
        "nothing is unpacked": "test_members_of_shards_are_read_where_they_are_whatever_they_are_called",
        "a shard that is cut short is refused": "test_a_shard_cut_anywhere_is_refused_in_one_line",
        "are left out, and one line says how many": "test_broken_samples_are_left_out_counted_and_named_in_one_line",
        "Each process of a training reads its own shards":
            "test_each_process_reads_its_own_shards_and_together_they_read_the_batches_of_one",
        "goes on with the shards that are missing and ends with the same files":
            "test_an_interrupted_run_goes_on_and_ends_with_the_files_of_an_unbroken_one",
    },
    "data/SCENES.md": {"always the same": "test_two_generations_are_the_same_to_the_byte"},
    "book/pages/house.md": {
        "when a file changes, what\ndepends on it is made again, and nothing else":
            "test_a_changed_file_makes_again_what_depends_on_it_and_nothing_else",
    },
    "book/pages/start.md": {
        "`CLIPLITE_DATA`, `CLIPLITE_RUNS` and `CLIPLITE_RESULTS` move data, checkpoints and results elsewhere":
            "test_cliplite_data_runs_and_results_move_what_they_say",
        "It never overwrites a copy that you changed":
            "test_a_copy_that_was_saved_stays_and_the_reader_is_told_once_its_notebook_has_changed",
    },
    "cliplite_core/commands/fit.py": {
        "Killed at any moment, the same command resumes":
            "test_killed_three_times_at_random_it_ends_with_the_same_model",
        "once finished, it says so and changes nothing": "test_a_finished_fit_says_so_and_changes_nothing",
    },
    "cliplite_core/commands/index.py": {
        "only new and changed files are embedded, and what is gone is dropped":
            "test_only_what_is_new_or_changed_is_embedded_and_what_is_gone_is_dropped",
    },
    "cliplite_core/commands/plan.py": {"nothing is read and nothing trained": "test_a_plan_reads_and_trains_nothing"},
    "cliplite_core/commands/status.py": {"with nothing made": "test_status_makes_nothing"},
    "cliplite_core/commands/photos.py": {
        "Numbers, curves\nand the code stay": "test_photographs_leave_figures_and_notebooks_and_nothing_else_does",
    },
}  # fmt: skip
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


@pytest.mark.parametrize("document", KEPT_BY)
def test_each_promise_stands_in_its_document_and_has_a_test(document):
    text = " ".join((PROJECT / document).read_text(encoding="utf-8").split())
    tests = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tests").rglob("test_*.py"))
    for words, test in KEPT_BY[document].items():
        assert " ".join(words.split()) in text, f"{document} does not say so any more"
        assert f"def {test}" in tests, f"{document}: {words!r} has no test"


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
    monkeypatch.setenv("CLIPLITE_RESULTS", str(tmp_path / "there"))
    assert results_directory("smoke") == tmp_path / "there" / "smoke"


def test_what_make_results_makes_lies_where_git_ignores_it(monkeypatch):
    if not (PROJECT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no checkout of git")
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.delenv(f"CLIPLITE_{name}")
    made = [
        results_directory("smoke") / "metrics" / "a.json",
        runs_root() / "smoke" / "a",
        data_root() / "scenes" / "a",
    ]
    ignored = subprocess.run(["git", "check-ignore", *map(str, made)], cwd=PROJECT, capture_output=True, text=True)
    assert ignored.stdout.splitlines() == [str(path) for path in made]


def test_two_make_results_in_one_checkout_take_turns(tmp_path, monkeypatch, capsys):
    seen, waits = [], threading.Event()

    def work(_: object) -> int:
        seen.append("begins")
        assert waits.wait(60), "the second did not wait"
        seen.append("ends")
        return 1

    def said(line: str) -> None:
        assert line.startswith("another `results` is running in this checkout")
        waits.set()

    monkeypatch.setattr(results, "STATE", tmp_path / ".snakemake")
    monkeypatch.setattr(results, "_work", work)
    monkeypatch.setattr("cliplite_core.storage.locks.note", said)
    both = [threading.Thread(target=main, args=(["results", "smoke"],)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert seen == ["begins", "ends", "begins", "ends"]


def test_a_plan_reads_and_trains_nothing(monkeypatch, capsys):
    monkeypatch.setattr(Trainer, "fit", lambda _: pytest.fail("trained"))
    monkeypatch.setattr("cliplite_core.data.splits.read_split", lambda *_: pytest.fail("read"))
    assert main(["plan", "coco", "tflops=100"]) == 0
    assert "trainings" in capsys.readouterr().out
    assert not data_root().exists() and not runs_root().exists()


def test_status_makes_nothing(tiny, monkeypatch, capsys):
    directory = train(tiny)
    monkeypatch.setattr("cliplite_core.commands.status.steps_to_take", lambda *_: iter(()))  # a dry run of Snakemake
    monkeypatch.setattr(Trainer, "fit", lambda _: pytest.fail("trained"))
    (directory / "model" / "model.safetensors").unlink()
    before = contents(runs_root())
    assert main(["status", "smoke"]) == 1
    assert "stale: " in capsys.readouterr().out
    assert contents(runs_root()) == before


def test_a_model_from_the_hub_is_a_model_directory_like_any_other(model, tmp_path, monkeypatch, capsys):
    model.save(tmp_path / "fetched")
    config = tmp_path / "fetched" / "config.json"
    config.write_text(config.read_text().replace('"image_width": 8', '"image_width": 4096'))
    asked = []
    monkeypatch.setattr(
        "cliplite_core.storage.weights.snapshot_download",
        lambda name, **options: asked.append((name, options["allow_patterns"])) or str(tmp_path / "fetched"),
    )
    assert main(["search", "owner/name", "a dog", "images=."]) == 2
    assert "image_width: found 4096" in capsys.readouterr().err
    ((name, patterns),) = asked
    assert name == "owner/name" and not [pattern for pattern in patterns if pattern.endswith((".py", ".bin", ".pt"))]
