"""Finetuning: the protocol's schedule, what it learns, and that the caller's encoder survives it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from cliplite_core.data.splits import read_split
from cliplite_core.evaluation import finetune as module
from cliplite_core.evaluation.finetune import finetune, finetuning_views
from cliplite_core.evaluation.linear_probe import sgd_probe


def encoder() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def stripes(n: int, seed: int) -> TensorDataset:
    """Horizontal against vertical stripes of any phase: random filters see little of it, trained ones all."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    phases = torch.randint(0, 4, (n, 1), generator=generator)
    waves = (((torch.arange(12) + phases) % 4) < 2).float()  # shape: (n, 12)
    images = torch.where(labels[:, None, None] == 0, waves[:, :, None], waves[:, None, :])
    images = images[:, None].expand(n, 3, 12, 12) + 0.5 * torch.randn(n, 3, 12, 12, generator=generator)
    return TensorDataset(images, labels)


def test_finetuning_learns_and_leaves_the_callers_encoder_alone():
    start = encoder().requires_grad_(False)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    train, test = stripes(200, seed=0), stripes(200, seed=1)
    tuned = finetune(start, train, test, 2, epochs=8, batch_size=20, lr=0.1)
    frozen = sgd_probe(train, test, 2, start, epochs=8, batch_size=20, lr=0.1)
    assert tuned["top1"] > 0.95
    assert tuned["top1"] > frozen["top1"]
    assert tuned["train_loss"][-1] < 0.5 * tuned["train_loss"][0]
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())
    assert start.training and not any(parameter.requires_grad for parameter in start.parameters())


def test_the_same_seed_gives_the_same_network_and_another_does_not():
    data = stripes(41, seed=0)  # batches of 20: the last has one image, which batch norm could not take
    first, second, other = (finetune(encoder(), data, data, 2, epochs=1, batch_size=20, seed=s) for s in (0, 0, 1))
    assert first["train_loss"] == second["train_loss"] != other["train_loss"]
    assert np.array_equal(first["predictions"], second["predictions"])
    assert first["n"] == 41


def test_an_encoder_that_cannot_take_one_image_in_training_mode_is_no_obstacle():
    data = stripes(21, seed=0)  # batches of 10 leave one image over
    strict = nn.Sequential(encoder(), nn.BatchNorm1d(8))
    assert finetune(strict, data, data, 2, epochs=1, batch_size=10)["n"] == 21


def test_the_schedule_is_the_papers(monkeypatch):
    """LR 0.025, weight decay 1e-4, momentum 0.9, a tenth from epoch 70 and again from epoch 90 of 100."""
    seen = {}

    def spy(network, loader, optimizer, schedule, epochs, device):
        group = optimizer.param_groups[0]
        assert all(part.training for part in network.modules())  # batch norm learns the new images' statistics
        seen.update(decay=group["weight_decay"], momentum=group["momentum"], batch=loader.sampler.batch_size, rates=[])
        assert sum(p.numel() for p in group["params"]) == sum(p.numel() for p in network.parameters())
        for _ in range(epochs):
            seen["rates"].append(optimizer.param_groups[0]["lr"])
            for _ in loader:
                optimizer.step()
                schedule.step()
        return []

    monkeypatch.setattr(module, "fit", spy)
    finetune(encoder(), stripes(520, seed=0), stripes(4, seed=1), 2)
    assert (seen["decay"], seen["momentum"], seen["batch"]) == (1e-4, 0.9, 256)
    assert seen["rates"] == pytest.approx([0.025] * 70 + [0.0025] * 20 + [0.00025] * 10)


def test_finetuning_sees_other_crops_at_every_look_and_tests_on_the_whole_image(tiny):
    pictures = [item.path for item in read_split(tiny, "train")[:3]]
    splits = {name: (pictures, np.array([0, 1, 0]), ["dog", "moon"]) for name in ("train", "test")}
    moving, still = finetuning_views(splits, tiny)
    size = tiny.data.image_size
    assert moving[0][0].shape == still[0][0].shape == (3, size, size)
    assert [moving[row][1] for row in range(3)] == [0, 1, 0]
    assert len({moving[0][0].sum().item() for _ in range(8)}) > 4
    assert torch.equal(still[0][0], still[0][0])
