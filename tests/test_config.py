"""Configurations: every profile loads, every mistake is named, and the coco profile is the paper's run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from cliplite_core.config import SECTIONS, Config, ConfigError
from cliplite_core.profiles import load_profile, profile_names

every_profile = pytest.mark.parametrize("name", profile_names())


def written(folder: Path, text: str, name: str = "mine.toml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_the_four_profiles_of_the_readme_are_there():
    assert {"smoke", "scenes", "flickr8k", "coco"} <= set(profile_names())


@every_profile
def test_a_profile_loads_and_survives_json(name):
    config = load_profile(name)
    assert config.profile == name
    again = Config.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config and again.hash() == config.hash()


def test_the_coco_profile_is_the_run_of_the_paper():
    c = load_profile("coco")
    assert (c.train.steps, c.train.batch_size) == (250_000, 1024)
    assert (c.model.image_arch, c.model.image_width, c.model.image_stem) == ("resnet50", 64, "imagenet")
    assert (c.model.text_layers, c.model.text_hidden, c.model.text_heads) == (12, 768, 12)
    assert (c.model.image_weights, c.model.text_weights, c.model.text_pool) == ("", "", "pooler")
    assert (c.model.critic, c.model.units) == ("dot", 2048)
    assert (c.data.image_size, c.data.max_tokens, c.data.tokenizer) == (224, 30, "bert-base-uncased")
    assert (c.data.crop_scale, c.data.color_jitter, c.data.flip) == (0.2, 0.4, False)
    assert (c.objective.objective, c.objective.negatives, c.objective.image_prior) == ("jsd", None, True)
    assert c.objective.text_prior  # the released default
    assert (c.optim.optimizer, c.optim.image_lr, c.optim.text_lr, c.optim.warmup_steps) == ("sgd", 0.2, 1e-3, 10_000)
    assert (c.optim.momentum, c.optim.weight_decay, c.optim.clip_norm) == (0.9, 1e-4, 10.0)
    assert (c.optim.lookahead_k, c.optim.lookahead_alpha) == (5, 0.5)


def test_every_field_says_what_it_means():
    for section in SECTIONS.values():
        for name, field in section.__pydantic_fields__.items():
            assert field.description and field.description.strip()[-1] in ".)", f"{name} has no sentence below it"


def test_a_field_name_is_unique_over_all_sections():
    names = [field.name for section in SECTIONS for field in dataclasses.fields(getattr(Config(), section))]
    assert len(names) == len(set(names)) > 40


def test_a_config_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_profile("smoke").train.steps = 3


def test_overrides_reach_their_section_and_leave_the_rest():
    config = load_profile("scenes", objective="infonce", seed=3, image_lr=1)
    assert (config.objective.objective, config.train.seed, config.optim.image_lr) == ("infonce", 3, 1.0)
    assert isinstance(config.optim.image_lr, float)
    assert config.override(objective="jsd", seed=0, image_lr=1e-3) == load_profile("scenes")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"imge_size": 32}, r"unknown field 'imge_size'; did you mean 'image_size'"),
        ({"zzz": 1}, r"unknown field 'zzz'$"),
        ({"train": 1}, r"unknown field 'train'"),
        ({"steps": "100"}, r"steps: got '100' \(str\), expected a valid integer"),
        ({"steps": 1e3}, r"steps: got 1000.0 \(float\), expected a valid integer"),
        ({"workers": True}, r"workers: got True \(bool\), expected a valid integer"),
        ({"flip": 1}, r"flip: got 1 \(int\), expected a valid boolean"),
        ({"image_lr": "1e-4"}, r"image_lr: got '1e-4' \(str\), expected a valid number"),
        ({"prior_weight": "no"}, r"prior_weight: got 'no' \(str\), expected a valid number"),
        ({"objective": "clip"}, r"objective: got 'clip' \(str\), expected 'jsd', 'infonce' or 'sigmoid'"),
        ({"critic": ["dot"]}, r"critic: got \['dot'\] \(list\), expected 'dot' or 'concat'"),
        ({"batch_size": 1}, r"batch_size: got 1 \(int\), expected a value greater than or equal to 2"),
        ({"steps": 0}, r"steps: got 0"),
        ({"seed": -1}, r"seed: got -1"),
        ({"seed": 2**32}, r"seed: got 4294967296"),
        ({"score_bias": float("nan")}, r"score_bias: got nan \(float\), expected a finite number"),
        ({"zero_shot_more": ["a", 1]}, r"zero_shot_more: got 1 \(int\), expected a valid string"),
        ({"text_layers": 0}, r"text_layers: got 0"),
        ({"image_lr": float("nan")}, r"image_lr: got nan"),
        ({"text_lr": float("inf")}, r"text_lr: got inf"),
        ({"train_fraction": 0.0}, r"train_fraction: got 0.0 \(float\), expected a value greater than 0"),
        ({"crop_scale": 1.5}, r"crop_scale: got 1.5"),
        ({"lookahead_alpha": 3.0}, r"lookahead_alpha: got 3.0"),
        ({"momentum": 1.0}, r"momentum: got 1.0 \(float\), expected a value less than 1"),
        ({"prior_weight": 1.5}, r"prior_weight: got 1.5"),
        ({"text_dropout": -0.1}, r"text_dropout: got -0.1"),
        ({"score_scale": 101}, r"score_scale: got 101 \(int\), expected a value less than or equal to 100"),
        ({"negatives": 32}, r"negatives: got 32, expected fewer than batch_size = 32"),
    ],
)
def test_a_wrong_override_is_named_with_what_was_expected(override, message):
    with pytest.raises(ConfigError, match=message):
        load_profile("smoke", **override)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train\nsteps = 3", r"mine.toml: not valid TOML"),
        ("[trian]\nsteps = 3", r"unknown section \[trian\]; the sections are: data, model"),
        ("data = 3", r"unknown section \[data\]"),
        ("steps = 3", r"unknown section \[steps\]"),
        ("[train]\nstep = 3", r"mine.toml, \[train\]: unknown field 'step'; did you mean 'steps'"),
        ("[train]\nimage_lr = 0.1", r"mine.toml, \[train\]: field 'image_lr' belongs in \[optim\]"),
        ("[optim]\nimage_lr = '1e-4'", r"image_lr: got '1e-4' \(str\)"),
        ("extends = 3", r"mine.toml: extends: got 3"),
        ("extends = 'nowhere'", r"unknown profile 'nowhere'; known: cc3m, coco"),
        ("extends = 'mine.toml'", r"leads back to itself"),
    ],
)
def test_a_wrong_profile_file_is_named_with_its_mistake(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_profile(written(tmp_path, text))


def test_an_unknown_profile_is_told_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown profile 'scnes'; known: cc3m, coco, .*flickr8k, .*scenes, smoke"):
        load_profile("scnes")


def test_a_profile_of_ones_own_extends_another_field_by_field(tmp_path):
    config = load_profile(written(tmp_path, 'extends = "smoke"\n[train]\nsteps = 7\n[optim]\nimage_lr = 1\n'))
    assert config.profile == "mine"
    assert dataclasses.replace(config, profile="smoke") == load_profile("smoke", steps=7, image_lr=1.0)


TUNED = """extends = "coco"
[optim]
weight_decay = 0.5
[tuned.jsd]
weight_decay = 0.1
[tuned.infonce]
weight_decay = 0.2
[tuned.sigmoid]
weight_decay = 0.3
"""


def test_an_objective_brings_what_was_tuned_for_it(tmp_path):
    path = written(tmp_path, TUNED)
    base = load_profile(path)
    assert base.optim.weight_decay == 0.1, "the profile's own objective, too"
    there_and_back = base.override(objective="sigmoid", seed=3).override(objective="jsd", seed=0)
    assert base.override(objective="infonce").optim.weight_decay == 0.2 and there_and_back == base
    assert base.override(objective="sigmoid", weight_decay=0.0).optim.weight_decay == 0.0, "what is said counts"


def test_a_child_s_own_value_is_not_undone_by_what_its_parent_tuned(tmp_path):
    written(tmp_path, TUNED, "base.toml")
    child = load_profile(written(tmp_path, 'extends = "base.toml"\n[optim]\nweight_decay = 0.7\n'))
    assert child.override(objective="sigmoid").optim.weight_decay == 0.7
    other = load_profile(written(tmp_path, 'extends = "base.toml"\n[train]\nsteps = 7\n'))
    assert other.override(objective="sigmoid").optim.weight_decay == 0.3


def test_what_was_tuned_is_no_part_of_a_run(tmp_path):
    config = load_profile(written(tmp_path, TUNED), objective="infonce")
    plain = dataclasses.replace(load_profile("coco", objective="infonce", weight_decay=0.2), profile="mine")
    assert config.hash() == plain.hash() and Config.from_dict(config.to_dict()).tuned == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TUNED.replace("[tuned.infonce]", "[tuned.clip]"), "expected a table for each of jsd, infonce, sigmoid"),
        (TUNED + "image_lr = 1e-3\n", "set different fields"),
        (TUNED.replace("weight_decay = 0.3", 'weight_decay = "a bit"'), "weight_decay: got 'a bit'"),
    ],
)
def test_a_broken_table_of_tuned_values_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_profile(written(tmp_path, text))


def test_a_profile_extends_the_file_beside_it_wherever_python_was_started(tmp_path, monkeypatch):
    written(tmp_path, 'extends = "scenes"\n[train]\nsteps = 7\n', "base.toml")
    child = written(tmp_path, 'extends = "base.toml"\n[train]\nseed = 2\n')
    monkeypatch.chdir("/")
    assert load_profile(child).train == dataclasses.replace(load_profile("scenes").train, steps=7, seed=2)


def test_fields_that_only_fit_together_may_stand_in_any_order(tmp_path):
    config = load_profile(
        written(tmp_path, 'extends = "smoke"\n[objective]\nnegatives = 40\n[train]\nbatch_size = 64\n')
    )
    assert config.objective.negatives == 40


def test_smoke_differs_from_scenes_in_sizes_alone():
    smoke, scenes = (load_profile(name).to_dict() for name in ("smoke", "scenes"))
    differing = {name for s in SECTIONS if s != "evaluation" for name in smoke[s] if smoke[s][name] != scenes[s][name]}
    assert differing <= {
        "folder", "scenes_train", "scenes_eval", "image_size", "vocab_size", "image_width", "text_layers",
        "text_hidden", "text_heads", "units", "warmup_steps", "steps", "batch_size", "checkpoint_every", "log_every",
    }  # fmt: skip


def test_the_hash_follows_what_shapes_the_training_and_not_what_is_measured():
    config = load_profile("smoke")
    assert config.hash() == load_profile("smoke").hash()
    assert config.override(zero_shot="elsewhere").hash() == config.hash()
    assert config.override(image_dropout=0.0).hash() == config.hash() != config.override(image_dropout=0.1).hash()
    assert config.override(compile=False).hash() == config.hash() != config.override(compile=True).hash()
    others = [config.override(seed=1), config.override(image_lr=2e-3), config.override(negatives=2)]
    assert len({config.hash(), *(other.hash() for other in others)}) == 4
