from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torch import nn

from cliplite_core.evaluation.heat import heat_cells, upsample
from cliplite_core.evaluation.referring import (
    area_scores,
    centre_scores,
    crop_features,
    crop_scores,
    heat_scores,
    model_hits,
    random_scores,
    read_expressions,
    referring_hits,
    rule_hits,
)
from cliplite_core.model import CLIPLite

BOXES = torch.tensor([[0.0, 0.0, 4.0, 4.0], [4.0, 2.0, 6.0, 4.0], [0.0, 4.0, 8.0, 8.0]])


def test_heat_inside_a_box_agrees_with_slicing():
    heat = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
    slices = [heat[0:4, 0:4], heat[2:4, 4:6], heat[4:8, 0:8]]
    torch.testing.assert_close(heat_scores(heat, BOXES), torch.stack([part.mean() for part in slices]))
    torch.testing.assert_close(heat_scores(heat, BOXES, "sum"), torch.stack([part.sum() for part in slices]))


def test_mean_prefers_the_tight_box_and_sum_the_wide_one():
    heat = torch.full((8, 8), 0.1)
    heat[2:4, 4:6] = 1.0
    assert BOXES[heat_scores(heat, BOXES).argmax()].tolist() == [4, 2, 6, 4]
    wide = torch.cat([BOXES, torch.tensor([[0.0, 0.0, 8.0, 8.0]])])
    assert wide[heat_scores(heat, wide, "sum").argmax()].tolist() == [0, 0, 8, 8]


def test_a_box_thinner_than_a_pixel_scores_zero_and_not_nan():
    assert heat_scores(torch.ones(8, 8), torch.tensor([[1.1, 1.1, 1.2, 1.2]])).tolist() == [0]


def test_unknown_reduction_is_named():
    with pytest.raises(ValueError, match="reduce: found 'max'"):
        heat_scores(torch.ones(8, 8), BOXES, "max")


class Critic(nn.Module):
    def pairwise(self, image_features, text_features):
        return image_features @ text_features.T


class ColourModel(nn.Module):
    """Scores how red a crop is, or how blue, as the expression says."""

    def __init__(self):
        super().__init__()
        self.critic, self.norm = Critic(), nn.BatchNorm1d(3)
        self.crops = []

    def preprocess(self, image):
        self.crops.append(image.size)
        return torch.from_numpy(np.asarray(image.resize((4, 4)), dtype=np.float32) / 255).permute(2, 0, 1)

    def image_features(self, images):
        return self.norm(images.mean((2, 3)))

    def text_features(self, texts):
        return torch.tensor([[1.0, 0.0, 0.0] if "red" in text else [0.0, 0.0, 1.0] for text in texts])


def test_crops_are_scored_by_what_is_inside_them():
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[0:4, 0:4, 2] = 255
    pixels[2:4, 4:6, 0] = 255
    model, image = ColourModel().train(), Image.fromarray(pixels)
    features = crop_features(model, image, BOXES)
    assert BOXES[crop_scores(model, features, "the red one").argmax()].tolist() == [4, 2, 6, 4]
    assert BOXES[crop_scores(model, features, "the blue one").argmax()].tolist() == [0, 0, 4, 4]
    assert model.crops[:3] == [(4, 4), (2, 2), (8, 4)]
    assert model.training and model.norm.running_mean.tolist() == [0, 0, 0]


def test_crops_are_rounded_outwards_and_stay_inside_the_image():
    model = ColourModel()
    odd = torch.tensor([[1.2, 1.9, 3.1, 3.0], [-2.0, 6.5, 20.0, 30.0], [5.0, 5.0, 5.0, 5.0], [8.0, 8.0, 8.0, 8.0]])
    crop_features(model, Image.new("RGB", (8, 8)), odd)
    assert model.crops == [(3, 2), (8, 2), (1, 1), (1, 1)]


def test_baselines_pick_the_largest_and_the_most_central():
    assert BOXES[area_scores(BOXES).argmax()].tolist() == [0, 4, 8, 8]
    assert BOXES[centre_scores(BOXES, (8, 8)).argmax()].tolist() == [4, 2, 6, 4]
    assert BOXES[centre_scores(BOXES, (4, 4)).argmax()].tolist() == [0, 0, 4, 4]


def test_random_proposals_are_uniform_and_repeatable():
    first, second = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    picks = [random_scores(BOXES, first).argmax().item() for _ in range(600)]
    assert picks == [random_scores(BOXES, second).argmax().item() for _ in range(600)]
    assert np.bincount(picks, minlength=3).min() > 150  # expected 200, standard deviation 11.5


def test_hits_agree_with_a_loop_over_pycocotools():
    rng = np.random.default_rng(0)
    proposals, scores, targets, slow = [], [], [], []
    for _ in range(100):
        count = rng.integers(1, 6)
        start = rng.uniform(0, 5, (count, 2))
        boxes = np.concatenate([start, start + rng.uniform(3, 6, (count, 2))], axis=1)
        score = rng.normal(size=count)
        target = boxes[rng.integers(count)] + rng.uniform(-0.5, 0.5, 4)
        best = boxes[sorted(range(count), key=score.tolist().__getitem__)[-1]]
        xywh = [np.concatenate([box[:2], box[2:] - box[:2]])[None] for box in (best, target)]
        slow.append(float(coco_mask.iou(*xywh, [0])[0, 0] >= 0.5))
        proposals.append(torch.from_numpy(boxes))
        scores.append(torch.from_numpy(score))
        targets.append(torch.from_numpy(target))
    assert 0.2 < np.mean(slow) < 0.9
    assert referring_hits(scores, proposals, targets).tolist() == slow


def test_equal_scores_earn_chance_in_any_order():
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        assert referring_hits([torch.zeros(3)], [BOXES[order]], [BOXES[0]]).tolist() == [pytest.approx(1 / 3)]


def test_nan_scores_and_missing_proposals_are_errors():
    with pytest.raises(ValueError, match=r"scores\[1\].*nan"):
        referring_hits([torch.zeros(3), torch.tensor([0.0, float("nan"), 0.0])], [BOXES, BOXES], BOXES[:2])
    with pytest.raises(ValueError, match=r"scores\[0\]: found \[\]"):
        referring_hits([torch.zeros(0)], [torch.zeros(0, 4)], BOXES[:1])


# --- the experiment ---------------------------------------------------------------------------------------------------


def test_expressions_are_of_images_with_a_choice_so_many_per_split(tiny):
    references = read_expressions(tiny, at_most=100)
    assert references and all(len(reference.image.boxes) > 1 for reference in references)
    assert len(read_expressions(tiny, at_most=2)) == 2
    both = read_expressions(tiny.override(ref_splits=["val", "test"]), at_most=2)
    assert [reference.split for reference in both] == ["val", "val", "test", "test"]


def test_a_profile_may_name_no_expressions_or_lack_them(tiny):
    assert read_expressions(tiny.override(refs=""), at_most=5) == []
    assert read_expressions(tiny.override(refs="not/there.json", skip_missing=True), at_most=5) == []
    with pytest.raises(FileNotFoundError):
        read_expressions(tiny.override(refs="not/there.json"), at_most=5)
    assert rule_hits([]) == {} and model_hits(None, [], 16) == {}


def test_rules_are_judged_by_the_boxes_they_choose(tiny):
    references = read_expressions(tiny, at_most=30)
    found = rule_hits(references)
    boxes = [reference.image.boxes for reference in references]
    largest = [torch.stack([(b[2] - b[0]) * (b[3] - b[1]) for b in of_image]).argmax() for of_image in boxes]
    right = [int(row) == reference.target for row, reference in zip(largest, references, strict=True)]
    assert found["largest box"].mean().item() == pytest.approx(np.mean(right), abs=0.1)  # but for overlapping boxes
    assert torch.equal(found["random box"], rule_hits(references)["random box"])
    assert not torch.equal(found["random box"], rule_hits(references, seed=1)["random box"])


def test_a_model_is_asked_by_heat_and_by_crop_and_each_split_counts_by_itself(tiny, tokenizer):
    torch.manual_seed(0)
    model, references = CLIPLite(tiny, tokenizer).eval(), read_expressions(tiny, at_most=6)
    found = model_hits(model, references, size=32)
    assert list(found) == ["referring, heat", "referring, crop"]
    paths, texts = [r.image.path for r in references], [r.expressions[0] for r in references]
    boxes, targets = [r.image.boxes for r in references], [r.image.boxes[r.target] for r in references]
    by_heat = []
    for reference, cell in zip(references, heat_cells(model, paths, texts, 32), strict=True):
        heat = upsample(cell[None], (reference.image.height, reference.image.width))[0]
        by_heat.append(heat_scores(heat, reference.image.boxes))
    assert torch.equal(found["referring, heat"], referring_hits(by_heat, boxes, targets))
    by_crop = []
    for reference in references:  # each expression by itself, whether or not the one before asked about the same image
        crops = crop_features(model, Image.open(reference.image.path).convert("RGB"), reference.image.boxes)
        by_crop.append(crop_scores(model, crops, reference.expressions[0]))
    assert torch.equal(found["referring, crop"], referring_hits(by_crop, boxes, targets))

    parted = [
        replace(reference, split="testB" if row in (1, 4) else "testA") for row, reference in enumerate(references)
    ]
    parts = model_hits(model, parted, size=32)
    assert list(parts)[:3] == ["referring, heat", "referring, heat, testA", "referring, heat, testB"]
    assert torch.equal(parts["referring, crop, testB"], found["referring, crop"][[1, 4]])
