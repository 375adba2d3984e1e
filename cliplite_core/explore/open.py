"""From what a reader names (a profile, or a model, a folder and a list of sentences) to an `Explorer`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.splits import read_split
from cliplite_core.explore.embed import load_searchable
from cliplite_core.explore.explorer import Explorer
from cliplite_core.explore.index import update_index
from cliplite_core.profiles import load_profile
from cliplite_core.runs import train
from cliplite_core.scenes.generate import compose_scenes
from cliplite_core.storage.places import definition

AT_MOST = 2000  # sentences a picture is described with


def open_explorer(profile: str, model: str = "", images: str = "", sentences: str = "") -> Explorer:
    """Load a model, bring its index of the pictures up to date and read the sentences.

    Args:
        profile: name of a profile, or path of a .toml file; its model is trained first if need be.
        model: a saved model in place of the profile's, as for `CLIPLite.load`; its own data in place of the profile's.
        images: folder of one's own pictures. "" = that of the test split.
        sentences: text file with one sentence per line. "" = the captions of the test split; beside pictures of one's
            own where that is not there, everyday sentences that come with the project.

    Raises:
        FileNotFoundError, ValueError: a part is not there or broken; one line names it.
    """
    searchable = load_searchable(model or train(load_profile(profile)))
    config = searchable.config if model else load_profile(profile)
    try:
        if model:
            _expect_below_the_root(config)
        if not images:
            compose_scenes(config)
        split = read_split(config, config.data.test_split)
    except FileNotFoundError:
        if not images:
            raise
        split = []
    folder = Path(images).expanduser() if images else Path(os.path.commonpath([item.path.parent for item in split]))
    return Explorer(searchable, update_index(searchable, folder), _sentences(sentences, split))


def example_sentences(sentences: Sequence[str], k: int = 5, most: int = 40) -> list[str]:
    """Choose short sentences to begin with, spread evenly over a list.

    Args:
        sentences: M sentences.
        k: how many.
        most: letters; longer sentences are taken only where all are longer.

    Example:
        >>> example_sentences(["a cat", "a dog", "a cow", "a" * 50, "a car"], k=2)
        ['a cat', 'a car']
    """
    short = [sentence for sentence in sentences if len(sentence) <= most] or list(sentences)
    return [short[row] for row in np.unique(np.linspace(0, len(short) - 1, min(k, len(short))).round().astype(int))]


def _expect_below_the_root(config: Config) -> None:
    """Raise a FileNotFoundError where a model, which may come from anywhere, names data elsewhere on the machine."""
    for field in ("folder", "captions", "images", "split_file"):
        name = getattr(config.data, field)
        if Path(name).anchor or ".." in Path(name).parts:
            raise FileNotFoundError(
                f"the model's config.json: {field}: found {name!r}, which leads out of the data root; "
                "give a folder of pictures: images=FOLDER"
            )


def _sentences(path: str, split: Sequence[CaptionedImage]) -> list[str]:
    if path or not split:
        file = Path(path).expanduser() if path else definition("everyday_sentences.txt")
        if not file.is_file():
            raise FileNotFoundError(f"{file} not found; expected a text file with one sentence per line")
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        found = [line for line in lines if line]
        if not found:
            raise ValueError(f"{file}: no sentence, expected one per line")
    else:
        found = [caption for item in split for caption in item.captions]
    return list(dict.fromkeys(found))[:AT_MOST]
