"""What bounds a training step: python benchmarks/step.py PROFILE

Images a second of the loader alone, of each bare encoder's forward and backward pass, of a whole step on a batch that
is ready, and of loading and stepping in one process. The parts are timed in turns and the fastest turn of each counts,
on the device that training would use; the table goes to `results/PROFILE/tables/throughput`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor, nn

from cliplite_core.config import Config
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import load_tokenizer, train_wordpiece
from cliplite_core.loss import Pretraining
from cliplite_core.model import CLIPLite
from cliplite_core.optim import build_optimizer
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.figures import LABELS
from cliplite_core.reporting.tables import save_table

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def forward_and_backward(encoder: nn.Module, inputs: Tensor | dict[str, Tensor]) -> Callable[[], None]:
    def work() -> None:
        encoder(inputs).square().mean().backward()
        encoder.zero_grad()

    return work


def whole_step(config: Config, pretraining: Pretraining) -> Callable[[Tensor, dict[str, Tensor]], None]:
    optimizer = build_optimizer(pretraining, config.optim)

    def work(images: Tensor, tokens: dict[str, Tensor]) -> None:
        pretraining(images, tokens)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()

    return work


def parts(config: Config, images: int) -> dict[str, Callable[[], object]]:
    """One call of each is one batch."""
    items = read_split(config, config.data.train_split)[:images]
    texts = [caption for item in items for caption in item.captions]
    name, longest = config.data.tokenizer, config.data.max_tokens
    tokenizer = load_tokenizer(name, longest) if name else train_wordpiece(texts, config.data.vocab_size, longest)
    order = PairBatches(len(items), config.train.batch_size, seed=0)
    batches = iter(pair_loader(CaptionPairs(items, config.data, seed=0), order, tokenizer, config.data.workers))
    for _ in range(len(items) // config.train.batch_size):
        next(batches)  # fills the profile's cache of images, which all epochs but the first find filled

    def loaded() -> tuple[Tensor, dict[str, Tensor]]:
        photos, tokens = next(batches)
        return photos.to(DEVICE, memory_format=torch.channels_last), {k: v.to(DEVICE) for k, v in tokens.items()}

    ready = loaded()
    models = {}
    for objective in LABELS:
        of_objective = config.override(objective=objective)
        torch.manual_seed(0)
        pretraining = Pretraining(CLIPLite(of_objective, tokenizer)).to(DEVICE, memory_format=torch.channels_last)
        models[objective] = pretraining.train(), whole_step(of_objective, pretraining)
    model, step = models["jsd"][0].model, models["jsd"][1]
    return {
        "loader alone": loaded,
        "image encoder, forward and backward": forward_and_backward(model.image_encoder, ready[0]),
        "text encoder, forward and backward": forward_and_backward(model.text_encoder, ready[1]),
        **{f"step on a ready batch, {LABELS[o]}": (lambda own=own: own(*ready)) for o, (_, own) in models.items()},
        "loader and step, CLIP-Lite (JSD)": lambda: step(*loaded()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile")
    parser.add_argument("--images", type=int, default=512, help="at most this many (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=10, help="default: %(default)s")
    options = parser.parse_args()
    config = load_profile(options.profile)
    works = parts(config, options.images)
    fastest = {name: min(seconds(work) for _ in range(2)) for name, work in works.items()}  # warms up, too
    for _ in range(options.turns):
        for name, work in works.items():
            fastest[name] = min(fastest[name], seconds(work))
    whole = fastest["loader and step, CLIP-Lite (JSD)"]
    lines = [
        {
            "part": name,
            "images per second": f"{config.train.batch_size / taken:,.0f}",
            "share of loading and stepping (%)": f"{100 * taken / whole:.0f}",
        }
        for name, taken in fastest.items()
    ]
    threads = f"{torch.get_num_threads()} thread" + "s" * (torch.get_num_threads() > 1)
    print(f"{options.profile} on {DEVICE}, {threads}, batches of {config.train.batch_size}")
    print(save_table(pd.DataFrame(lines), "throughput", options.profile).to_string(index=False))


if __name__ == "__main__":
    main()
