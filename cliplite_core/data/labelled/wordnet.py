"""Name of classes whose folders are WordNet ids (`n01440764`) or ImageNet's class numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from torchvision.models import ResNet50_Weights

from cliplite_core.data.captions import read_lines
from cliplite_core.storage.places import definition

WNID = re.compile(r"n\d{8}")


@cache
def imagenet_names() -> dict[str, str]:
    """Return the 1000 classes of ILSVRC 2012 by WordNet id, in sorted order, which is the order of class numbers.

    The ids are those of `data/imagenet_wnids.txt`; the names, one per class and all different ("crane" and "crane
    bird"), are the ones torchvision publishes with its ImageNet weights.

    Example:
        >>> list(imagenet_names().items())[:2]
        [('n01440764', 'tench'), ('n01443537', 'goldfish')]
    """
    wnids = definition("imagenet_wnids.txt").read_text(encoding="utf-8").split()
    return dict(zip(wnids, ResNet50_Weights.IMAGENET1K_V2.meta["categories"], strict=True))


def read_words(path: Path) -> dict[str, str]:
    """Read WordNet's `words.txt`: id, tab, synonyms separated by commas.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found, expected lines of a WordNet id, a tab and its synonyms")
    return dict(line.split("\t", 1) for line in read_lines(path) if "\t" in line)


def class_names(folders: Sequence[str], beside: Path) -> list[str]:
    """Turn the names of class folders into words.

    Args:
        folders: WordNet ids, or readable names, whose underscores are read as spaces.
        beside: the folder that holds them. Ids that are not among ImageNet's 1000 are looked up in a `words.txt`
            there or one level above: the first synonym.

    Returns:
        One name per folder.

    Raises:
        FileNotFoundError: an id has no name.

    Example:
        >>> class_names(["n01443537", "n02007558"], Path())
        ['goldfish', 'flamingo']
    """
    if not all(WNID.fullmatch(folder) for folder in folders):
        return [folder.replace("_", " ") for folder in folders]
    names = imagenet_names()
    if unknown := [folder for folder in folders if folder not in names]:
        words = next(
            (place / "words.txt" for place in (beside, beside.parent) if (place / "words.txt").is_file()), None
        )
        names = (read_words(words) if words else {}) | names
        if unknown := [folder for folder in unknown if folder not in names]:
            raise FileNotFoundError(
                f"{beside}: no names for {len(unknown)} classes outside ImageNet's 1000, such as {unknown[0]}; put "
                "WordNet's words.txt (id, tab, synonyms) beside the class folders, or name the folders in words"
            )
    return [names[folder].split(",")[0] for folder in folders]
