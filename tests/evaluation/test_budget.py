"""The memory plan against counts by hand."""

from __future__ import annotations

import pytest
import torch
from tiny import TINY
from torch import nn

from cliplite_core.evaluation.budget import (
    MemoryPlan,
    flops_per_pair,
    measuring_resources,
    plan,
    plan_memory,
    saved_bytes,
    sustained_tflops,
    training_resources,
)
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile


def config(**fields: object):
    return load_profile("smoke", **TINY).override(**fields)


def test_what_a_convolution_a_norm_and_a_relu_keep_is_counted_once():
    network = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).train()
    images = torch.zeros(2, 3, 8, 8)
    # The images, the convolution's output, the norm's output that the ReLU overwrites; two statistics of 4 channels.
    kept = 4 * 2 * 64 * (3 + 4 + 4) + 2 * 4 * 4
    assert saved_bytes(network, lambda: network(images)) == pytest.approx(kept, abs=64)


def test_a_view_and_its_base_count_once_and_weights_do_not_count():
    weight = nn.Linear(10, 10)
    x = torch.zeros(6, 10)
    assert saved_bytes(weight, lambda: weight(x) + weight(x.view(6, 10))) == 4 * 60


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"optimizer": "adamw", "lookahead_k": 0}, 4),  # weight, gradient, two moments
        ({"optimizer": "sgd", "lookahead_k": 0}, 3),
        ({"optimizer": "sgd", "lookahead_k": 5}, 4),
        ({"optimizer": "sgd", "lookahead_k": 0, "momentum": 0.0}, 2),
    ],
)
def test_weights_gradients_and_the_optimisers_state_are_needed_for_any_batch(fields, numbers):
    plan = plan_memory(config(**fields))
    assert plan.fixed == 4 * numbers * plan.parameters


def test_the_parameters_are_the_models(tokenizer):
    plan = plan_memory(config(vocab_size=len(tokenizer)))
    model = CLIPLite(config(), tokenizer)
    assert plan.parameters == sum(p.numel() for p in model.parameters())


def test_the_image_part_grows_with_the_area_and_the_text_part_with_the_length():
    small, large = plan_memory(config()), plan_memory(config(image_size=32, max_tokens=60))
    assert large.pair_image == pytest.approx(4 * small.pair_image, rel=0.1)
    assert large.pair_text > 1.7 * small.pair_text
    assert small.fixed == large.fixed


def test_the_sum_is_in_gib():
    plan = MemoryPlan(parameters=1, fixed=3 * 2**30, pair_image=2**20, pair_text=2**19)
    assert plan.gib(1024) == pytest.approx(3 + 1 + 0.5)
    assert plan.gib(1024, area=0.25) == pytest.approx(3 + 0.25 + 0.5)


def test_the_papers_network_needs_what_is_known_of_it():
    # ResNet-50 at 224 px keeps about 90 MB an image in float32: 22.2 M activations, the inputs of norms beside those of
    # convolutions (https://pytorch.org/vision: 25.6 M parameters with the classifier, 23.5 M without).
    plan = plan_memory(config(image_arch="resnet50", image_width=64, image_stem="imagenet", image_size=224))
    assert 70e6 < plan.pair_image < 110e6
    assert plan.parameters == pytest.approx(23.5e6, rel=0.05)


def test_a_cluster_is_asked_for_a_gpu_where_a_cpu_would_take_days_and_for_time_that_grows_with_the_steps():
    smoke, paper = training_resources(load_profile("smoke")), training_resources(load_profile("cc3m"))
    assert (smoke.gpus, paper.gpus) == (0, 1)
    assert smoke.minutes == 30 and smoke.mem_mb < 4096
    operations = 90_000 * 1024 * flops_per_pair(load_profile("cc3m"))
    assert paper.minutes == 30 + round(3 * operations / 100e12 / 60)
    assert paper.mem_mb == 1024 * (2 + 8), "of the machine: its process and eight loaders; the step is on the GPU"
    assert measuring_resources(load_profile("smoke")).gpus == 0


def test_without_a_device_the_plan_measures_this_machine_and_says_so():
    text = plan(config(), seeds=1, tflops=None)
    assert "on this machine, which sustained" in text and "100 TFLOP/s" not in text
    assert 1e-6 < sustained_tflops(config()) < 1e4


def test_frozen_encoders_cost_no_step_anything():
    linear = flops_per_pair(config(frozen=True, image_prior=False))
    widths = 3 * 2 * 16 * (64 + 16 + 64) + 3 * 2 * 16 * (16 + 16 + 16)  # the critic's layers, forward and backward
    assert linear <= widths < flops_per_pair(config(image_prior=False))
    assert "both frozen" in plan(config(frozen=True), seeds=1, tflops=1.0)
