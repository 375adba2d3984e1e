"""Measure a model on given pairs, without training: recall with its interval, and what guessing would give."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from cliplite_core.commands.fit import add_pairs
from cliplite_core.commands.overrides import parse_assignments, take
from cliplite_core.config import ConfigError

SPLITS = ("all", "train", "val", "test")
EPILOG = """
split=all     all images are the gallery; or split=train, val or test: those that `cliplite fit` takes for it

example:
  cliplite evaluate mymodel captions.csv photos/ split=test"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `evaluate` takes: a model, captions, images, and which of them."""
    parser.add_argument("model", metavar="MODEL", help="folder of a model, of a run, or hub id OWNER/NAME")
    add_pairs(parser)
    parser.add_argument("assignments", metavar="NAME=VALUE", nargs="*", default=[], help="as below")
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Print the recall of a model among given images and their captions."""
    values = parse_assignments(options.assignments)
    split = take(values, "evaluate", split="all")["split"]
    if values or split not in SPLITS:
        wrong = next(iter(values), None) or f"split={split}"
        raise ConfigError(f"{wrong}: expected split={' or '.join(SPLITS)}")

    from cliplite_core.data.own import fingerprint_pairs, own_config, own_pairs
    from cliplite_core.data.presence import lost_images
    from cliplite_core.data.shards import ShardedPairs
    from cliplite_core.data.splits import read_split
    from cliplite_core.evaluation.own_pairs import measure_pairs
    from cliplite_core.explore.words import unknown_captions
    from cliplite_core.model import CLIPLite
    from cliplite_core.reporting.card import recall_lines
    from cliplite_core.storage.notes import note

    left_out: Counter[str] = Counter()
    pairs = own_pairs(options.captions, options.images, left_out)
    if not isinstance(pairs, ShardedPairs) and (lost := lost_images([pair.path for pair in pairs])):
        raise FileNotFoundError(f"{options.captions}: {lost}")
    if found := [f"{kind} ({count:,})" for kind, count in left_out.items() if count]:
        note(f"{options.captions}: left out: {', '.join(found)}")
    model = CLIPLite.load(options.model)
    seen = _fitted_on(options.model) == fingerprint_pairs(pairs)
    if split != "all":
        pairs = read_split(own_config(options.captions, options.images, "own", 1), split)
    elif len(pairs) < 2:
        raise ValueError(f"{options.captions}: found {len(pairs)} images with captions, expected at least 2")
    captions = [caption for pair in pairs for caption in pair.captions]
    if unknown := unknown_captions(model.tokenizer, captions):
        note(
            f"{options.captions}: the model knows no word of {unknown:,} of {len(captions):,} captions, and can only "
            "guess their images"
        )
    found = measure_pairs(model, pairs)
    print(
        f"{options.model}: {found['images']:,} images, {found['captions']:,} captions (at most five of each), {split}\n"
    )
    print(recall_lines(found["recall"]))
    if seen and split in ("all", "train"):
        print("\nThe model was fitted on these pairs: what it has seen it remembers. split=test are those it has not.")
    return 0


def _fitted_on(model: str) -> str | None:
    """The fingerprint of the pairs that a model was fitted on, where it says so."""
    from cliplite_core.storage.weights import find_model

    try:
        return json.loads((find_model(model) / "metrics.json").read_text(encoding="utf-8"))["data"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
