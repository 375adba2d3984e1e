"""Grounding: what is asked, what dev chooses, what is reported on test."""

from __future__ import annotations

import pytest
import torch

from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.evaluation import grounding
from cliplite_core.evaluation.grounding import (
    NamedObject,
    baseline_hits,
    choose_size,
    ground,
    heat_of,
    read_named_objects,
)
from cliplite_core.evaluation.heat import SquarePhotos
from cliplite_core.evaluation.pointing import box_accuracy, box_from_heatmap, choose_threshold, pointing_game
from cliplite_core.model import CLIPLite


@pytest.fixture
def asked(tiny):
    """All questions of the tiny scenes: dev and test."""
    return [read_named_objects(tiny, split, at_most=100) for split in (tiny.data.val_split, tiny.data.test_split)]


def test_only_images_with_something_to_tell_apart_are_asked_about(tiny, asked):
    for query in asked[1]:
        assert len(set(query.image.category_names)) > 1
        assert len(query.boxes) == query.image.category_names.count(query.name) >= 1
        assert query.text == f"a picture of a {query.name}"
    few = read_named_objects(tiny, tiny.data.test_split, at_most=3)
    every = [(query.image.image_id, query.name) for query in asked[1]]
    assert [(query.image.image_id, query.name) for query in few] == [every[0], every[(len(every) - 1) // 2], every[-1]]


def test_where_no_image_has_two_things_every_boxed_image_is_asked_about(tiny, monkeypatch):
    lone = BoxedImage("a.png", 1, 4, 4, torch.tensor([[0.0, 0.0, 2.0, 2.0]] * 2), (1, 2), ("dog", "dog"))
    empty = BoxedImage("b.png", 2, 4, 4, torch.zeros(0, 4), (), ())
    monkeypatch.setattr(grounding, "read_boxes", lambda *_: [lone, empty])
    (query,) = read_named_objects(tiny, "test", at_most=5)
    assert (query.image, query.name, len(query.boxes)) == (lone, "dog", 2)


def test_size_and_threshold_are_those_that_serve_dev_best(tiny, tokenizer, asked):
    torch.manual_seed(1)
    model, (dev, test) = CLIPLite(tiny, tokenizer).eval(), asked
    found = ground(model, dev, test, sizes=[16, 48], shown=[0, 2])
    boxes = [query.boxes_on_map for query in dev]
    points = {size: pointing_game(heat_of(model, dev, size, small=True), boxes).mean().item() for size in (16, 48)}
    assert found.size == max(points, key=points.get)  # dev has less than 200 questions: all choose
    assert found.threshold == choose_threshold(heat_of(model, dev, found.size, small=True), boxes)
    heats, boxes = list(heat_of(model, test, found.size)), [query.boxes for query in test]
    assert torch.equal(found.hits["pointing game"], pointing_game(heats, boxes))
    located = [box_from_heatmap(heat, found.threshold) for heat in heats]
    assert torch.equal(found.hits["localisation"], box_accuracy(located, boxes))
    assert [torch.equal(kept, heats[row]) for kept, row in zip(found.shown, (0, 2), strict=True)] == [True, True]


@pytest.mark.parametrize("few", [2, 3, 1000])
def test_dev_is_looked_at_once_whatever_share_of_it_chooses_the_size(tiny, tokenizer, asked, few, monkeypatch):
    monkeypatch.setattr(grounding, "DEV_IMAGES", few)
    torch.manual_seed(1)
    model, (dev, test) = CLIPLite(tiny, tokenizer).eval(), asked
    found = ground(model, dev, test, sizes=[16], shown=[])
    assert found.threshold == choose_threshold(
        heat_of(model, dev, 16, small=True), [query.boxes_on_map for query in dev]
    )


def test_models_may_share_decoded_photos(tiny, tokenizer, asked):
    torch.manual_seed(1)
    (dev, test), photos = asked, SquarePhotos([16, 48])
    for model in (CLIPLite(tiny, tokenizer).eval(), CLIPLite(tiny, tokenizer).eval()):
        shared, alone = (ground(model, dev, test, [16, 48], [0], kept) for kept in (photos, None))
        assert all(torch.equal(hits, alone.hits[name]) for name, hits in shared.hits.items())
    assert set(photos.kept) == {query.image.path for query in (*dev, *test)}


def test_of_sizes_that_point_equally_well_the_first_is_chosen(asked):
    flat = [torch.zeros(query.map_size) for query in asked[0]]
    assert choose_size({32: flat, 16: flat, 48: flat}, asked[0]) == 32


def test_dev_chooses_on_small_maps_of_large_images_and_small_ones_on_their_own_pixels():
    large = BoxedImage("a.png", 1, 640, 480, torch.tensor([[0.0, 0.0, 320.0, 240.0]]), (1,), ("dog",))
    small = BoxedImage("b.png", 2, 48, 40, torch.tensor([[1.0, 2.0, 3.0, 4.0]]), (1,), ("dog",))
    thin = BoxedImage("c.png", 3, 1000, 2, torch.zeros(0, 4), (), ())
    assert (NamedObject(large, "dog").map_size, NamedObject(small, "dog").map_size) == ((96, 128), (40, 48))
    assert NamedObject(large, "dog").boxes_on_map.tolist() == [[0, 0, 64, 48]]
    assert torch.equal(NamedObject(small, "dog").boxes_on_map, small.boxes)
    assert NamedObject(thin, "dog").map_size == (1, 128)


def test_guesses_that_do_not_look_are_judged_like_a_model():
    box = torch.tensor([[0.0, 0.0, 8.0, 4.0]])  # eight wide, four of six high: two thirds, over the centre
    image = BoxedImage("a.png", 1, 8, 6, box, (1,), ("dog",))
    found = baseline_hits([NamedObject(image, "dog")])
    assert {name: hits.tolist() for name, hits in found["pointing game"].items()} == {
        "centre": [1], "chance": [pytest.approx(2 / 3)],
    }  # fmt: skip
    assert found["localisation"]["whole image"].tolist() == [1]  # two thirds are more than half
