"""How much memory there is, a step took, and a run will take at the least."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:  # most who ask for memory do without torch
    from torch import nn

    from cliplite_core.config import Config


def machine_memory_gib() -> float:
    """Return the memory of this machine, in GiB, whoever uses it."""
    return psutil.virtual_memory().total / 2**30


def expect_memory(model: nn.Module, config: Config) -> None:
    """Check that a machine of this size can hold a run built from scratch, before anything is allocated.

    Counted is what is there at the least: weights, gradients, one state of the optimiser, a batch of images and the
    first layer's output, in float32.

    Args:
        model: a `CLIPLite` on the device "meta", which has shapes and no memory.
        config: its run.

    Raises:
        ValueError: it cannot; the message names the field behind the largest part.
    """
    import torch

    side, width, pairs = config.data.image_size, config.model.image_width, config.train.batch_size
    parts = {"image_width": model.image_encoder, "text_hidden": model.text_encoder, "units": model.critic}
    numbers = {name: 3 * sum(value.numel() for value in part.parameters()) for name, part in parts.items()}
    numbers["image_size"] = pairs * (3 * side**2 + width * (side // 2) ** 2)
    needed, there = sum(numbers.values()) * 4 / 2**30, machine_memory_gib()
    if needed > there and not torch.accelerator.is_available():
        name = max(numbers, key=numbers.__getitem__)
        value = getattr(config.data if name == "image_size" else config.model, name)
        raise ValueError(
            f"{name}: got {value}, with which this run takes more than {needed:,.0f} GiB of memory, expected less than "
            f"the {there:,.0f} GiB there are; lower it, or batch_size = {pairs}"
        )


def peak_memory_gib(children: bool = False) -> float | None:
    """Return the largest resident memory so far.

    Args:
        children: of this process's finished children (a notebook's kernel) instead of its own.

    Returns:
        GiB, or None on Windows, which does not keep it.
    """
    if sys.platform == "win32":
        return None
    import resource  # does not exist on Windows

    usage = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss
    return round(usage / 2 ** (30 if sys.platform == "darwin" else 20), 2)  # bytes on macOS, KiB elsewhere
