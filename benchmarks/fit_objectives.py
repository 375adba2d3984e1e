"""Which objective should `cliplite fit` start from? python benchmarks/fit_objectives.py [--seeds 3] [--epochs 20]

Flickr8k's training photos through the frozen encoders of the profile `own`, by `fit`'s own recipe: each objective gets
the same rates to choose from, with its first seed; the better one is run with all seeds. A training keeps the step of
the best recall on dev and ends early, as `fit` does; rates are chosen, and everything is reported, on dev, so the
differences between objectives are what to read, not the levels. Recall is the standard one: any of the five captions
of a photo counts among all 5,000, a caption asks for its photo among 1,000.

Writes results/benchmarks/fit_objectives.md. The encoders' features are computed once (minutes), then a run takes a
minute of one core.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from cliplite_core.config import Config
from cliplite_core.data.own import with_length
from cliplite_core.data.splits import read_split
from cliplite_core.evaluation.retrieval import retrieval_metrics_from_embeddings
from cliplite_core.frozen import encode_once
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile
from cliplite_core.runs import load_run
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import PROJECT

RATES = (1e-3, 2e-3)
WAYS = {
    "JSD, 1 negative (the paper)": {"objective": "jsd", "negatives": 1},
    "JSD, mean over all negatives": {"objective": "jsd", "negatives": 255},
    "InfoNCE": {"objective": "infonce"},
    "sigmoid": {"objective": "sigmoid"},
}
FLICKR8K = {
    "folder": "flickr8k", "captions": "captions.txt", "images": "Images", "val_split": "dev", "test_split": "dev",
    "split_file": "Flickr_8k.{split}Images.txt",
}  # fmt: skip


def recipe(way: str, rate: float, seed: int, epochs: float) -> Config:
    fields = {**WAYS[way], "image_lr": rate, "text_lr": rate, "seed": seed}
    # The number of negatives is checked against the batch: both are set together by the length.
    negatives = {name: fields.pop(name) for name in ("negatives",) if name in fields}
    return with_length(load_profile("own", **FLICKR8K, **fields), epochs, **negatives)


def recall(model: CLIPLite, config: Config) -> dict[str, float]:
    """R@k in percent on the validation split, mean of both directions."""
    items = read_split(config, config.data.val_split)
    pictures, captions = (torch.from_numpy(np.array(features)) for features in encode_once(model, items))
    owner = np.repeat(np.arange(len(items)), [len(item.captions) for item in items])
    with torch.no_grad():
        embedded = model.encode_image(pictures), model.encode_text({"features": captions})
    found = retrieval_metrics_from_embeddings(*embedded, owner)
    return {name: 50 * (found["image_to_text"][name] + found["text_to_image"][name]) for name in ("R@1", "R@5", "R@10")}


def trained(config: Config) -> dict[str, float]:
    """The recall of a run's kept step; it is trained first."""
    return recall(load_run(config), config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--epochs", type=float, default=20, help="default: %(default)s")
    options = parser.parse_args()
    lines = [
        "| objective | rate | R@1 (%) | R@5 (%) | R@10 (%) | R@10 of each seed | R@10 at the other rate |",
        "|:--|--:|--:|--:|--:|:--|--:|",
    ]
    for way in WAYS:
        trials = {rate: trained(recipe(way, rate, 0, options.epochs)) for rate in RATES}
        best = max(RATES, key=lambda rate: sum(trials[rate].values()))
        more = [trained(recipe(way, best, seed, options.epochs)) for seed in range(1, options.seeds)]
        found = [trials[best], *more]
        means = " | ".join(f"{np.mean([one[name] for one in found]):.1f}" for name in found[0])
        each = ", ".join(f"{one['R@10']:.1f}" for one in found)
        others = ", ".join(f"{trials[rate]['R@10']:.1f}" for rate in RATES if rate != best)
        lines.append(f"| {way} | {best:g} | {means} | {each} | {others} |")
        print(lines[-1], flush=True)
    what = __doc__.split("\n\n")[1]
    text = f"# Objectives of `cliplite fit`\n\n{what}\n\n" + "\n".join(lines)
    write_text(
        PROJECT / "results" / "benchmarks" / "fit_objectives.md", f"{text}\n\n{options.epochs:g} epochs at most.\n"
    )


if __name__ == "__main__":
    main()
