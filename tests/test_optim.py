"""Optimisation: who learns at which rate, what Lookahead computes, and that it resumes exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cliplite_core.loss import Pretraining
from cliplite_core.optim import Lookahead, build_optimizer, parameter_groups

TARGET = torch.tensor([1.0, -2.0, 3.0])


def gradient(weights: np.ndarray, step: int) -> np.ndarray:
    """Of a quadratic that is shaken a little at each step."""
    return (weights - TARGET.numpy()) * np.array([1.0, 0.5, 0.1]) + 0.1 * np.sin(step)


def take_steps(parameter: nn.Parameter, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        parameter.grad = torch.from_numpy(gradient(parameter.detach().double().numpy(), step)).to(parameter.dtype)
        optimizer.step()


def lookahead_by_hand(steps: int, lr: float, momentum: float, k: int, alpha: float) -> np.ndarray:
    fast, slow, velocity = np.zeros(3), np.zeros(3), np.zeros(3)
    for step in range(steps):
        velocity = momentum * velocity + gradient(fast, step)
        fast = fast - lr * velocity
        if (step + 1) % k == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow.copy()
    return fast


def sgd_lookahead(k: int = 5, alpha: float = 0.5) -> tuple[nn.Parameter, Lookahead]:
    parameter = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    return parameter, Lookahead(torch.optim.SGD([parameter], lr=0.3, momentum=0.9), k, alpha)


@pytest.fixture
def pretraining(model):
    model.config = model.config.override(text_prior=True)
    return Pretraining(model)


def test_every_parameter_is_in_exactly_one_group(pretraining, tiny):
    grouped = [id(parameter) for group in parameter_groups(pretraining, tiny.optim) for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in pretraining.parameters()}


def test_each_part_has_its_rate_and_norms_and_biases_of_the_text_side_no_decay(pretraining, tiny):
    config = tiny.override(image_lr=0.2, text_lr=1e-3, weight_decay=1e-4).optim
    setting = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in parameter_groups(pretraining, config)
        for parameter in group["params"]
    }
    found = {name: setting[id(parameter)] for name, parameter in pretraining.named_parameters()}
    for name in ("conv1.weight", "bn1.weight", "bn1.bias"):
        assert found[f"model.image_encoder.backbone.{name}"] == (0.2, 1e-4)
    bert = "model.text_encoder.bert"
    for name in (
        "embeddings.word_embeddings.weight",
        "encoder.layer.0.attention.self.query.weight",
        "pooler.dense.weight",
    ):
        assert found[f"{bert}.{name}"] == (1e-3, 1e-4)
    for name in ("embeddings.LayerNorm.weight", "encoder.layer.0.attention.self.query.bias", "pooler.dense.bias"):
        assert found[f"{bert}.{name}"] == (1e-3, 0.0)
    critic = "model.critic"
    for name in ("image_block.shortcut.weight", "text_block.nonlinear.0.weight"):
        assert found[f"{critic}.{name}"] == (1e-3, 1e-4)
    for name in (
        "temperature",
        "image_block.norm.weight",
        "text_block.nonlinear.1.weight",
        "image_block.shortcut.bias",
    ):
        assert found[f"{critic}.{name}"] == (1e-3, 0.0)
    assert found["priors.text.l0.weight"] == (1e-3, 1e-4) and found["priors.image.l0.bias"] == (1e-3, 0.0)


def test_frozen_parameters_are_left_out(pretraining, tiny):
    pretraining.model.image_encoder.requires_grad_(False)
    image, weights, others = parameter_groups(pretraining, tiny.optim)
    assert image["params"] == [] and weights["params"] and others["params"]


def test_the_configured_optimiser_is_built(pretraining, tiny):
    adamw = build_optimizer(pretraining, tiny.override(optimizer="adamw", lookahead_k=0).optim)
    assert isinstance(adamw, torch.optim.AdamW)
    lookahead = build_optimizer(pretraining, tiny.override(optimizer="sgd", lookahead_k=5, momentum=0.8).optim)
    assert isinstance(lookahead, Lookahead) and isinstance(lookahead.base, torch.optim.SGD)
    assert [group["momentum"] for group in lookahead.param_groups] == [0.8] * 3


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (1, 0.5), (3, 0.8), (4, 1.0)])
def test_lookahead_is_the_loop_of_its_paper(k, alpha):
    parameter, optimizer = sgd_lookahead(k, alpha)
    take_steps(parameter, optimizer, range(17))
    np.testing.assert_allclose(parameter.detach(), lookahead_by_hand(17, 0.3, 0.9, k, alpha), atol=1e-12)


def test_lookahead_with_alpha_one_is_the_base_optimiser_alone():
    parameter, optimizer = sgd_lookahead(k=3, alpha=1.0)
    plain = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    take_steps(parameter, optimizer, range(10))
    take_steps(plain, torch.optim.SGD([plain], lr=0.3, momentum=0.9), range(10))
    assert torch.equal(parameter, plain)


@pytest.mark.parametrize("done", [3, 5, 7])
def test_lookahead_resumes_exactly_between_and_on_slow_steps(done, tmp_path):
    unbroken, optimizer = sgd_lookahead()
    take_steps(unbroken, optimizer, range(12))
    first, optimizer = sgd_lookahead()
    take_steps(first, optimizer, range(done))
    torch.save({"weights": first.data, "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    resumed, optimizer = sgd_lookahead()
    resumed.data = saved["weights"]
    optimizer.load_state_dict(saved["optimizer"])
    take_steps(resumed, optimizer, range(done, 12))
    assert torch.equal(resumed, unbroken)


def test_a_schedule_on_lookahead_moves_the_rate_of_its_base_also_after_a_resume():
    parameter, optimizer = sgd_lookahead()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    rates = []
    for step in range(4):
        rates.append(optimizer.base.param_groups[0]["lr"])
        take_steps(parameter, optimizer, range(step, step + 1))
        schedule.step()
        optimizer.load_state_dict(optimizer.state_dict())
    assert rates == pytest.approx([0.3, 0.15, 0.1, 0.075])


@pytest.mark.parametrize(("k", "alpha"), [(0, 0.5), (5, 0.0), (5, 1.1)])
def test_lookahead_names_settings_out_of_range(k, alpha):
    with pytest.raises(ValueError, match=f"lookahead_k = {k}, lookahead_alpha = {alpha}"):
        sgd_lookahead(k, alpha)
