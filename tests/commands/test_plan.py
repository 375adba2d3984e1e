"""The plan's cost is a count of the very step that is trained, and its arithmetic can be done by hand."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cliplite_core.__main__ import main
from cliplite_core.encoders import ImageEncoder
from cliplite_core.evaluation.budget import flops_per_pair, plan
from cliplite_core.profiles import load_profile


def hand_count(module: nn.Module, *inputs: torch.Tensor) -> float:
    """Forward and backward of every convolution and linear layer: 2 · multiplications, three times."""
    total = []

    def count(layer, _, output):
        weights = layer.weight[0].numel()  # multiplications an output value
        total.append(3 * 2 * weights * output.numel())

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    return sum(total)


def test_the_counter_agrees_with_a_count_by_hand():
    encoder, images = ImageEncoder("resnet10", 16, "small"), torch.zeros(2, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        encoder(images).sum().backward()
    first = 2 * encoder.backbone.conv1.weight[0].numel() * 2 * 16 * 16 * 16  # no gradient for the images themselves
    assert counter.get_total_flops() == pytest.approx(hand_count(encoder, images) - first, rel=0.02)


def test_cost_a_pair_grows_with_the_image_and_not_with_the_batch():
    small, large = (load_profile("smoke", image_size=side) for side in (32, 64))
    assert flops_per_pair(large) > 2 * flops_per_pair(small)
    assert flops_per_pair(small.override(batch_size=64)) == flops_per_pair(small)


def test_the_plan_multiplies_pairs_by_their_cost(capsys):
    config = load_profile("smoke")
    text = plan(config, seeds=2, tflops=1e-3)
    hours = 60 * 32 * flops_per_pair(config) / 1e9 / 3600
    assert f"6 trainings, {6 * hours:,.3g} h" in text and "60 steps of 32 pairs = 1,920 pairs" in text
    assert main(["plan", "smoke", "seeds=2", "tflops=0.001"]) == 0
    assert capsys.readouterr().out == text + "\n"
    assert main(["plan", "smoke", "batch_size=64", "tflops=1"]) == 0  # an int is a number, too
    assert "steps of 64 pairs" in capsys.readouterr().out
    assert main(["plan", "smokke"]) == 2


def test_several_devices_share_a_training(capsys):
    config = load_profile("smoke")
    hours = 3 * 60 * 32 * flops_per_pair(config) / 8 / 1e6 / 3600
    assert f"3 trainings, {hours:,.3g} h on 8 devices" in plan(config, seeds=1, tflops=1e-6, devices=8)
    assert main(["plan", "smoke", "devices=8", "tflops=100"]) == 0
    assert "on 8 devices, 4 pairs each, that sustain 100 TFLOP/s" in capsys.readouterr().out
