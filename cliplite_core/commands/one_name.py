"""Two profile files of one name would share one folder of results: the second is told to choose another name."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cliplite_core.config import ConfigError
from cliplite_core.profiles import PROFILES, load_profile
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import run_directory

OWNER = "profile.txt"  # beside a profile's runs: the file that they and its results are of


def claim(profile: str) -> None:
    """Note that a profile's results are of this file, unless they are of another one that is still there.

    Args:
        profile: name of a profile, or path of a .toml file.

    Raises:
        ConfigError: unknown profile, or a profile of this name, in another file, has results; the message names both.
    """
    mine = (Path(profile) if profile.endswith(".toml") else PROFILES / f"{profile}.toml").resolve()
    note = run_directory(load_profile(profile)).parent / OWNER
    try:
        owner = Path(note.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        owner = mine
    if owner != mine and owner.is_file() and not owner.samefile(mine):
        raise ConfigError(
            f"{mine}: results of this name are those of {owner}; expected a name of its own: rename one of the files"
        )
    if owner != mine or not note.exists():
        with suppress(OSError):  # a read-only disk, or another process that notes the same
            write_text(note, f"{mine}\n")
