"""Find the images of a folder that are nearest to words, or to another image; prints cosines and paths.

The folder's index is brought up to date first, see `cliplite index`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cliplite_core.commands.index import MODEL_HELP, described
from cliplite_core.commands.overrides import parse_assignments, take

if TYPE_CHECKING:
    import numpy as np

    from cliplite_core.model import CLIPLite

EPILOG = """
images=FOLDER      where to search; left out = the folder that was last indexed with this model
k=10               images to find
approximate=no     "yes" = search by FAISS (pip install faiss-cpu): for many millions of images

example:
  cliplite search results/flickr8k/model "two dogs on a beach" images=~/Pictures --sheet found.png"""
GIVEN = ("images", "k", "approximate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `search` takes: a model, words or an image, where to search and how much to find."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("words", metavar="WORDS", nargs="?", default="", help="what to look for, in quotes")
    parser.add_argument("assignments", metavar="NAME=VALUE", nargs="*", default=[], help="images, k, approximate")
    parser.add_argument("--image", type=Path, metavar="FILE", help="look for images like this one, in place of WORDS")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also draw what was found: .png, .jpg, .pdf or .svg")
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Search, print one line per image, best first, and draw them if asked to."""
    words, assignments = options.words, options.assignments
    if words.partition("=")[0] in GIVEN and "=" in words:
        words, assignments = "", [words, *assignments]
    values = parse_assignments(assignments)
    given = take(values, "search", images="", k=10, approximate="no")
    if values:
        raise ValueError(f"search: unknown parameter {next(iter(values))!r}; there are: {', '.join(GIVEN)}")
    if bool(words.strip()) == bool(options.image):
        raise ValueError('search: expected either WORDS, such as "two dogs on a beach", or --image FILE')
    if given["approximate"] not in ("yes", "no"):
        raise ValueError(f"approximate: got {given['approximate']!r}, expected yes or no")

    from cliplite_core.explore.embed import load_searchable
    from cliplite_core.explore.index import latest_index, update_index
    from cliplite_core.explore.sheet import check_sheet, write_sheet

    if options.sheet:
        check_sheet(options.sheet)  # before any work
    model = load_searchable(options.model)
    query = _query(model, words, options.image)
    folder = Path(given["images"]).expanduser() if given["images"] else latest_index(model)
    index = update_index(model, folder)
    if index.embedded or index.broken:
        print(described(index), file=sys.stderr)
    rows, cosines = index.search(query, given["k"], given["approximate"] == "yes")
    found = [(folder / index.names[row], float(cosine)) for row, cosine in zip(rows[0], cosines[0], strict=True)]
    for path, cosine in found:
        print(f"{cosine:6.3f}  {path}")
    if options.sheet:
        write_sheet(options.sheet, found, words or f"like {options.image.name}")
        print("drawn:", options.sheet)
    return 0


def _query(model: CLIPLite, words: str, image: Path | None) -> np.ndarray:
    from cliplite_core.explore.embed import embed_images, embed_texts
    from cliplite_core.explore.words import expect_known_words

    if image is None:
        expect_known_words(model.tokenizer, [words])
        return embed_texts(model, [words])
    query, (why,) = embed_images(model, [image.expanduser()])
    if why:
        raise ValueError(f"{image}: {why}; expected an image file")
    return query
