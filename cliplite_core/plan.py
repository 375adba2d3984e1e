"""What a profile's trainings will cost, before any data is there: `python -m cliplite_core.plan coco --seeds 3`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from cliplite_core.config import Config, ConfigError, load_profile
from cliplite_core.data.tokenizer import train_wordpiece
from cliplite_core.model import CLIPLite
from cliplite_core.objectives import OBJECTIVE_STARTS
from cliplite_core.pretraining import Pretraining

PROBE = 2  # pairs in the one step that is run to be counted; the encoders' cost grows with their number


def flops_per_pair(config: Config) -> float:
    """Counts the floating-point operations of training on one pair: encoders, critic and priors, forward and backward.

    Args:
        config: the run. A pretrained text encoder counts as a BERT of the configured size; what all-pairs objectives
            spend on the scores of a batch is left out (notebook 08 measures it).

    Returns:
        Operations a pair; an addition and a multiplication count as two.
    """
    config = config.override(batch_size=PROBE, negatives=1, text_weights="", image_weights="")
    ids = torch.ones(PROBE, config.data.max_tokens, dtype=torch.long)
    images = torch.zeros(PROBE, 3, config.data.image_size, config.data.image_size)
    pretraining = Pretraining(CLIPLite(config, train_wordpiece(["a"], 6)))
    with FlopCounterMode(display=False) as counter:
        pretraining(images, {"input_ids": ids, "attention_mask": ids})["loss"].backward()
    return counter.get_total_flops() / PROBE


def plan(config: Config, seeds: int, tflops: float) -> str:
    """Describes the trainings of a profile with what they cost.

    Args:
        config: the profile.
        seeds: trainings per objective.
        tflops: what the device sustains in training, in 10¹² operations a second.

    Returns:
        A line on the networks, one a training, and the sum.
    """
    train, model = config.train, config.model
    pairs, each = train.steps * train.batch_size, flops_per_pair(config)
    hours = pairs * each / (tflops * 1e12) / 3600
    runs = [(objective, seed) for objective in OBJECTIVE_STARTS for seed in range(seeds)]
    image = f"{model.image_arch} at {config.data.image_size} px"
    text = model.text_weights or f"BERT of {model.text_layers} layers, {model.text_hidden} wide"
    lines = [
        f"{config.profile}: {image} and {text}: {each / 1e9:.3g} GFLOP a pair",
        *(
            f"  {objective:<8} seed {seed}  {train.steps:,} steps of {train.batch_size:,} pairs = {pairs:,} pairs,"
            f" {pairs * each:.2g} FLOP, {hours:,.2g} h"
            for objective, seed in runs
        ),
        f"{len(runs)} trainings, {len(runs) * hours:,.3g} h on one device that sustains {tflops:g} TFLOP/s;"
        " evaluations come on top",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the plan of a profile; nothing is read and nothing trained."""
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.plan", description=main.__doc__)
    parser.add_argument("profile", help="name of a profile, or path of a .toml file")
    parser.add_argument("--seeds", type=int, default=1, help="trainings per objective")
    parser.add_argument(
        "--tflops",
        type=float,
        default=100.0,
        help="what your device sustains in training, in TFLOP/s; a third of its data sheet is a first guess",
    )
    options = parser.parse_args(arguments)
    try:
        print(plan(load_profile(options.profile), options.seeds, options.tflops))
    except (ConfigError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
