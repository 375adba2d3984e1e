"""A training step against its bare backbones, and against open_clip's loss on the same encoders if installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import torch
from timing import Options, Row, compare
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import set_seed

from cliplite_core.data.tokenizer import tokenize, train_wordpiece
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.optim import build_optimizer
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.figures import LABELS

CAPTION = "a dog runs after a red ball on the grass"


class OpenClipStep(nn.Module):
    """The same two encoders, projected by a matrix each, under open_clip's loss."""

    def __init__(self, model: CLIPLite, units: int) -> None:
        super().__init__()
        from open_clip.loss import ClipLoss

        self.image_encoder, self.text_encoder, self.loss = model.image_encoder, model.text_encoder, ClipLoss()
        self.image_projection = nn.Linear(model.image_encoder.dim, units, bias=False)
        self.text_projection = nn.Linear(model.text_encoder.dim, units, bias=False)
        self.scale = nn.Parameter(torch.tensor(2.66))

    def forward(self, images: Tensor, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        a = F.normalize(self.image_projection(self.image_encoder(images)), dim=-1)
        b = F.normalize(self.text_projection(self.text_encoder(tokens)), dim=-1)
        return {"loss": self.loss(a, b, self.scale.exp())}


def measure(options: Options) -> list[Row]:
    size, turns = (4, 2) if options.quick else (64, 7)
    config = load_profile("smoke" if options.quick else "flickr8k", optimizer="adamw")
    tokenizer, side = train_wordpiece([CAPTION], 60), config.data.image_size
    images = torch.randn(size, 3, side, side).contiguous(memory_format=torch.channels_last)
    tokens = tokenize(tokenizer, [CAPTION] * size)

    def step_of(training: nn.Module) -> Callable[[], None]:
        training = training.to(memory_format=torch.channels_last).train()
        optimizer = build_optimizer(training, config.optim)

        def step() -> None:
            training(images, tokens)["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    def new_model(objective: str) -> CLIPLite:
        set_seed(0)
        return CLIPLite(config.override(objective=objective), tokenizer)

    bare = new_model("jsd").to(memory_format=torch.channels_last).train()

    def backbones() -> None:
        for encoder, inputs in ((bare.image_encoder, images), (bare.text_encoder, tokens)):
            encoder(inputs).square().mean().backward()
            encoder.zero_grad()

    works = {f"step, {name}": step_of(Pretraining(new_model(objective))) for objective, name in LABELS.items()}
    if find_spec("open_clip"):
        works["step, open_clip's loss"] = step_of(OpenClipStep(new_model("infonce"), config.model.units))
    works["backbones alone, forward and backward"] = backbones
    return compare(f"training step, {size} pairs, {side} px", works, turns, "pairs/s", size)


if __name__ == "__main__":
    for row in measure(Options()):
        print(row)
