"""The two probes against each other, an independent optimiser, and what they must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_root import write_photo
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from cliplite_core.data.labelled.labels import label_fraction
from cliplite_core.evaluation import linear_probe
from cliplite_core.evaluation.features import extract
from cliplite_core.evaluation.linear_probe import (
    SHARES,
    compare_recipes,
    images_per_share,
    lbfgs_probe,
    probe_shares,
    read_probe_splits,
    sgd_probe,
)


def blobs(n: int, seed: int, classes: int = 6, dim: int = 16, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Returns features (n, dim) and labels (n,) of overlapping Gaussian classes; the centres never change."""
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return (centres[labels] + spread * rng.normal(size=(n, dim))).astype(np.float32), labels


def cached(features: np.ndarray, labels: np.ndarray) -> TensorDataset:
    return TensorDataset(torch.from_numpy(features), torch.from_numpy(labels))


def small_encoder() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Photos(Dataset):
    """Images whose class is their brightest channel, under noise drawn anew at every look."""

    def __init__(self, n: int, noise: float) -> None:
        self.labels, self.noise = torch.arange(n) % 3, noise

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = 0.5 * torch.eye(3)[self.labels[index]].view(3, 1, 1).expand(3, 6, 6)
        return image + self.noise * torch.randn(3, 6, 6), int(self.labels[index])


def test_the_two_probes_give_the_same_answer():
    train, test = blobs(1200, seed=0, spread=2.0), blobs(1200, seed=1, spread=2.0)
    sgd = sgd_probe(cached(*train), cached(*test), classes=6, epochs=40, lr=0.1)
    lbfgs = lbfgs_probe(*train, *test, l2=(1e-6,))
    assert 0.5 < lbfgs["top1"] < 0.95  # neither trivial nor hopeless
    assert sgd["top1"] == pytest.approx(lbfgs["top1"], abs=0.01)
    assert (sgd["predictions"] == lbfgs["predictions"]).mean() > 0.97
    assert lbfgs["converged"]


@pytest.mark.parametrize("l2", [1e-3, 1e-1])
def test_lbfgs_finds_the_minimum_of_the_stated_objective(l2):
    train, test = blobs(300, seed=0, spread=2.0), blobs(600, seed=1, spread=2.0)
    features, labels = torch.from_numpy(train[0]).double(), torch.from_numpy(train[1])
    layer = nn.Linear(16, 6).double()
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=500, tolerance_grad=1e-8, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(layer(features), labels) + l2 / 2 * layer.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    expected = layer(torch.from_numpy(test[0]).double()).argmax(dim=1).numpy()
    assert (lbfgs_probe(*train, *test, l2=(l2,))["predictions"] == expected).mean() > 0.99


def test_two_classes_are_scored_like_any_other_number():
    train, test = blobs(100, seed=0, classes=2), blobs(100, seed=1, classes=2)
    result = lbfgs_probe(*train, *test, l2=(1e-3,))
    assert result["confusion"].shape == (2, 2)
    assert result["top1"] > 0.9


def test_the_penalty_is_chosen_on_train_alone_and_is_neither_too_strong_nor_too_weak():
    def unbalanced(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """One telling dimension among 100, and three of four images in one class."""
        labels = (np.arange(n) % 4 == 0).astype(int)
        features = np.random.default_rng(seed).normal(size=(n, 100)).astype(np.float32)
        features[:, 0] += 3.0 * labels
        return features, labels

    train, (test, labels) = unbalanced(300, seed=0), unbalanced(1000, seed=1)
    grid = (1e-6, 1e-1, 1e3)
    chosen = lbfgs_probe(*train, test, labels, l2=grid)
    alone = {l2: lbfgs_probe(*train, test, labels, l2=(l2,)) for l2 in grid}
    assert max(grid, key=lambda l2: alone[l2]["top1"]) == chosen["l2"] == 1e-1
    assert alone[1e3]["top1"] == 0.75  # so strong that only the intercept is left
    assert np.array_equal(chosen["predictions"], alone[1e-1]["predictions"])
    assert lbfgs_probe(*train, test, 1 - labels, l2=grid)["l2"] == 1e-1  # the test labels have no say


def test_of_equally_good_penalties_the_strongest_is_taken():
    train = blobs(120, seed=0, spread=0.01)
    assert lbfgs_probe(*train, *train, l2=(1e-6, 1e-3, 1e-5))["l2"] == 1e-3


def test_a_class_without_training_images_and_an_empty_held_out_part_are_named():
    features, labels = blobs(6, seed=0)
    with pytest.raises(ValueError, match=r"no image of the classes \[5\]"):
        lbfgs_probe(features[:5], labels[:5], features, labels)
    with pytest.raises(ValueError, match="pass a single penalty"):
        lbfgs_probe(features, labels, features, labels)
    assert lbfgs_probe(features, labels, features, labels, l2=(1e-3,))["top1"] == 1.0


def test_a_frozen_network_gives_the_same_probe_as_its_cached_features_and_is_not_touched():
    encoder = small_encoder().train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    photos = torch.stack([Photos(90, noise=0.0)[i][0] for i in range(90)])
    photos = photos + 0.3 * torch.randn(photos.shape, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(90) % 3
    images = TensorDataset(photos, labels)
    features = TensorDataset(torch.from_numpy(extract(encoder, images)), labels)
    through = sgd_probe(images, images, 3, encoder, epochs=5, batch_size=32)
    direct = sgd_probe(features, features, 3, epochs=5, batch_size=32)
    assert through["train_loss"] == pytest.approx(direct["train_loss"], abs=1e-5)
    assert through["top1"] == pytest.approx(direct["top1"], abs=0.02)
    assert encoder.training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_a_probe_on_augmented_images_depends_on_its_seed_alone():
    encoder = small_encoder()
    runs = []
    for outside, seed in ((1, 0), (2, 0), (1, 5)):
        torch.manual_seed(outside)
        state = torch.get_rng_state()
        runs.append(sgd_probe(Photos(48, noise=0.5), Photos(48, noise=0.0), 3, encoder, 2, batch_size=16, seed=seed))
        assert torch.equal(torch.get_rng_state(), state)
    assert runs[0]["train_loss"] == runs[1]["train_loss"]
    assert np.array_equal(runs[0]["predictions"], runs[1]["predictions"])
    assert runs[0]["train_loss"] != runs[2]["train_loss"]


def test_the_recipe_is_the_papers(monkeypatch):
    """SGD 0.3, momentum 0.9, no decay, batches of 256, cosine to 0 over 100 epochs."""
    seen = {}

    def spy(logits, loader, optimizer, schedule, epochs, device):
        seen.update(optimizer.param_groups[0], batch=loader.sampler.batch_size, epochs=epochs, rates=[])
        for _ in range(epochs * len(loader)):
            seen["rates"].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        seen["last"] = optimizer.param_groups[0]["lr"]
        return []

    monkeypatch.setattr(linear_probe, "fit", spy)
    data = cached(*blobs(600, seed=0))
    sgd_probe(data, data, 6)
    assert (seen["momentum"], seen["weight_decay"], seen["batch"], seen["epochs"]) == (0.9, 0, 256, 100)
    steps = np.arange(300)
    assert seen["rates"] == pytest.approx(0.15 * (1 + np.cos(np.pi * steps / 300)))
    assert seen["last"] == pytest.approx(0, abs=1e-12)


def test_a_diverging_probe_stops_and_names_the_learning_rate():
    features, labels = blobs(60, seed=0)
    with pytest.raises(ValueError, match="lower the learning rate"):
        sgd_probe(cached(features * 1e30, labels), cached(features, labels), 6, epochs=3)


def splits_of(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> tuple[dict, dict]:
    """Return features and labels by split, as the notebook has them."""
    names = [f"class {number}" for number in range(train[1].max() + 1)]
    features = {"train": train[0], "test": test[0]}
    return features, {"train": (train[0], train[1], names), "test": (test[0], test[1], names)}


@pytest.fixture
def folders(tiny, tmp_path):
    """The tiny configuration with a probe set of two classes, 20 and 10 training images, 4 test images."""
    for split, counts in (("train", {"cat": 20, "dog": 10}), ("val", {"cat": 2, "dog": 2})):
        for name, count in counts.items():
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                write_photo(tmp_path / split / name / f"{number:02}.jpg", (16, 16), number)
    return tiny.override(probe=str(tmp_path), probe_test_split="val")


def test_a_profile_may_bound_the_training_images_and_each_class_keeps_its_share(folders):
    whole, bounded = read_probe_splits(folders), read_probe_splits(folders.override(probe_images=15))
    assert np.bincount(whole["train"][1]).tolist() == [20, 10]
    assert np.bincount(bounded["train"][1]).tolist() == [10, 5]
    assert {path.parent.name for path in bounded["train"][0][:10]} == {"cat"}, "images and labels still belong together"
    assert len(bounded["test"][1]) == len(whole["test"][1]) == 4
    assert bounded["test"][2] == ["cat", "dog"]


def test_each_share_is_fitted_on_its_own_images_and_few_labels_choose_no_penalty(recwarn):
    features, splits = splits_of(blobs(300, seed=0), blobs(600, seed=1))
    found = probe_shares(features, splits, seed=3)
    assert images_per_share(splits["train"][1]) == {"1 %": 6, "10 %": 30, "100 %": 300}
    labels = splits["train"][1]
    for name, share in SHARES.items():
        kept = label_fraction(labels, share, seed=3)
        alone = lbfgs_probe(
            features["train"][kept], labels[kept], features["test"], splits["test"][1], l2=(found[name]["l2"],)
        )
        assert np.array_equal(found[name]["predictions"], alone["predictions"])
    assert found["1 %"]["l2"] == 1e-4
    assert (
        found["10 %"]["l2"]
        == lbfgs_probe(
            features["train"][label_fraction(labels, 0.1, 3)],
            labels[label_fraction(labels, 0.1, 3)],
            features["test"],
            splits["test"][1],
            seed=3,
        )["l2"]
    ), "five labels per class: the penalty is chosen on a fifth of them"
    assert found["1 %"]["top1"] < found["100 %"]["top1"]
    assert not recwarn.list, "one image per class is meant, and no reason to warn"


def test_recipes_are_compared_with_the_weak_penalty_and_long_enough_sgd_agrees_with_it():
    features, splits = splits_of(blobs(300, seed=0), blobs(600, seed=1))
    lbfgs, paper, longer = compare_recipes(features, splits, sgd_steps=1999)
    assert lbfgs["alike"] == 1
    assert lbfgs["epochs"] is lbfgs["train_loss"] is None
    assert (paper["epochs"], paper["steps"]) == (100, 200)
    assert (longer["epochs"], longer["steps"]) == (1000, 2000)
    assert longer["train_loss"] < paper["train_loss"]
    assert longer["alike"] > 0.95
    few = compare_recipes(features, splits, sgd_steps=10)
    assert len(few) == 2, "the paper's 100 epochs are steps enough"
