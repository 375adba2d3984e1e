"""The public data sets that `data/data_sets.toml` describes: what is in them, whose they are, where to get them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from cliplite_core.config import Config, EvaluationConfig
from cliplite_core.data.inventory.needs import Need, needs
from cliplite_core.profiles import load_profile
from cliplite_core.storage.places import definition

NO_SET = {f.name: "" for f in fields(EvaluationConfig) if isinstance(f.default, str) and not f.name.endswith("_split")}


@dataclass(frozen=True)
class KnownSet:
    """A public data set, or the embedded one.

    Attributes:
        title: its name.
        url: the page of its owner, or the command that composes it.
        terms: licence or terms as stated there, and what to mind.
        size: of the complete set on disk, in GB. None = not known.
        expect: by `Need.key`, counts of the complete set: images, captions, classes; unknown ones are left out.
        needs: its parts, as a profile that names it needs them.
        composed: made here, not fetched.
    """

    title: str
    url: str
    terms: str
    size: float | None
    expect: Mapping[str, Mapping[str, int]]
    needs: tuple[Need, ...]
    composed: bool


def known_sets() -> list[KnownSet]:
    """Return the sets of `data/data_sets.toml`, in its order."""
    sets = []
    for entry in tomllib.loads(definition("data_sets.toml").read_text(encoding="utf-8")).values():
        if "profile" in entry:
            config = load_profile(entry["profile"])
        else:
            config = Config().override(**NO_SET | entry.get("data", {}) | entry.get("evaluation", {}))
        expect = entry.get("expect", {})
        parts = tuple(need for need in needs(config) if need.key in expect or not expect)
        about = {name: entry.get(name) for name in ("title", "url", "terms", "size")}
        sets.append(KnownSet(**about, expect=expect, needs=parts, composed=config.data.scenes_train > 0))
    return sets


def owner(need: Need, config: Config, sets: Sequence[KnownSet]) -> KnownSet | None:
    """Return the set that a profile's need belongs to: by its list, else by its folders; None if it is one's own."""
    if config.data.scenes_train and need.folders[0].split("/")[0] == config.data.folder:
        return next(known for known in sets if known.composed)
    by_list = (known for known in sets if need.key in known.expect)
    by_folder = (known for known in sets if any({*need.folders} & {*part.folders} for part in known.needs))
    top = need.folders[0].split("/")[0]
    by_top = (known for known in sets if any(part.folders[0].split("/")[0] == top for part in known.needs))
    return next(by_list, None) or next(by_folder, None) or next(by_top, None)
