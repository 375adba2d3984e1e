"""Ablation files become exactly the configurations they describe, and a broken file says what is wrong with it."""

import dataclasses
import json
import math

import pandas as pd
import pytest

from cliplite_core.__main__ import main
from cliplite_core.config import ConfigError
from cliplite_core.evaluation.quality import measure_runs, quality
from cliplite_core.evaluation.studies import (
    ablation_runs,
    changed_parts,
    has_ablations,
    plateau,
    plateaus,
    read_ablations,
    trials,
)
from cliplite_core.profiles import load_profile, profile_names
from cliplite_core.storage.logs import read_summary
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
        fixed = {key: value for key, value in run.settings.items() if key not in ("pairs", "lr", "step")}
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
        tuned = profile.override(objective=run.config.objective.objective).optim.image_lr
        assert math.isclose(run.config.optim.image_lr, tuned * math.sqrt(batch / 32))


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


def lines(study, index, *values):
    """One line per training, as `quality.measure_runs` gives it; the last two numbers are scores."""
    frame = pd.DataFrame(values, columns=[*index, "objective", "seed", "validation", "retrieval"])
    return {study: frame.set_index([*index, "objective", "seed"])}


def test_a_plateau_is_found_on_the_mean_of_the_validation_scores_and_reported_with_the_test_score():
    index, jsd = ("batch_size", "pairs"), ("jsd", 0)
    scores = [(16, 10, *jsd, 5.0, 1.0), (16, 20, *jsd, 9.0, 2.0), (16, 40, *jsd, 9.5, 3.0)]  # flat after 20
    scores += [(32, 10, *jsd, 5.0, 4.0), (32, 20, *jsd, 9.0, 5.0), (32, 40, *jsd, 19.0, 6.0)]  # still rising
    flat, rising = plateaus(lines("length", index, *scores))
    assert (flat["batch_size"], flat["pairs"], flat["retrieval"], flat["reached"]) == (16, 20, 2.0, True)
    assert (rising["batch_size"], rising["pairs"], rising["retrieval"], rising["reached"]) == (32, 40, 6.0, False)


def test_one_length_of_training_says_nothing_about_a_plateau():
    assert plateaus({}) == [] == plateaus(lines("length", ("batch_size", "pairs"), (16, 10, "jsd", 0, 5.0, 1.0)))


def test_trials_are_the_untuned_studies_by_their_validation_score(written):
    plan_of = written(study="untuned = true\n[studies.later]\n" + LATER).profile
    measured = lines("batch_size", ("batch_size",), (8, "jsd", 0, 2.0, 9.0), (8, "jsd", 1, 4.0, 9.0))
    measured |= lines("later", ("train_fraction",), (0.5, "jsd", 0, 7.0, 9.0))
    expected = {"trial": "pairs per batch\n8", "objective": "jsd", "validation": 3.0}
    assert trials(read_ablations(plan_of), measured) == [expected]


@pytest.fixture
def parts(written, monkeypatch):
    """Runs of a study of the critic beside those of the batch size; each scores its seed, and 5 more for "concat"."""
    critic = """
label = "critic"
objectives = ["jsd", "infonce"]
vary = { critic = ["dot", "concat"] }
"""
    profile = written(study="quick = { batch_size = [8] }\n[studies.critic]\n" + critic)
    score = {"dot": 0.0, "concat": 5.0}

    def quality(config):
        return {"validation": 0.0, "retrieval": config.train.seed + score[config.model.critic]}

    monkeypatch.setattr("cliplite_core.evaluation.quality.quality", quality)
    runs = ablation_runs(profile, 2, "full")
    return profile, runs, measure_runs(runs)


def test_a_changed_part_is_compared_with_the_base_run_of_the_same_seed(parts):
    base, changes = changed_parts(*parts)
    assert [scores["retrieval"] for scores in base] == [0.0, 1.0]
    assert list(changes) == ["critic: dot → concat"], "the base itself is no change, and CLIP is not drawn"
    assert [difference["retrieval"] for difference in changes["critic: dot → concat"]] == [5.0, 5.0]


def test_without_a_base_run_in_the_grid_there_is_nothing_to_compare(parts):
    profile, runs, measured = parts
    changed = [run for run in runs if run.config.model.critic == "concat"]
    assert changed_parts(profile, changed, measured) == ([], {})


def test_trainings_are_listed_by_study_with_their_settings_and_seeds(parts):
    _, _, measured = parts
    assert list(measured) == ["batch_size", "critic"]
    assert measured["critic"].index.names == ["critic", "objective", "seed"] and len(measured["critic"]) == 8
    assert measured["critic"].loc[("concat", "jsd", 1), "retrieval"] == 6.0


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
    assert main(["study", tiny_study, config.hash(), "seeds=1"]) == 0
    assert "jsd, seed 0, batch_size = 8" in capsys.readouterr().out
    measured = quality(config)
    assert set(measured) == {"validation", "retrieval"} and all(0 <= v <= 100 for v in measured.values())
    assert read_summary(run_directory(config))["resumed_from"] == 0
    assert main(["study", tiny_study, "0" * 12]) == 2
    assert "0" * 12 in capsys.readouterr().err


CHAIN = """label = "recipe"
objectives = ["jsd"]
fixed = { pairs = 320 }
[studies.recipe.chain]
"plain" = { crop_scale = 0.9, weight_decay = 0.1 }
"cropped" = { crop_scale = 0.2 }
"longer" = { pairs = 640 }
"""


def test_a_chain_changes_one_thing_after_the_other_and_keeps_what_was_changed(written):
    profile = written(base="pairs = 160", study="\n[studies.recipe]\n" + CHAIN)
    runs = [run for run in ablation_runs(profile, 1, "full") if run.study == "recipe"]
    assert [run.settings["step"] for run in runs] == ["plain", "cropped", "longer"]
    assert [run.config.data.crop_scale for run in runs] == [0.9, 0.2, 0.2]
    assert {run.config.optim.weight_decay for run in runs} == {0.1}
    assert [run.config.train.steps * run.config.train.batch_size for run in runs] == [320, 320, 640]
    assert not [run for run in ablation_runs(profile, 1, "quick") if run.study == "recipe"]
