"""Encoders: every ResNet builds, feature maps pool to the features, and padding never leaks into a caption."""

from __future__ import annotations

import logging

import pytest
import torch
import torchvision
from torch import Tensor
from transformers import BertConfig, BertForPreTraining, BertModel

from cliplite_core import encoders as module
from cliplite_core.encoders import ImageEncoder, TextEncoder, _ScaledResNet

BASIC, BOTTLENECK = {"resnet10", "resnet18", "resnet34"}, 2048
RESNETS = [
    "resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]  # fmt: skip


def images(n: int = 2, side: int = 32) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def tokens(*lengths: int, pad_to: int) -> dict[str, Tensor]:
    """Captions of the given lengths, each the beginning of the same one, padded with id 0."""
    ids = torch.tensor([5, 9, 7, 11, 6, 8])
    rows = [torch.cat([ids[:n], torch.zeros(pad_to - n, dtype=torch.long)]) for n in lengths]
    mask = [torch.cat([torch.ones(n), torch.zeros(pad_to - n)]).long() for n in lengths]
    return {"input_ids": torch.stack(rows), "attention_mask": torch.stack(mask)}


def text_encoder(**fields: object) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(**{"vocab_size": 20, "layers": 2, "hidden": 16, "heads": 2} | fields).eval()


@pytest.mark.parametrize("arch", RESNETS)
def test_every_resnet_builds_and_says_how_wide_its_features_are(arch):
    with torch.device("meta"):
        encoder = ImageEncoder(arch)
        features, feature_map = encoder(torch.zeros(2, 3, 64, 64)), encoder.feature_map(torch.zeros(2, 3, 64, 64))
    assert encoder.dim == (512 if arch in BASIC else BOTTLENECK)
    assert features.shape == (2, encoder.dim) and feature_map.shape == (2, encoder.dim, 2, 2)


def test_no_other_network_of_torchvision_is_offered():
    with pytest.raises(ValueError, match="image_arch: got 'vgg11', expected one of") as error:
        ImageEncoder("vgg11")
    offered = str(error.value).split("expected one of ")[1].split(", ")
    assert sorted(offered) == sorted([*RESNETS, "mobilenet_v2"])
    with pytest.raises(ValueError, match="image_arch"):
        ImageEncoder("fcn_resnet50")  # a segmentation network with resnet in its name


def test_the_features_are_torchvisions_own_before_its_classifier():
    encoder = ImageEncoder("resnet18").eval()
    reference = torchvision.models.resnet18()
    reference.fc = torch.nn.Identity()
    reference.load_state_dict(encoder.backbone.state_dict())
    torch.testing.assert_close(encoder(images()), reference.eval()(images()))


def test_mobilenet_s_features_are_torchvisions_own_and_its_classifier_is_left_aside(tmp_path):
    theirs = torchvision.models.mobilenet_v2(num_classes=5).eval()
    torch.save(theirs.state_dict(), tmp_path / "mine.pth")
    encoder = ImageEncoder("mobilenet_v2", weights=str(tmp_path / "mine.pth")).eval()
    theirs.classifier = torch.nn.Identity()
    assert encoder.dim == 1280
    torch.testing.assert_close(encoder(images()), theirs(images()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stem": "small"}, "image_stem: got 'small' for mobilenet_v2"),
        ({"width": 32}, "image_width: got 32 for mobile"),
    ],
)
def test_mobilenet_has_one_stem_and_one_width(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageEncoder("mobilenet_v2", **arguments)


@pytest.mark.parametrize("arch", ["resnet10", "mobilenet_v2"])
def test_the_features_are_the_mean_of_the_map_that_gradcam_explains(arch):
    narrow = {"width": 8, "stem": "small"} if arch == "resnet10" else {}
    encoder = ImageEncoder(arch, **narrow).eval()
    feature_map = encoder.feature_map(images())
    assert feature_map.min() >= 0
    torch.testing.assert_close(encoder(images()), feature_map.flatten(2).mean(dim=2))
    torch.testing.assert_close(encoder.pool(feature_map), encoder(images()))


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_a_scaled_network_of_64_channels_is_torchvisions(arch):
    scaled, standard = _ScaledResNet(arch, 64), torchvision.models.get_model(arch, num_classes=1)
    shapes = {name: value.shape for name, value in scaled.state_dict().items()}
    assert shapes == {name: value.shape for name, value in standard.state_dict().items()}


@pytest.mark.parametrize(("arch", "dim"), [("resnet10", 8 * 16), ("resnet34", 8 * 16), ("resnet50", 32 * 16)])
def test_a_narrower_network_has_narrower_features(arch, dim):
    encoder = ImageEncoder(arch, width=16).eval()
    assert encoder.dim == dim and encoder(images()).shape == (2, dim)


def test_the_small_stem_keeps_twice_the_resolution_on_each_side():
    full, small = (ImageEncoder("resnet10", width=8, stem=stem).eval() for stem in ("imagenet", "small"))
    assert full.feature_map(images(side=64)).shape[-2:] == (2, 2)
    assert small.feature_map(images(side=64)).shape[-2:] == (4, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stem": "tiny"}, "stem: got 'tiny'"),
        ({"arch": "resnext50_32x4d", "width": 32}, "image_width: got 32 for resnext50_32x4d"),
        ({"arch": "resnet18", "width": 20}, "image_width: got 20"),
        (
            {"arch": "resnet18", "weights": "best"},
            "image_weights: got 'best' for resnet18, expected one of IMAGENET1K_V1",
        ),
        (
            {"arch": "resnet18", "width": 32, "weights": "DEFAULT"},
            "image_weights: 'DEFAULT' fits torchvision's own networks, not resnet18 with image_width = 32",
        ),
    ],
)
def test_image_settings_that_cannot_be_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        ImageEncoder(**fields)


def test_pretrained_weights_are_asked_of_torchvision_by_name(monkeypatch):
    asked = []
    real = torchvision.models.get_model
    monkeypatch.setattr(module, "get_model", lambda arch, weights: asked.append((arch, weights)) or real(arch))
    ImageEncoder("resnet18", weights="IMAGENET1K_V1")
    ImageEncoder("resnet18")
    assert asked == [("resnet18", "IMAGENET1K_V1"), ("resnet18", None)]


@pytest.mark.parametrize("pool", ["pooler", "mean"])
def test_padding_changes_no_caption(pool):
    encoder = text_encoder(pool=pool)
    together = encoder(tokens(6, 3, 2, pad_to=9))
    for row, length in enumerate((6, 3, 2)):
        alone = encoder(tokens(length, pad_to=length))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)


def test_the_mean_is_over_the_tokens_of_the_caption_alone():
    encoder = text_encoder(pool="mean")
    batch = tokens(5, 2, pad_to=6)
    states = encoder.bert(**batch).last_hidden_state
    torch.testing.assert_close(encoder(batch), torch.stack([states[0, :5].mean(dim=0), states[1, :2].mean(dim=0)]))


def test_the_pooler_is_berts_own():
    encoder = text_encoder()
    batch = tokens(5, 2, pad_to=6)
    features = encoder(batch)
    torch.testing.assert_close(features, encoder.bert(**batch).pooler_output)
    assert features.shape == (2, encoder.dim) == (2, 16) and features.abs().max() < 1


def test_depth_width_heads_and_dropout_reach_bert():
    config = text_encoder(layers=3, hidden=32, heads=4, dropout=0.3, max_tokens=80).bert.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (3, 32, 4)
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.3, 0.3)
    assert (config.intermediate_size, config.max_position_embeddings) == (128, 80)


def test_a_pretrained_directory_brings_its_weights_and_sizes(tmp_path):
    torch.manual_seed(1)
    bert = BertModel(
        BertConfig(vocab_size=30, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48)
    ).eval()
    bert.save_pretrained(tmp_path)
    encoder = TextEncoder(layers=12, hidden=768, weights=str(tmp_path)).eval()
    batch = tokens(4, pad_to=4)
    assert encoder.dim == 24
    torch.testing.assert_close(encoder(batch), bert(**batch).pooler_output)


def test_an_unknown_pooling_is_named():
    with pytest.raises(ValueError, match="text_pool: got 'max', expected 'pooler' or 'mean'"):
        text_encoder(pool="max")


@pytest.mark.parametrize("kind", [BertModel, BertForPreTraining])
def test_what_is_left_out_of_a_checkpoint_on_purpose_is_not_reported_but_a_missing_pooler_is(
    kind, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    kind(BertConfig(vocab_size=20, **sizes)).save_pretrained(tmp_path / "whole")
    BertModel(BertConfig(vocab_size=20, **sizes), add_pooling_layer=False).save_pretrained(tmp_path / "headless")
    for pool in ("mean", "pooler"):
        TextEncoder(weights=str(tmp_path / "whole"), pool=pool)
    assert caplog.text == ""
    TextEncoder(weights=str(tmp_path / "headless"), pool="pooler")  # begins with random weights
    assert "pooler.dense.weight" in caplog.text and "MISSING" in caplog.text
