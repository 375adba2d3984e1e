"""The check of an export: it passes what is equal, for every network that can be exported, and sees what is not."""

from __future__ import annotations

import pytest
import torch
from small_root import write_photo
from tiny import CAPTIONS

from cliplite_core.commands.export import write_torchvision, write_transformers
from cliplite_core.evaluation.exported import torchvision_difference, transformers_difference
from cliplite_core.model import CLIPLite


@pytest.mark.parametrize("arch", ["resnet18", "mobilenet_v2"])
def test_the_classifier_is_found_in_resnets_and_in_mobilenet(arch, model, tmp_path):
    config = model.config.override(image_size=64, image_arch=arch, image_width=64, image_stem="imagenet")
    network = CLIPLite(config, model.tokenizer).eval()
    photos = [tmp_path / f"{seed}.jpg" for seed in range(2)]
    for seed, photo in enumerate(photos):
        write_photo(photo, (80, 64), seed)
    path = write_torchvision(network, tmp_path / "backbone.pth")
    assert torchvision_difference(network, path, photos) < 1e-5
    state = torch.load(path, weights_only=True)
    torch.save({name: tensor + 0.1 * tensor.is_floating_point() for name, tensor in state.items()}, path)
    assert torchvision_difference(network, path, photos) > 1e-3


@pytest.mark.parametrize("pool", ["pooler", "mean"])
def test_the_text_feature_is_compared_whichever_it_is(pool, model, tmp_path):
    network = CLIPLite(model.config.override(text_pool=pool), model.tokenizer).eval()
    folder = write_transformers(network, tmp_path / "text")
    assert transformers_difference(network, folder, CAPTIONS) < 1e-5
    with torch.no_grad():
        network.text_encoder.bert.encoder.layer[0].output.dense.weight.mul_(-1)
    assert transformers_difference(network, folder, CAPTIONS) > 1e-3
