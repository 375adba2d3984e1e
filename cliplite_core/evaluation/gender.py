"""Gender labels from captions, and the captions of the bias experiment (paper, bias; Zhao et al. 2017).

A label says which word annotators used. It is not the gender of the person, and people whose captions avoid
such words, or use both, have none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage, read_json
from cliplite_core.data.splits import data_folder, read_people, read_split
from cliplite_core.storage.places import DEFINITIONS, data_root

if TYPE_CHECKING:
    from cliplite_core.scenes.vocabulary import Activity


@dataclass(frozen=True, eq=False)
class People:
    """Images whose captions name one gender.

    Attributes:
        images: n of them, in the order of their file.
        gender: "man" or "woman" of each, shape (n,), strings.
        source: the captions file; that of composed scenes holds the truth as well.
    """

    images: list[CaptionedImage]
    gender: np.ndarray
    source: Path


@dataclass(frozen=True, eq=False)
class Wording:
    """The sentences of the experiment.

    Attributes:
        pairs: P pairs ("a man …", "a woman …") that define the direction.
        queries: Q sentences "a person …" that name no gender.
        lean: shape (Q,), 1 where the query's activity is shown mostly by men in training, -1 where by women. None = it
            is not known.
    """

    pairs: list[tuple[str, str]]
    queries: list[str]
    lean: np.ndarray | None = None


def find_people(config: Config) -> dict[str, People]:
    """Read the images of people, those that are measured and those that directions and erasers are fitted to.

    Args:
        config: `people` of its `evaluation` section names the measured ones; the others are from the training split.

    Returns:
        "measured" and "training", without the images whose captions name both genders or none.

    Raises:
        FileNotFoundError, ValueError: as `read_people` and `read_split`.
    """
    people, captions = config.evaluation.people, config.data.captions
    files = {
        split: data_folder(config) / captions.replace("{split}", split) for split in (people, config.data.train_split)
    }
    measured = data_root() / people if people.endswith(".json") else files[people]
    return {
        "measured": _labelled(read_people(config), measured),
        "training": _labelled(read_split(config, config.data.train_split), files[config.data.train_split]),
    }


def _labelled(images: Iterable[CaptionedImage], source: Path) -> People:
    found = [(image, gender_from_captions(image.captions)) for image in images]
    found = [(image, gender) for image, gender in found if gender]
    return People([image for image, _ in found], np.array([gender for _, gender in found]), source)


def gender_follows(people: People, activities: Mapping[str, Activity]) -> float:
    """Return how often gender is the one that the activity leans to, by the truth that composed scenes come with.

    Args:
        people: from `find_people`.
        activities: name = activity, from `scenes.vocabulary`.

    Returns:
        A share in [0, 1]; one half where gender and activity are independent.

    Raises:
        ValueError: a caption contradicts the truth, or the file holds none.
    """
    try:
        truth = {entry["id"]: entry for entry in read_json(people.source, "the captions of composed scenes")["images"]}
        entries = [truth[image.image_id] for image in people.images]
        wrong = [entry["id"] for entry, said in zip(entries, people.gender, strict=True) if entry["gender"] != said]
        follows = [activities[entry["activity"]].leans == entry["gender"] for entry in entries]
    except KeyError as error:
        raise ValueError(f"{people.source}: no truth of composed scenes, {error} is missing") from error
    if wrong:
        raise ValueError(f"{people.source}: captions contradict the truth in {len(wrong)} images, first {wrong[0]}")
    return float(np.mean(follows))


def gender_from_captions(captions: Iterable[str], words: Mapping[str, frozenset[str]] | None = None) -> str | None:
    """Label an image by its captions, with the rule of Zhao et al. 2017.

    Args:
        captions: All captions of one image.
        words: Words of "man" and of "woman" in lower case; None takes `gender_words("zhao2017")`.

    Returns:
        "man" if any caption has a word of that list and none a word of the other, "woman" likewise, None if
        the captions have words of both lists or of neither.

    Example:
        >>> gender_from_captions(["A man's bicycle.", "A person rides past a man-made lake."])
        'man'
        >>> gender_from_captions(["A man on a bench.", "A woman with a dog."]) is None
        True
    """
    words = gender_words() if words is None else words
    # A hyphenated compound is one word, other than for the tokenizer: "man-made" names no man.
    found = {word for caption in captions for word in re.findall(r"\w+(?:-\w+)*", caption.lower())}
    named = [gender for gender, names in words.items() if found & names]
    return named[0] if len(named) == 1 else None


@cache
def gender_words(name: str = "zhao2017", path: Path = DEFINITIONS / "gender_words.json") -> dict[str, frozenset[str]]:
    """Read a list of gendered words.

    Args:
        name: "zhao2017" (man, woman) or "extended" (with plurals, kinship, pronouns).
        path: JSON file of named lists.

    Returns:
        {"man": words, "woman": words}, in lower case.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It has no list of that name.
    """
    lists = _read(path)
    if name not in lists:
        raise ValueError(f"{path}: found the lists {sorted(set(lists) - {'description'})}, expected {name!r}")
    return {gender: frozenset(words) for gender, words in lists[name].items()}


def definitional_pairs(contexts: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Caption pairs that differ in gender alone, from which `concept_direction` is computed.

    Args:
        contexts: Continuations such as "playing golf"; None takes those of data/neutral_queries.json.

    Returns:
        One ("a man …", "a woman …") per context.

    Example:
        >>> definitional_pairs(["playing golf"])
        [('a man playing golf', 'a woman playing golf')]
    """
    return list(zip(*(_captions(noun, contexts, "definitional") for noun in ("man", "woman")), strict=True))


def neutral_queries(contexts: Sequence[str] | None = None) -> list[str]:
    """Queries that name no gender, for `alignment` and `skew_at_k`.

    Args:
        contexts: As for `definitional_pairs`.

    Returns:
        One "a person …" per context.

    Example:
        >>> neutral_queries(["playing golf"])
        ['a person playing golf']
    """
    return _captions("person", contexts, "queries")


def photo_wording() -> Wording:
    """Return the sentences for photos, those of data/neutral_queries.json; what training made of them is not known."""
    return Wording(definitional_pairs(), neutral_queries())


def scene_wording(
    activities: Mapping[str, Activity], positions: Mapping[str, Sequence[str]], places: Mapping[str, Sequence[str]]
) -> Wording:
    """Return the sentences for composed scenes, in their own words; pairs and queries share no activity and no place.

    Args:
        activities: name = activity, from `scenes.vocabulary`.
        positions: name = phrases such as "on the left", which continue the pairs.
        places: background = phrases such as "on the grass", of which the first continues the queries.

    Returns:
        A pair per position and one without; a query per activity and place, and one per activity alone.
    """
    contexts = ["", *(phrase for phrases in positions.values() for phrase in phrases)]
    backgrounds = ["", *(phrases[0] for phrases in places.values())]
    queried = [f"{activity.phrase} {place}".strip() for activity in activities.values() for place in backgrounds]
    lean = [1 if activity.leans == "man" else -1 for activity in activities.values()]
    return Wording(definitional_pairs(contexts), neutral_queries(queried), np.repeat(lean, len(backgrounds)))


def _captions(noun: str, contexts: Sequence[str] | None, default: str) -> list[str]:
    contexts = _read(DEFINITIONS / "neutral_queries.json")[default] if contexts is None else contexts
    return [f"a {noun} {context}".strip() for context in contexts]


def _read(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"no word list {path}; it is part of the source tree: install with `pip install -e .`")
    return json.loads(path.read_text(encoding="utf-8"))
