"""What a training will take, counted on one small batch before it is started: operations, hours, memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cliplite_core.config import Config
from cliplite_core.data.tokenizer import train_wordpiece
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.objectives import OBJECTIVE_STARTS
from cliplite_core.trainer import training_device

PAIRS = 2  # batch norm needs two
CPU_TFLOPS = 0.05  # what one core sustains at least, in 10¹² operations per second
TIMED = 3  # steps, of which the fastest counts


@dataclass(frozen=True)
class MemoryPlan:
    """What a training holds in memory, in bytes and in float32.

    Attributes:
        parameters: how many are trained, prior matching aside.
        fixed: for every batch size: weights, gradients, the optimiser's state.
        pair_image: what one more pair adds in the image encoder; grows with the area of the image.
        pair_text: what one more pair adds in the text encoder, for the longest caption.
    """

    parameters: int
    fixed: int
    pair_image: int
    pair_text: int

    def gib(self, batch_size: int, area: float = 1.0) -> float:
        """Return the memory of one training step in GiB, the CUDA libraries' own (about one GiB) aside.

        Args:
            batch_size: pairs per step.
            area: of an image, relative to the size planned for: 4 = twice the side.

        Example:
            >>> MemoryPlan(parameters=0, fixed=2**30, pair_image=2**20, pair_text=2**20).gib(512, area=3.0)
            3.0
        """
        return (self.fixed + batch_size * (area * self.pair_image + self.pair_text)) / 2**30


def plan_memory(config: Config) -> MemoryPlan:
    """Count what a training of a configuration holds for its backward pass; the critic's share is too small to matter.

    In bfloat16 the part that grows with the batch is about half of this.

    Args:
        config: the run.

    Returns:
        Its plan, the same on every machine.
    """
    data, optim = config.data, config.optim
    # The weights do not matter here, and of a tokenizer the model asks only how many entries it has.
    model = CLIPLite(config.override(image_weights="", text_weights=""), range(data.vocab_size)).train()
    images = torch.zeros(PAIRS, 3, data.image_size, data.image_size)
    ids = torch.ones(PAIRS, data.max_tokens, dtype=torch.long)
    tokens = {"input_ids": ids, "attention_mask": ids}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    states = (2 if optim.optimizer == "adamw" else bool(optim.momentum)) + bool(optim.lookahead_k)
    return MemoryPlan(
        parameters,
        4 * parameters * (2 + states),  # weights, gradients and states, four bytes per number
        saved_bytes(model, lambda: model.image_features(images)) // PAIRS,
        saved_bytes(model, lambda: model.text_features(tokens)) // PAIRS,
    )


def saved_bytes(network: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Return how many bytes a forward pass keeps for the backward pass, the network's own weights aside.

    Args:
        network: whose parameters do not count.
        forward: computes something with it, gradients on.

    Example:
        >>> network, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.zeros(2, 3)
        >>> saved_bytes(network, lambda: network(x))  # the 2 x 3 inputs and the 2 x 4 outputs of the ReLU
        56
    """
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()  # several tensors may be views of one
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = forward()  # held until all is counted: a freed address would be given out again
    for parameter in network.parameters():
        sizes.pop(parameter.untyped_storage().data_ptr(), None)
    del output
    return sum(sizes.values())


def flops_per_pair(config: Config) -> float:
    """Count the floating-point operations of training on one pair: encoders, critic and priors, forward and backward.

    Args:
        config: the run. A pretrained text encoder counts as a BERT of the configured size, frozen encoders not at all;
            what all-pairs objectives spend on the scores of a batch is left out (notebook 08 measures it).

    Returns:
        Operations per pair; an addition and a multiplication count as two.
    """
    with FlopCounterMode(display=False) as counter:
        _step(config)()
    return counter.get_total_flops() / PAIRS


def sustained_tflops(config: Config) -> float:
    """Measure what this machine sustains in the step that `flops_per_pair` counts, in 10¹² operations per second.

    Two pairs at a time keep a GPU from its best: it will be faster than this by the batch of the run.
    """
    step, seconds = _step(config, training_device()), []
    for _ in range(1 + TIMED):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return PAIRS * flops_per_pair(config) / min(seconds[1:]) / 1e12


def _step(config: Config, device: str | torch.device = "cpu") -> Callable[[], float]:
    """A forward and a backward pass of two pairs, as a function that returns the loss."""
    config = config.override(batch_size=PAIRS, negatives=1, text_weights="", image_weights="")
    ids = torch.ones(PAIRS, config.data.max_tokens, dtype=torch.long)
    images = torch.zeros(PAIRS, 3, config.data.image_size, config.data.image_size)
    tokens = {"input_ids": ids, "attention_mask": ids}
    pretraining = Pretraining(CLIPLite(config, train_wordpiece(["a"], 6)))
    if config.model.frozen:  # what the encoders say was computed before
        images = torch.zeros(PAIRS, pretraining.model.image_encoder.dim)
        tokens = {"features": torch.zeros(PAIRS, pretraining.model.text_encoder.dim)}
    pretraining, images = pretraining.to(device), images.to(device)
    tokens = {name: values.to(device) for name, values in tokens.items()}

    def step() -> float:
        loss = pretraining(images, tokens)["loss"]
        loss.backward()
        return loss.item()  # waits for the device

    return step


@dataclass(frozen=True)
class Resources:
    """What a job asks a cluster for: `gpus` devices, `minutes` and `mem_mb` (MiB of the machine's memory)."""

    gpus: int
    minutes: int
    mem_mb: int


def training_resources(config: Config, tflops: float = 100.0) -> Resources:
    """Return what a training should ask a cluster for: one GPU if a day of one CPU core is not enough, and spare time.

    Args:
        config: the run.
        tflops: what a GPU sustains in training, in 10¹² operations per second.

    Returns:
        Three times the time that the operations take, and half an hour to start; memory of the process, its loader
        processes and, on a CPU, of the step.
    """
    operations = config.train.steps * config.train.batch_size * flops_per_pair(config)
    gpus = int(operations > CPU_TFLOPS * 1e12 * 24 * 3600)
    seconds = operations / ((tflops if gpus else CPU_TFLOPS) * 1e12)
    step = 0.0 if gpus else plan_memory(config).gib(config.train.batch_size)
    return Resources(gpus, 30 + round(3 * seconds / 60), round(1024 * (2 + step)) + 1024 * config.data.workers)


def measuring_resources(config: Config) -> Resources:
    """Return what a notebook or an ablation's evaluation should ask for: a GPU where the training has one.

    Nothing is counted: what is measured is a matter of which sets are there. A notebook of the embedded scenes takes
    minutes, one of the paper's sets hours.
    """
    gpus = training_resources(config).gpus
    return Resources(gpus, 600 if gpus else 60, (16 if gpus else 4) * 1024 + 1024 * config.data.workers)


def plan(config: Config, seeds: int, tflops: float | None, devices: int = 1) -> str:
    """Describe the trainings of a profile with what they cost.

    Args:
        config: the profile.
        seeds: trainings per objective.
        tflops: what the device sustains in training, in 10¹² operations per second. None = as this machine does.
        devices: how many share a training; they are taken never to wait for each other.

    Returns:
        A line on the networks, one per training, and the sum.
    """
    train, model = config.train, config.model
    pairs, each = train.steps * train.batch_size, flops_per_pair(config)
    device = "one device that sustains" if tflops else "this machine, which sustained"
    if devices > 1:
        device = f"{devices} devices, {train.batch_size // devices:,} pairs each, that sustain"
    tflops = tflops or sustained_tflops(config)
    hours = pairs * each / (devices * tflops * 1e12) / 3600
    runs = [(objective, seed) for objective in OBJECTIVE_STARTS for seed in range(seeds)]
    image, frozen = f"{model.image_arch} at {config.data.image_size} px", ", both frozen" if model.frozen else ""
    text = model.text_weights or f"BERT of {model.text_layers} layers, {model.text_hidden} wide"
    lines = [
        f"{config.profile}: {image} and {text}{frozen}: {each / 1e9:.3g} GFLOP per pair",
        *(
            f"  {objective:<8} seed {seed}  {train.steps:,} steps of {train.batch_size:,} pairs = {pairs:,} pairs,"
            f" {pairs * each:.2g} FLOP, {hours:,.2g} h"
            for objective, seed in runs
        ),
        f"a step holds about {plan_memory(config).gib(train.batch_size):.2g} GiB in float32",
        f"{len(runs)} trainings, {len(runs) * hours:,.3g} h on {device} {tflops:.3g} TFLOP/s;"
        f" {'encoding once and ' if model.frozen else ''}evaluations come on top",
    ]
    return "\n".join(lines)
