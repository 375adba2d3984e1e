"""Name an image by the one of several words that fits best, without having trained on them ("zero-shot").

Prints the cosine of the image with each name's prompts, best first. What comes out depends on the rivals: the first is
the best of the names that were given, which need not be a good one.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from cliplite_core.commands.index import MODEL_HELP
from cliplite_core.commands.overrides import parse_assignments, take

EPILOG = """
prompts=ensemble   a set of data/prompts.json, each with {} for the name; "paper" is the prompt as published

example:
  cliplite name results/flickr8k/model photo.jpg "cat" "dog" "bicycle"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `name` takes: a model, an image and at least two names."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("image", metavar="IMAGE", type=Path, help="an image file")
    parser.add_argument("names", metavar="NAME", nargs="+", help="names to choose from; or prompts=SET")
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Print one line per name, best first."""
    words = [word for word in options.names if word.startswith("prompts=")]
    names = [word.strip() for word in options.names if word not in words]
    kind = take(parse_assignments(words), "name", prompts="ensemble")["prompts"]
    if wrong := [word for word in names if re.match(r"[a-z_]+=", word)]:
        raise ValueError(f"name: unknown parameter {wrong[0].partition('=')[0]!r}; there is: prompts")
    if len(names) < 2 or not all(names):
        raise ValueError(f"name: got {len(names)} names, expected at least two, none of them empty")

    from cliplite_core.evaluation.zero_shot import load_prompts
    from cliplite_core.explore.embed import load_searchable
    from cliplite_core.explore.naming import name_image

    prompts, _ = load_prompts()
    if kind not in prompts:
        raise ValueError(f"prompts: got {kind!r}, expected one of {', '.join(prompts)}")
    for name, cosine in name_image(load_searchable(options.model), options.image, names, prompts[kind]):
        print(f"{cosine:6.3f}  {name}")
    return 0
