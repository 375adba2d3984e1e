"""Parameter groups and Lookahead (paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from cliplite_core.config import OptimConfig


def parameter_groups(module: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """Split parameters by learning rate and decay: image encoder; the rest; the rest's norms and biases, undecayed.

    Args:
        module: a `Pretraining` (parameters of the image encoder have `image_encoder` in their names).
        config: learning rates and weight decay.

    Returns:
        Three groups for a torch optimiser, every trainable parameter in exactly one.
    """
    image, weights, others = [], [], []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if ".image_encoder." in f".{name}":
            image.append(parameter)
        else:
            (weights if parameter.ndim >= 2 else others).append(parameter)
    return [
        {"params": image, "lr": config.image_lr, "weight_decay": config.weight_decay},
        {"params": weights, "lr": config.text_lr, "weight_decay": config.weight_decay},
        {"params": others, "lr": config.text_lr, "weight_decay": 0.0},
    ]


def build_optimizer(module: nn.Module, config: OptimConfig) -> Optimizer:
    """Build SGD or AdamW over the parameter groups, inside Lookahead if `lookahead_k` > 0.

    Args:
        module: a `Pretraining`.
        config: the optimiser's section of the configuration.

    Returns:
        The optimiser.
    """
    groups = parameter_groups(module, config)
    adamw = config.optimizer == "adamw"
    optimizer = AdamW(groups) if adamw else SGD(groups, lr=config.image_lr, momentum=config.momentum)
    return Lookahead(optimizer, config.lookahead_k, config.lookahead_alpha) if config.lookahead_k else optimizer


class Lookahead(Optimizer):
    """k steps of a base optimiser, then the slow weights move by alpha towards the fast ones (Zhang 2019).

    The state holds the slow weights and the count, so a resumed run continues exactly; the release drops both.

    Args:
        base: the optimiser of the fast weights.
        k: fast steps per slow step, >= 1.
        alpha: step of the slow weights, in (0, 1]; 1 = the base optimiser alone.
    """

    def __init__(self, base: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if k < 1 or not 0 < alpha <= 1:
            raise ValueError(f"got lookahead_k = {k}, lookahead_alpha = {alpha}; expected k >= 1, alpha in (0, 1]")
        super().__init__(base.param_groups, base.defaults)
        self.base, self.k, self.alpha, self.count = base, k, alpha, 0
        self.slow = [parameter.detach().clone() for parameter in self._parameters()]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one fast step, and every k-th time a slow one; the fast weights restart from the slow."""
        loss = self.base.step(closure)
        self.count += 1
        if self.count % self.k == 0:
            for slow, fast in zip(self.slow, self._parameters(), strict=True):
                slow.lerp_(fast, self.alpha)
                fast.copy_(slow)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the base optimiser's state, the slow weights and the count."""
        return {"base": self.base.state_dict(), "slow": self.slow, "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.base.load_state_dict(state_dict["base"])
        self.param_groups = self.base.param_groups
        self.count = state_dict["count"]
        for slow, saved in zip(self.slow, state_dict["slow"], strict=True):
            slow.copy_(saved)

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.base.param_groups for parameter in group["params"]]
