"""Transforms: crops as configured, the evaluation view fixed, and flips that keep captions true."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from cliplite_core.data.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Crop,
    TrainTransform,
    eval_transform,
    swap_sides,
)


def picture(height: int = 20, width: int = 30) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def shown(image: torch.Tensor) -> torch.Tensor:
    """Undo the normalisation, so that values can be compared with pixels."""
    return image * torch.tensor(IMAGENET_STD).view(3, 1, 1) + torch.tensor(IMAGENET_MEAN).view(3, 1, 1)


def test_evaluation_sees_the_centre_of_the_picture_normalised():
    image = picture(16, 26)
    mean, std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)
    expected = (image[:, :, 5:21] / 255 - mean) / std
    torch.testing.assert_close(eval_transform(16)(image), expected)


def test_evaluation_scales_the_shorter_side_to_the_size():
    flat = torch.full((3, 40, 100), 128, dtype=torch.uint8)
    out = eval_transform(16)(flat)
    assert out.shape == (3, 16, 16) and out.dtype == torch.float32
    torch.testing.assert_close(shown(out), torch.full((3, 16, 16), 128 / 255))


def test_evaluation_takes_pil_pictures_and_tensors_alike():
    image = picture()
    pil = Image.fromarray(image.permute(1, 2, 0).numpy())
    assert torch.equal(eval_transform(16)(pil), eval_transform(16)(image))


def test_training_crops_follow_the_generator_and_differ():
    transform = TrainTransform(16, crop_scale=0.2, color_jitter=0.4)
    torch.manual_seed(0)
    first, second = transform(picture()), transform(picture())
    torch.manual_seed(0)
    assert torch.equal(transform(picture()), first)
    assert first.shape == (3, 16, 16) and first.dtype == torch.float32
    assert not torch.equal(first, second)


@pytest.mark.parametrize("jitter", [0.0, 0.4])
def test_training_sees_what_torchvisions_own_transforms_show_to_the_last_bit(jitter):
    steps = [v2.RandomResizedCrop(16, scale=(0.2, 1.0), antialias=True)]
    if jitter:
        steps.append(v2.RandomApply([v2.ColorJitter(jitter, jitter, jitter, jitter / 4)], p=0.8))
    oracle = v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    transform = TrainTransform(16, 0.2, jitter)
    for seed in range(20):
        torch.manual_seed(seed)
        expected = oracle(picture(40, 61))
        torch.manual_seed(seed)
        assert torch.equal(transform(picture(40, 61)), expected)


def test_an_image_may_be_shrunk_as_far_as_its_crop_stays_large_enough():
    assert [Crop(3, 5, side, side + 40).shrink(100) for side in (99, 199, 200, 399, 400, 800, 9999)] == [
        1, 1, 2, 2, 4, 8, 8,
    ]  # fmt: skip
    columns = torch.arange(50, dtype=torch.uint8).expand(3, 30, 50)
    assert Crop(10, 20, 12, 16).of(columns, (30, 50)).shape == (3, 12, 16)
    half = Crop(10, 20, 12, 16).of(columns, (60, 100))  # of the image twice as large
    assert half.shape == (3, 6, 8) and half[0, 0].tolist() == list(range(10, 18))


def test_a_crop_is_never_smaller_than_the_configured_share():
    # Each pixel holds its own column: the range of a crop is its width. Ratio 3/4 at least: width² >= 3/4 · area.
    columns = torch.arange(200, dtype=torch.uint8).expand(3, 200, 200)
    transform = TrainTransform(32, crop_scale=0.5, color_jitter=0)
    torch.manual_seed(0)
    widths = []
    for _ in range(100):
        values = shown(transform(columns)) * 255
        widths.append((values.max() - values.min()).item())
    assert min(widths) > (0.75 * 0.5) ** 0.5 * 200 - 8
    assert max(widths) - min(widths) > 40


def test_without_jitter_colours_stay_and_with_it_four_in_five_change():
    flat = torch.full((3, 20, 20), 100, dtype=torch.uint8)
    torch.manual_seed(0)
    plain = shown(TrainTransform(8, 0.5, 0.0)(flat))
    torch.testing.assert_close(plain, torch.full((3, 8, 8), 100 / 255))
    jitter = TrainTransform(8, 0.5, 0.4)
    changed = sum(not torch.allclose(shown(jitter(flat)), plain, atol=1e-3) for _ in range(200))
    assert 140 < changed < 180


@pytest.mark.parametrize(
    ("caption", "mirrored"),
    [
        ("a dog left of a cat", "a dog right of a cat"),
        ("left, right and left again", "right, left and right again"),
        ("Left of the house", "Right of the house"),
        ("the LEFT one", "the RIGHT one"),
        ("the leftmost bird", "the rightmost bird"),
        ("a left-handed man", "a right-handed man"),
        ("a bright light", "a bright light"),
        ("leftovers on a plate", "leftovers on a plate"),
    ],
)
def test_left_and_right_are_swapped_as_words_and_twice_is_never(caption, mirrored):
    assert swap_sides(caption) == mirrored
    assert swap_sides(mirrored) == caption
