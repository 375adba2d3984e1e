"""The models that lie in `results/` load as the README says, and their cards have the published numbers."""

from __future__ import annotations

import json

import pytest

from cliplite_core.commands import publish
from cliplite_core.config import Config
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.published_card import published_card
from cliplite_core.storage.fingerprint import file_digest
from cliplite_core.storage.parts import read_parts
from cliplite_core.storage.places import PROJECT, published_run_directory

PUBLISHED = PROJECT / "results"
ROWS = [
    {"objective": "jsd", "direction": "text_to_image", "metric": "R@10", "values": [12.0, 34.0], "chance": 1.0, "n": 9}
]


@pytest.mark.parametrize("profile", ["scenes", "flickr8k"])
def test_a_published_model_loads_and_its_card_has_its_seeds_published_numbers(profile):
    folder = PUBLISHED / profile / "model"
    model = CLIPLite.load(folder)
    assert model.encode_text(["two dogs"]).shape == (1, model.critic.units)
    rows = json.loads((PUBLISHED / profile / "metrics" / "retrieval.json").read_text(encoding="utf-8"))["rows"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card == published_card(read_parts(folder).config, rows), f"stale: cliplite publish {profile} writes it"


def test_the_scenes_model_is_small_and_that_of_the_published_run():
    folder = PUBLISHED / "scenes" / "model"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 10e6
    run = published_run_directory(load_profile("scenes")) / "model"
    assert file_digest(folder / "model.safetensors") == file_digest(run / "model.safetensors")


def test_the_numbers_are_those_of_the_models_own_seed():
    config = Config().override(objective="jsd", seed=1, prior_weight=0.1)
    assert "| text → image | R@10 | 34.0 | 1.0 | 9 |" in published_card(config, ROWS)
    with pytest.raises(ValueError, match="no recall of jsd, seed 2"):
        published_card(config.override(seed=2), ROWS)


def test_a_profile_without_a_published_run_publishes_no_model(tmp_path, monkeypatch):
    for name in ("published_directory", "published_run_directory"):
        monkeypatch.setattr(publish, name, lambda _: tmp_path)
    assert not publish.publish_model("smoke") and not list(tmp_path.iterdir())
