"""Ablation files become exactly the configurations they describe, and a broken file says what is wrong with it."""

import dataclasses
import json
import math

import pytest

from cliplite_core.commands.study import main
from cliplite_core.config import ConfigError
from cliplite_core.evaluation.quality import quality
from cliplite_core.evaluation.studies import ablation_runs, has_ablations, plateau, read_ablations
from cliplite_core.profiles import load_profile, profile_names
from cliplite_core.runs import read_summary
from cliplite_core.storage.places import DEFINITIONS, run_directory

SHIPPED = [name for name in profile_names() if has_ablations(name)]
FILE = """
[base]
{base}
[studies.batch_size]
label = "pairs per batch"
objectives = ["jsd", "infonce"]
vary = {{ batch_size = [8, 16] }}
{study}
[cost]
batch_sizes = [64]
"""


LATER = """
label = "share of the training images"
objectives = ["jsd", "infonce"]
vary = { train_fraction = [0.5] }
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes an ablation file for the smoke profile; its runs are read from there."""
    monkeypatch.setattr("cliplite_core.evaluation.studies.DEFINITIONS", tmp_path)
    (tmp_path / "ablations").mkdir()

    def write(base="pairs = 320", study="quick = { batch_size = [8] }"):
        (tmp_path / "ablations" / "smoke.toml").write_text(FILE.format(base=base, study=study))
        return load_profile("smoke")

    return write


@pytest.mark.parametrize("name", SHIPPED)
def test_every_entry_of_every_shipped_file_is_a_valid_configuration(name):
    runs = ablation_runs(load_profile(name), 2, "full")
    assert {run.study for run in runs} == set(read_ablations(name).studies)
    for run in runs:
        fixed = {key: value for key, value in run.settings.items() if key not in ("pairs", "lr")}
        flat = {
            k: v for section in run.config.to_dict().values() if isinstance(section, dict) for k, v in section.items()
        }
        assert {key: flat[key] for key in fixed} == fixed


def test_the_paper_s_batch_study_keeps_the_paper_s_steps_and_rates():
    run = next(run for run in ablation_runs(load_profile("coco"), 1, "full") if run.settings == {"batch_size": 64})
    assert (run.config.train.steps, run.config.optim.image_lr, run.config.optim.warmup_steps) == (200_000, 0.2, 10_000)


def test_all_batch_sizes_see_the_same_number_of_pairs_and_warm_up_over_as_many(written):
    profile = written('pairs = 320\nwarmup_pairs = 64\nscale_lr = "sqrt"')
    for run in ablation_runs(profile, 1, "full"):
        batch = run.config.train.batch_size
        assert run.config.train.steps * batch == 320 and run.config.optim.warmup_steps * batch == 64
        assert math.isclose(run.config.optim.image_lr, profile.optim.image_lr * math.sqrt(batch / 32))


def test_trials_start_from_the_values_before_tuning_and_other_studies_from_the_tuned_ones(written):
    profile = written(base="pairs = 320", study="untuned = true\n[studies.later]\n" + LATER)
    tuned = {"jsd": {"text_lr": 0.5}, "infonce": {"text_lr": 0.25}, "untuned": {"text_lr": profile.optim.text_lr}}
    for run in ablation_runs(dataclasses.replace(profile, tuned=tuned), 1, "full"):
        expected = {"jsd": 0.5, "infonce": 0.25}[run.config.objective.objective]
        assert run.config.optim.text_lr == (expected if run.study == "later" else profile.optim.text_lr)


def test_the_quick_grid_times_no_batch_that_a_small_machine_cannot_hold():
    cost = read_ablations("scenes").cost_batch_sizes
    assert cost["full"][-1] == 16384 and cost["quick"] == cost["full"][:-1]
    assert read_ablations("coco").cost_batch_sizes["quick"] == read_ablations("coco").cost_batch_sizes["full"]


def test_lr_sets_the_rates_of_both_encoders(written):
    profile = written(study='[studies.lr]\nlabel = "rate"\nobjectives = ["jsd"]\nvary = { lr = [3e-3] }')
    run = next(run for run in ablation_runs(profile, 1, "full") if run.study == "lr")
    assert (run.config.optim.image_lr, run.config.optim.text_lr) == (3e-3, 3e-3)


def test_the_quick_grid_is_part_of_the_full_one(written):
    profile = written()
    quick, full = (ablation_runs(profile, 2, grid) for grid in ("quick", "full"))
    assert len(quick) == 1 * 2 * 2 and len(full) == 2 * 2 * 2
    assert {run.config.hash() for run in quick} < {run.config.hash() for run in full}


def test_a_study_can_ask_for_fewer_seeds_and_a_grid_crosses_its_fields(written):
    profile = written(study="seeds = 1\nfixed = { negatives = 3 }")
    runs = ablation_runs(profile, 3, "full")
    assert {run.config.train.seed for run in runs} == {0} and {run.config.objective.negatives for run in runs} == {3}
    lengths = [run.settings for run in ablation_runs(load_profile("smoke"), 1, "full") if run.study == "batch_size"]
    assert {"batch_size": 8} in lengths and {"batch_size": 16} in lengths


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("quick = { batch_size = [9] }", r"\[studies.batch_size\]: quick has values of 'batch_size' that vary lacks"),
        ("quick = { batch = [8] }", "quick has values of 'batch'"),
        ("qick = { batch_size = [8] }", "qick"),
        ("fixed = { negative = 2 }", "unknown field 'negative'; did you mean 'negatives'"),
    ],
)
def test_a_broken_entry_is_named(written, study, message):
    with pytest.raises(ConfigError, match=message):
        ablation_runs(written(study=study), 1, "full")


def test_a_profile_without_a_file_and_an_unknown_grid_are_refused():
    with pytest.raises(ConfigError, match="has no ablations"):
        read_ablations("own")
    with pytest.raises(ConfigError, match="'quick' or 'full'"):
        ablation_runs(load_profile("smoke"), 1, "all")
    assert (DEFINITIONS / "ablations").is_dir()


def test_a_plateau_begins_where_longer_training_gains_less_than_two_points():
    assert plateau([1, 2, 4, 8], [10, 30, 50, 51]) == (2, True)
    assert plateau([1, 2, 4], [10, 20, 30]) == (2, False)
    assert plateau([1], [10]) == (0, False)
    assert plateau([1, 2], [30, 20]) == (0, True)  # longer training that hurts is past the plateau


@pytest.fixture
def tiny_study(tiny, tmp_path, monkeypatch):
    """The tiny configuration as a profile file of its own, with one study; returns the profile's path."""
    lines = []
    for section in ("data", "model", "optim", "train"):
        values = {name: value for name, value in tiny.to_dict()[section].items() if value is not None}
        lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    lines += ["[evaluation]", 'zero_shot = ""', 'voc = ""', 'probe = ""']
    (tmp_path / "wee.toml").write_text("\n".join(lines))
    monkeypatch.setattr("cliplite_core.evaluation.studies.DEFINITIONS", tmp_path)
    (tmp_path / "ablations").mkdir()
    study = FILE.format(base="pairs = 48", study="quick = { batch_size = [8] }")
    (tmp_path / "ablations" / "wee.toml").write_text(study)
    return str(tmp_path / "wee.toml")


def test_the_command_trains_and_measures_the_run_with_the_given_hash(tiny_study, capsys):
    config = ablation_runs(load_profile(tiny_study), 1, "quick")[0].config
    assert main([tiny_study, config.hash(), "--seeds", "1"]) == 0
    assert "jsd, seed 0, batch_size = 8" in capsys.readouterr().out
    measured = quality(config)
    assert set(measured) == {"validation", "retrieval"} and all(0 <= v <= 100 for v in measured.values())
    assert read_summary(run_directory(config))["resumed_from"] == 0
    assert main([tiny_study, "0" * 12]) == 2
    assert "0" * 12 in capsys.readouterr().err
