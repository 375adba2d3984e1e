from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import box_convert, box_iou

from cliplite_core.scenes.compose import MAX_IOU, OBJECT_SIZE, PERSON_SIZE, SINGLE_SIZE, compose, iou
from cliplite_core.scenes.contents import Contents, Person, draw_scene, heldout_pairs

RED, BLUE = (255, 0, 0, 255), (0, 0, 255, 255)


def red_square(_: str) -> Image.Image:
    return Image.new("RGBA", (72, 72), RED)


def red_left_of_blue(_: str) -> Image.Image:
    image = red_square("")
    image.paste(BLUE, (36, 0, 72, 72))
    return image


def many_scenes(count: int = 150):
    heldout = heldout_pairs(seed=0, fraction=0.1)
    for index in range(count):
        rng = np.random.default_rng(index)
        yield compose(draw_scene(rng, heldout, 0.3, 0.8), rng)


def test_a_box_is_the_box_of_the_pixels_that_were_drawn():
    for seed in range(40):
        scene, image = compose(Contents("snow", ("dog",)), np.random.default_rng(seed), artwork=red_square)
        pixels = np.asarray(image).astype(int)
        rows, columns = np.nonzero(pixels[..., 0] - pixels[..., 1] > 40)
        drawn = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert scene.items[0].box == pytest.approx(drawn, abs=1)


def test_nothing_is_mirrored_or_turned_far():
    for seed in range(40):
        _, image = compose(Contents("night", ("dog",)), np.random.default_rng(seed), artwork=red_left_of_blue)
        pixels = np.asarray(image).astype(int)
        red = np.nonzero(pixels[..., 0] > 180)
        blue = np.nonzero(pixels[..., 2] - pixels[..., 0] > 140)
        assert red[1].mean() + 5 < blue[1].mean()
        assert abs(red[0].mean() - blue[0].mean()) < 8


def test_objects_stay_inside_the_picture_within_their_sizes_and_hardly_overlap():
    for scene, image in many_scenes():
        assert image.size == (96, 96)
        for i, item in enumerate(scene.items):
            x, y, width, height = item.box
            assert x >= 0 <= y
            assert x + width <= 96 >= y + height
            low, high = (96 * share for share in (PERSON_SIZE if item.noun == "person" else OBJECT_SIZE))
            assert low - 1 <= max(width, height) <= high + 1
            assert all(iou(item.box, other.box) <= MAX_IOU for other in scene.items[:i])


def test_iou_agrees_with_torchvision():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = (tuple(int(v) for v in rng.integers(1, 40, size=4)) for _ in range(2))
        boxes = box_convert(torch.tensor([a, b], dtype=torch.float), "xywh", "xyxy")
        assert iou(a, b) == pytest.approx(box_iou(boxes[:1], boxes[1:]).item(), abs=1e-6)


def test_visible_share_agrees_with_painting_the_boxes_one_over_another():
    hidden = 0
    for scene, _ in many_scenes():
        painted = np.full((96, 96), -1)
        for i, item in enumerate(scene.items):
            x, y, width, height = item.box
            painted[y : y + height, x : x + width] = i
        for i, item in enumerate(scene.items):
            share = (painted == i).sum() / item.area
            hidden += share < 1
            assert item.visible <= share + 0.01, "what is hidden twice is counted twice, never less than once"
            assert item.visible == pytest.approx(share, abs=0.1)
    assert hidden > 20


def test_all_contents_are_drawn_and_the_person_is_kept():
    person = Person("woman", "cooking", "dark")
    contents = Contents("sea", ("dog", "dog", "pizza"), person)
    scene, _ = compose(contents, np.random.default_rng(0))
    assert sorted(item.noun for item in scene.items) == ["dog", "dog", "person", "pizza"]
    assert (scene.person, scene.background) == (person, "sea")


def test_the_same_generator_draws_the_same_picture_and_another_does_not():
    contents = Contents("grass", ("dog",))
    first, again, other = (compose(contents, np.random.default_rng(seed))[1].tobytes() for seed in (5, 5, 6))
    assert first == again != other


def test_single_objects_are_large_and_near_the_centre():
    for seed in range(40):
        scene, _ = compose(Contents("sand", ("cat",)), np.random.default_rng(seed), single=True)
        longest = max(scene.items[0].box[2:])
        assert SINGLE_SIZE[0] * 96 - 1 <= longest <= SINGLE_SIZE[1] * 96 + 1
        assert all(abs(middle - 48) <= 12 for middle in scene.items[0].centre)


def test_sizes_follow_the_canvas():
    scene, image = compose(Contents("sand", ("cat",)), np.random.default_rng(0), canvas=192)
    assert image.size == (192, 192)
    assert 44 - 1 <= max(scene.items[0].box[2:]) <= 88 + 1
