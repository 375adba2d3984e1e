"""Embed the images of a folder once, so that `search` answers at once.

Given again, only new and changed files are embedded, and what is gone is dropped. An image counts as changed when its
size or its time of change is another. Indexes lie below runs/index, or $CLIPLITE_RUNS/index; an image takes less than a
kilobyte in them.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cliplite_core.explore.index import ImageIndex

MODEL_HELP = "directory of a saved model, run directory, or hub id OWNER/NAME"
SHOWN = 10  # images that cannot be read and are named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `index` takes: a model and a folder."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("images", metavar="IMAGES", help="folder of images, at any depth")
    parser.epilog = "example:\n  cliplite index results/flickr8k/model ~/Pictures"


def run(options: argparse.Namespace) -> int:
    """Bring the index of a folder up to date and print what is in it; 1 when an image cannot be read."""
    from cliplite_core.explore.embed import load_searchable
    from cliplite_core.explore.index import update_index

    index = update_index(load_searchable(options.model), options.images)
    print(described(index))
    return int(bool(index.broken))


def described(index: ImageIndex) -> str:
    """Say how many images an index has, how many of them were embedded just now, and which cannot be read."""
    lines = [f"{len(index):,} images in {index.folder}, {index.embedded:,} looked at now"]
    if index.broken:
        lines.append(f"{len(index.broken):,} cannot be read:")
        lines += [f"  {name}: {why}" for name, why in list(index.broken.items())[:SHOWN]]
        lines += [f"  … and {len(index.broken) - SHOWN:,} more"] if len(index.broken) > SHOWN else []
    return "\n".join(lines)
