import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PIL import Image
from pycocotools import mask as coco_mask
from tiny import TINY
from torch import nn

from cliplite_core.critic import DotCritic
from cliplite_core.data.labelled.boxes import BoxedImage
from cliplite_core.encoders import ImageEncoder
from cliplite_core.evaluation import grounding
from cliplite_core.evaluation.grounding import (
    NamedObject,
    baseline_hits,
    box_accuracy,
    box_from_heatmap,
    choose_size,
    choose_threshold,
    grad_cam,
    ground,
    heat_of,
    heatmaps,
    pointing_baselines,
    pointing_game,
    read_named_objects,
    upsample,
)
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile


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
        self.seen = []

    def text_features(self, texts):
        return torch.tensor([[len(text), text.count("a"), text.count("e"), 1.0] for text in texts])

    def image_features(self, features):
        return features

    def preprocess(self, image):
        self.seen.append(image.size)
        pixels = np.asarray(image.resize((16, 16)), dtype=np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)

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


def test_grad_cam_sees_frozen_features_as_the_critic_does(tokenizer):
    """Without the standardisation that the critic learned on, the heat would be that of another score."""
    torch.manual_seed(0)
    frozen = CLIPLite(load_profile("smoke", **TINY, frozen=True), tokenizer).eval()
    frozen.standardize["image"].measure(3 + 2 * torch.randn(50, frozen.image_encoder.dim))
    images = torch.randn(4, 3, 64, 64)
    blocks = [part for part in frozen.image_encoder.modules() if type(part).__name__ == "BasicBlock"]
    scored = type("Scored", (nn.Module,), {"forward": lambda self, images: frozen.score(images, TEXTS[:4])})()
    oracle = LayerGradCam(scored, blocks[-1]).attribute(images, relu_attributions=True)[:, 0]
    heat = grad_cam(frozen, images, TEXTS[:4])
    assert (oracle.amax((1, 2)) > 0).any()
    torch.testing.assert_close(heat * oracle.amax((1, 2), keepdim=True), oracle.detach(), atol=1e-6, rtol=1e-4)


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


def test_heatmaps_of_files_have_the_size_of_the_file(model, tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name, (width, height) in {"wide": (30, 12), "tall": (9, 20), "square": (16, 16)}.items():
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(paths[-1])
    maps = list(heatmaps(model, paths, TEXTS[:3], batch_size=2))
    assert [tuple(map_.shape) for map_ in maps] == [(12, 30), (20, 9), (16, 16)]
    assert model.seen == [(30, 30), (20, 20), (16, 16)]  # nothing is left for a centre crop to cut off
    square = torch.stack([model.preprocess(Image.open(paths[2]))])
    torch.testing.assert_close(maps[2], upsample(grad_cam(model, square, TEXTS[2:3]), (16, 16))[0])


def test_a_larger_input_gives_a_finer_map(model, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    (fine,) = heatmaps(model, [path], ["a cat"], preprocess=lambda image: model.preprocess(image).repeat(1, 2, 2))
    doubled = model.preprocess(Image.open(path)).repeat(1, 2, 2)
    assert grad_cam(model, doubled[None], ["a cat"]).shape == (1, 8, 8)
    torch.testing.assert_close(fine, upsample(grad_cam(model, doubled[None], ["a cat"]), (32, 32))[0])


def peak_at(row, column, size=(6, 8)):
    heat = torch.zeros(size)
    heat[row, column] = 1
    return heat


def test_pointing_hits_when_the_peak_pixel_is_in_any_box():
    boxes = torch.tensor([[1.0, 2.0, 4.0, 5.0], [7.0, 0.0, 8.0, 1.0]])
    peaks = [(2, 1), (4, 3), (0, 7), (5, 3), (4, 4), (1, 2), (2, 0)]
    hits = pointing_game([peak_at(*peak) for peak in peaks], [boxes] * len(peaks))
    assert hits.tolist() == [1, 1, 1, 0, 0, 0, 0]


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


# --- the experiment: what is asked, chosen on dev, reported on test ---------------------------------------------------


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
    points = {size: pointing_game(heat_of(model, dev, size), [q.boxes for q in dev]).mean().item() for size in (16, 48)}
    assert found.size == max(points, key=points.get)  # dev has less than 200 questions: all choose
    assert found.threshold == choose_threshold(heat_of(model, dev, found.size), [query.boxes for query in dev])
    heats, boxes = heat_of(model, test, found.size), [query.boxes for query in test]
    assert torch.equal(found.hits["pointing game"], pointing_game(heats, boxes))
    located = [box_from_heatmap(heat, found.threshold) for heat in heats]
    assert torch.equal(found.hits["localisation"], box_accuracy(located, boxes))
    assert [torch.equal(kept, heats[row]) for kept, row in zip(found.shown, (0, 2), strict=True)] == [True, True]


def test_of_sizes_that_point_equally_well_the_first_is_chosen(monkeypatch, asked):
    flat = [torch.zeros(query.image.height, query.image.width) for query in asked[0]]
    monkeypatch.setattr(grounding, "heat_of", lambda *_: flat)
    assert choose_size(None, asked[0], [32, 16, 48]) == 32


def test_guesses_that_do_not_look_are_judged_like_a_model():
    box = torch.tensor([[0.0, 0.0, 8.0, 4.0]])  # eight wide, four of six high: two thirds, over the centre
    image = BoxedImage("a.png", 1, 8, 6, box, (1,), ("dog",))
    found = baseline_hits([NamedObject(image, "dog")])
    assert {name: hits.tolist() for name, hits in found["pointing game"].items()} == {
        "centre": [1], "chance": [pytest.approx(2 / 3)],
    }  # fmt: skip
    assert found["localisation"]["whole image"].tolist() == [1]  # two thirds are more than half
