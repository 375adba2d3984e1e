"""What a scene may show: the concepts and activities of data/*.csv, skin tones and backgrounds."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cliplite_core.storage.places import DEFINITIONS

GENDERS = ("woman", "man")
PERSON = "person"
SKIN_TONES = {
    "light": "\U0001f3fb",
    "medium-light": "\U0001f3fc",
    "medium": "\U0001f3fd",
    "medium-dark": "\U0001f3fe",
    "dark": "\U0001f3ff",
}


@dataclass(frozen=True)
class Concept:
    """One kind of object: its English noun, emoji, broader category and interchangeable nouns."""

    name: str
    emoji: str
    category: str
    synonyms: tuple[str, ...]

    @property
    def nouns(self) -> tuple[str, ...]:
        """The name followed by its synonyms."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class Activity:
    """One thing a person does, drawn once as a man and once as a woman."""

    name: str
    emoji_man: str
    emoji_woman: str
    phrase: str  # completes "a person who is …"
    role: str  # gender-neutral noun, completes "a …"
    leans: str  # the gender that the planted correlation favours

    def emoji(self, gender: str, skin_tone: str) -> str:
        """Emoji of this activity for a gender of `GENDERS` and a tone of `SKIN_TONES`."""
        plain = self.emoji_woman if gender == "woman" else self.emoji_man
        # The tone follows the first code point and takes the place of its variation selector.
        return plain[0] + SKIN_TONES[skin_tone] + plain[1:].removeprefix("\ufe0f")


@dataclass(frozen=True)
class Background:
    """A named backdrop: RGB at the top and bottom edge, and the gender the planted correlation favours."""

    top: tuple[int, int, int]
    bottom: tuple[int, int, int]
    leans: str


BACKGROUNDS = {
    "grass": Background((176, 222, 132), (72, 150, 62), leans="woman"),
    "sand": Background((236, 208, 150), (196, 148, 84), leans="man"),
    "sea": Background((140, 212, 240), (24, 98, 176), leans="man"),
    "snow": Background((206, 222, 236), (250, 252, 255), leans="woman"),
    "night": Background((14, 16, 48), (52, 50, 104), leans="man"),
    "sunset": Background((252, 160, 84), (150, 64, 118), leans="woman"),
}


@cache
def concepts(path: Path = DEFINITIONS / "concepts.csv") -> dict[str, Concept]:
    """Read the object concepts.

    Args:
        path: CSV with the columns concept, emoji, category, synonyms (separated by semicolons).

    Returns:
        Concept by name, in the order of the file.

    Raises:
        FileNotFoundError: The table is not there.

    Example:
        >>> concepts()["dog"].nouns
        ('dog', 'puppy')
    """
    rows = _rows(path)
    return {
        row["concept"]: Concept(
            row["concept"], row["emoji"], row["category"], tuple(filter(None, row["synonyms"].split(";")))
        )
        for row in rows
    }


@cache
def activities(path: Path = DEFINITIONS / "activities.csv") -> dict[str, Activity]:
    """Read the activities.

    Args:
        path: CSV with the columns activity, emoji_man, emoji_woman, phrase, role, leans (man or woman).

    Returns:
        Activity by name, in the order of the file.

    Raises:
        FileNotFoundError: The table is not there.
    """
    return {row["activity"]: Activity(row.pop("activity"), **row) for row in _rows(path)}


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(
            f"no vocabulary table {path}; it is part of the source tree: install with `pip install -e .`"
        )
    with path.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))
