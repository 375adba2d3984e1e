"""What the tests share: folders outside the project, a tiny scenes set, a tiny configuration and a tiny model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import CAPTIONS, TINY
from transformers import PreTrainedTokenizerFast, set_seed

from cliplite_core.config import Config
from cliplite_core.data.tokenizer import train_wordpiece
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile
from cliplite_core.scenes.generate import compose_scenes


@pytest.fixture(autouse=True)
def _isolated(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points data, runs and results away from the project, so that no test finds or leaves anything there."""
    if request.path.stem == "test_notebooks":
        return  # these execute the committed notebooks, on the project's own quick runs
    for name in ("data", "runs", "results"):
        monkeypatch.setenv(f"CLIPLITE_{name.upper()}", str(tmp_path / name))


@pytest.fixture(autouse=True)
def _no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in a test survives a power cut, and some disks take long to make sure that it would."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("os.sync", lambda: None, raising=False)


@pytest.fixture(scope="session")
def scenes_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the scenes of the tiny configuration."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPLITE_DATA", str(root))
        compose_scenes(load_profile("smoke", **TINY))
    return root


@pytest.fixture
def tiny(scenes_data: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A configuration that trains in a second, its data in place."""
    monkeypatch.setenv("CLIPLITE_DATA", str(scenes_data))
    return load_profile("smoke", **TINY)


@pytest.fixture
def tiny_arguments(tiny: Config) -> Callable[..., list[str]]:
    """The same configuration, and further fields, as arguments of `cliplite`."""
    return lambda **fields: ["train", "smoke", *(f"{name}={value}" for name, value in {**TINY, **fields}.items())]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of a hundred pieces."""
    return train_wordpiece(CAPTIONS, 100)


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> CLIPLite:
    """A tiny model with random weights, in evaluation mode."""
    set_seed(0)
    untuned = dataclasses.replace(load_profile("smoke", **TINY, score_scale=None), tuned={})
    return CLIPLite(untuned, tokenizer).eval()
