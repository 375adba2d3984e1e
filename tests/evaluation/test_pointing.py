"""Pointing, boxes around hot regions and their threshold, against numbers by hand and pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from cliplite_core.data.labelled.boxes import box_masks
from cliplite_core.evaluation.heat import upsample
from cliplite_core.evaluation.pointing import (
    box_accuracy,
    box_from_heatmap,
    choose_threshold,
    pointing_baselines,
    pointing_game,
)


def peak_at(row, column, size=(6, 8)):
    heat = torch.zeros(size)
    heat[row, column] = 1
    return heat


def test_pointing_hits_when_the_peak_pixel_is_in_any_box():
    boxes = torch.tensor([[1.0, 2.0, 4.0, 5.0], [7.0, 0.0, 8.0, 1.0]])
    peaks = [(2, 1), (4, 3), (0, 7), (5, 3), (4, 4), (1, 2), (2, 0)]
    hits = pointing_game([peak_at(*peak) for peak in peaks], [boxes] * len(peaks))
    assert hits.tolist() == [1, 1, 1, 0, 0, 0, 0]


def test_pointing_agrees_with_rasterised_boxes():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        heat = torch.randint(0, 4, (7, 9), generator=generator).float()  # many equally hot pixels
        corners = torch.rand(3, 4, generator=generator) * torch.tensor([9.0, 7.0, 9.0, 7.0])
        boxes = torch.cat(
            [torch.minimum(corners[:, :2], corners[:, 2:]), torch.maximum(corners[:, :2], corners[:, 2:])], 1
        )
        expected = box_masks(boxes, heat.shape).any(0)[heat == heat.max()].float().mean()
        assert torch.equal(pointing_game([heat], [boxes]), expected[None])


def test_pointing_at_an_object_without_boxes_misses():
    assert pointing_game([peak_at(0, 0)], [torch.zeros(0, 4)]).tolist() == [0]


def test_a_flat_map_earns_exactly_chance():
    boxes = [torch.tensor([[0.0, 0.0, 4.0, 3.0], [2.0, 0.0, 6.0, 3.0]])]
    chance = pointing_baselines([(6, 8)], boxes)["chance"]
    assert chance.tolist() == [pytest.approx(18 / 48)]  # the overlap counts once
    assert pointing_game([torch.zeros(6, 8)], boxes).tolist() == chance.tolist()


def test_chance_is_what_random_peaks_hit():
    box = torch.tensor([[1.3, 0.7, 5.2, 4.4]])
    hits = pointing_game([peak_at(row, column) for row in range(6) for column in range(8)], [box] * 48)
    torch.testing.assert_close(hits.mean(), pointing_baselines([(6, 8)], [box])["chance"][0])


def test_the_centre_baseline_points_at_the_middle():
    around, beside = torch.tensor([[3.0, 2.0, 5.0, 4.0]]), torch.tensor([[0.0, 0.0, 3.0, 6.0]])
    assert pointing_baselines([(6, 8)] * 2, [around, beside])["centre"].tolist() == [1, 0]


def test_the_box_surrounds_the_largest_region_and_not_the_hottest():
    heat = torch.zeros(10, 12)
    heat[1, 1] = 1.0
    heat[4:7, 3:9] = 0.6
    heat[7, 3] = 0.6
    heat[4:7, 10] = 0.6
    assert box_from_heatmap(heat, 0.5).tolist() == [3, 4, 9, 8]
    assert box_from_heatmap(heat, 0.7).tolist() == [1, 1, 2, 2]


def test_the_box_of_an_empty_map_is_the_whole_image():
    assert box_from_heatmap(torch.zeros(5, 7), 0.5).tolist() == [0, 0, 7, 5]


def test_the_box_does_not_depend_on_the_scale_of_the_heat():
    heat = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(box_from_heatmap(heat, 0.4), box_from_heatmap(7 * heat, 0.4))


def test_box_accuracy_agrees_with_pycocotools():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 4, (300, 2))
    predicted = np.concatenate([start, start + rng.uniform(4, 8, (300, 2))], axis=1)
    truth = predicted[rng.permutation(300)].reshape(150, 2, 4).repeat(2, axis=0)

    def xywh(xyxy):
        return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)

    oracle = [
        coco_mask.iou(xywh(guess[None]), xywh(boxes), [0, 0]).max() >= 0.5
        for guess, boxes in zip(predicted, truth, strict=True)
    ]
    hits = box_accuracy(torch.from_numpy(predicted), torch.from_numpy(truth))
    assert 0.1 < np.mean(oracle) < 0.9
    assert hits.bool().tolist() == oracle


def test_several_guesses_at_once_are_judged_like_each_alone():
    guesses = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 1.9], [2.0, 0.0, 4.0, 4.0]])
    boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 4.0, 4.0]]), torch.zeros(0, 4)]
    alone = [box_accuracy([guess] * 2, boxes) for guess in guesses]
    assert box_accuracy([guesses] * 2, boxes).tolist() == torch.stack(alone, 1).tolist() == [[1, 0, 1], [0, 0, 0]]


def test_half_overlap_is_a_hit():
    box, half, less = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0], [0.0, 0.0, 4.0, 1.9]])
    assert box_accuracy([half, less], [box[None], box[None]]).tolist() == [1, 0]


def test_the_threshold_that_fits_the_boxes_is_chosen():
    heat = torch.full((8, 8), 0.1)
    heat[2:6, 2:6] = 0.5
    heat[3, 3] = 1.0
    assert choose_threshold([heat], [torch.tensor([[2.0, 2.0, 6.0, 6.0]])]) == 0.15  # above 0.1, lowest of equals
    assert choose_threshold([heat], [torch.tensor([[3.0, 3.0, 4.0, 4.0]])]) == 0.55
    assert choose_threshold([heat], [torch.tensor([[0.0, 0.0, 8.0, 8.0]])]) == 0.05


def test_the_chosen_threshold_is_that_of_trying_each():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        heats = [upsample(torch.rand(1, 3, 4, generator=generator) ** 3, (18, 24))[0] for _ in range(4)]
        boxes = [torch.tensor([[4.0 * row, 2.0, 4.0 * row + 9, 14.0]]) for row in range(4)]

        def accuracy(threshold, heats=heats, boxes=boxes):
            return box_accuracy([box_from_heatmap(heat, threshold) for heat in heats], boxes).mean().item()

        assert choose_threshold(heats, boxes) == max((step / 20 for step in range(1, 20)), key=accuracy)
