"""Grad-CAM against captum; what is decoded and encoded once gives what asking anew gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PIL import Image
from torch import nn

from cliplite_core.critic import DotCritic
from cliplite_core.data.transforms import eval_transform
from cliplite_core.encoders import ImageEncoder
from cliplite_core.evaluation import heat as module
from cliplite_core.evaluation.heat import SquarePhotos, grad_cam, heat_cells, upsample
from cliplite_core.model import CLIPLite


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Conv2d(8, 6, 3, 2, 1), nn.ReLU()
        )

    def feature_map(self, images):
        return self.body(images)

    def pool(self, feature_map):
        return feature_map.mean((2, 3))

    def forward(self, images):
        return self.pool(self.feature_map(images))


class Critic(nn.Module):
    """Not linear in the image features, so that the gradient depends on the point where it is taken."""

    def __init__(self):
        super().__init__()
        self.image, self.text = nn.Linear(6, 5), nn.Linear(4, 5)

    def forward(self, image_features, text_features):
        return (self.image(image_features).tanh() * self.text(text_features)).sum(1)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.image_encoder, self.critic = Encoder(), Critic()

    def text_features(self, texts):
        return torch.tensor([[len(text), text.count("a"), text.count("e"), 1.0] for text in texts])

    def image_features(self, pooled):
        return pooled

    def forward(self, images, text_features):
        return self.critic(self.image_encoder(images), text_features)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Model()
    model(torch.randn(32, 3, 16, 16), torch.randn(32, 4))  # moves the running statistics away from 0 and 1
    return model


IMAGES = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
TEXTS = ["a cat", "the red tree", "two", "a banana", "see", "an eel"]


def test_grad_cam_agrees_with_captum(model):
    heat = grad_cam(model, IMAGES, TEXTS)
    layer = model.image_encoder.body[-1]
    oracle = LayerGradCam(model.eval(), layer).attribute(
        IMAGES, additional_forward_args=model.text_features(TEXTS), relu_attributions=True
    )[:, 0]
    assert (oracle.amax((1, 2)) > 0).sum() >= 3  # else both would be zero and agree about nothing
    torch.testing.assert_close(heat * oracle.amax((1, 2), keepdim=True), oracle.detach())


def test_grad_cam_agrees_with_captum_on_the_real_model():
    torch.manual_seed(0)
    model = Model()
    model.image_encoder = ImageEncoder("resnet10", width=16, stem="small")
    model.critic = DotCritic(128, 4, units=32)
    images = torch.randn(4, 3, 64, 64)
    heat = grad_cam(model, images, TEXTS[:4])
    blocks = [part for part in model.image_encoder.modules() if type(part).__name__ == "BasicBlock"]
    oracle = LayerGradCam(model.eval(), blocks[-1]).attribute(
        images, additional_forward_args=model.text_features(TEXTS[:4]), relu_attributions=True
    )[:, 0]
    assert heat.shape == (4, 4, 4) and (oracle.amax((1, 2)) > 0).any()
    torch.testing.assert_close(heat * oracle.amax((1, 2), keepdim=True), oracle.detach(), atol=1e-6, rtol=1e-4)


def test_heat_of_an_image_does_not_depend_on_its_batch(model):
    together = grad_cam(model, IMAGES, TEXTS)
    alone = torch.cat([grad_cam(model, IMAGES[i : i + 1], TEXTS[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, alone)


def test_heat_lies_between_zero_and_its_maximum_of_one(model):
    heat = grad_cam(model, IMAGES, TEXTS)
    assert heat.shape == (6, 4, 4)
    assert heat.isfinite().all() and heat.min() >= 0
    assert set(heat.amax((1, 2)).tolist()) <= {0.0, 1.0}


def test_grad_cam_leaves_the_model_as_found(model):
    model.image_encoder.body[1].eval()  # a frozen batch norm inside a model in training
    model.critic.text.weight.requires_grad_(False)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    with torch.no_grad():  # works where a caller has gradients switched off
        grad_cam(model, IMAGES, TEXTS)
        assert not torch.is_grad_enabled()
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["critic.text.weight"]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_upsampling_is_bilinear_between_cell_centres():
    line = upsample(torch.tensor([[[0.0, 1.0]]]), (1, 4))
    torch.testing.assert_close(line, torch.tensor([[[0.0, 0.25, 0.75, 1.0]]]))


def test_a_frozen_model_is_asked_through_its_standardised_features(tiny, tokenizer):
    torch.manual_seed(0)
    model = CLIPLite(tiny.override(frozen=True), tokenizer).eval()
    images, texts = torch.randn(2, 3, 32, 32), ["a dog", "a cat"]
    plain = grad_cam(model, images, texts)
    model.standardize["image"].deviation[::2] = 1e6  # of these channels the critic hears next to nothing
    deaf = grad_cam(model, images, texts)
    assert not torch.allclose(plain, deaf, atol=1e-2)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """A wide, a tall and a square picture of noise."""
    rng, paths = np.random.default_rng(0), []
    for name, (width, height) in {"wide": (30, 12), "tall": (9, 20), "square": (16, 16)}.items():
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def test_photos_are_squeezed_to_squares_and_lose_no_end(files):
    photos = SquarePhotos([16, 30])
    assert [photos(path, 30).shape[1:] for path in files] == [(30, 30)] * 3
    wide = torch.from_numpy(np.array(Image.open(files[0]).resize((30, 30)))).permute(2, 0, 1)
    square = torch.from_numpy(np.array(Image.open(files[2]))).permute(2, 0, 1)
    assert torch.equal(photos(files[0], 30), wide) and torch.equal(photos(files[2], 16), square)


def test_a_photo_is_decoded_and_encoded_once_however_many_names_are_asked_for(model, files, monkeypatch):
    opened, encoded = [], []
    open_image, feature_map = Image.open, model.image_encoder.feature_map
    monkeypatch.setattr(module.Image, "open", lambda path: opened.append(path) or open_image(path))
    monkeypatch.setattr(
        model.image_encoder, "feature_map", lambda images: encoded.extend(images) or feature_map(images)
    )
    photos = SquarePhotos([16, 32])
    for size in (16, 32):
        heat_cells(model, [files[row] for row in (0, 1, 0, 2, 1, 0)], TEXTS, size, photos)
    assert opened == files and len(encoded) == 2 * 3


@pytest.mark.parametrize("per_pass", [1, 2, 8])
def test_each_question_gets_the_heat_it_gets_alone(model, files, monkeypatch, per_pass):
    monkeypatch.setattr(module, "PHOTOS_PER_PASS", per_pass)
    asked = [files[row] for row in (0, 1, 0, 2, 1, 0)]
    for size, cells in ((16, 4), (32, 8)):  # a larger input gives a finer map
        found = heat_cells(model, asked, TEXTS, size)
        for path, text, heat in zip(asked, TEXTS, found, strict=True):
            image = Image.open(path).convert("RGB")
            square = image.resize((max(image.size), max(image.size)))
            torch.testing.assert_close(heat[None], grad_cam(model, eval_transform(size)(square)[None], [text]))
            assert heat.shape == (cells, cells)


def test_without_questions_there_is_no_heat(model):
    assert heat_cells(model, [], [], 16) == []


def test_photos_beyond_what_memory_may_hold_are_decoded_again(files, monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", 2 * 3 * 32**2)
    photos = SquarePhotos([32])
    first = [photos(path, 32) for path in files]
    assert list(photos.kept) == files[:2]
    assert all(torch.equal(photos(path, 32), before) for path, before in zip(files, first, strict=True))
