"""Profiles: TOML files that say only what differs from their parent; the laptop's and the cluster's are of one kind."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from cliplite_core.config import SECTION_OF, SECTIONS, TYPE_OF, Config, ConfigError, unknown_field

PROFILES = Path(__file__).parent


def load_profile(name: str, **overrides: Any) -> Config:
    """Load a profile by name, or from a TOML file of one's own, with fields overridden by name.

    Args:
        name: one of `profile_names()`, or the path of a `.toml` file; a file may start with `extends = "scenes"`.
        **overrides: any field of any section, e.g. `objective="infonce", seed=1, batch_size=64`.

    Returns:
        The frozen configuration; in the paths of `evaluation`, {folder} is replaced by `data.folder`.

    Raises:
        ConfigError: unknown profile, unknown field, wrong type or value out of range; the message names the field.

    Example:
        >>> config = load_profile("smoke", objective="infonce", seed=1)
        >>> config.objective.objective, config.train.seed, config.evaluation.probe
        ('infonce', 1, 'scenes_smoke/single')
    """
    config = replace(_read(name), profile=Path(name).stem)
    if not config.profile.strip("."):  # runs and results would lie outside their folder
        raise ConfigError(f"{name}: results cannot be named {config.profile!r}; rename the file")
    config = config.override(**{"objective": config.objective.objective} | overrides)
    paths = {key: value for key, value in vars(config.evaluation).items() if isinstance(value, str)}
    named = {key: path.replace("{folder}", config.data.folder) for key, path in paths.items()}
    return replace(config, evaluation=replace(config.evaluation, **named))


def profile_names() -> list[str]:
    """Return the names of the profiles that come with the package."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def _read(name: str) -> Config:
    path = Path(name) if name.endswith(".toml") else PROFILES / f"{name}.toml"
    known = name.endswith(".toml") or name in profile_names()  # "../profiles/smoke" is neither
    if not known or not path.is_file():
        raise ConfigError(f"unknown profile {name!r}; known: {', '.join(profile_names())}, or the path of a .toml file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows' Notepad writes a byte order mark
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{path}: not valid TOML: {reason}") from None
    parent, tuned = values.pop("extends", None), values.pop("tuned", {})
    changed: dict[str, Any] = {}
    for section, entries in values.items():
        if section not in SECTIONS or not isinstance(entries, dict):
            raise ConfigError(f"{path}: unknown section [{section}]; the sections are: {', '.join(SECTIONS)}")
        for key in entries:
            if SECTION_OF.get(key) != section:
                raise ConfigError(f"{path}, [{section}]: {unknown_field(key)}")
        changed |= entries
    config = Config() if parent is None else _parent(path, parent)
    kept = {name: {k: v for k, v in table.items() if k not in changed} for name, table in config.tuned.items()}
    config = replace(config, tuned=kept).override(**changed)  # what is set here was not tuned by the parent
    return _with_tuned(path, config, tuned) if tuned else config


def _with_tuned(path: Path, config: Config, tuned: dict[str, Any]) -> Config:
    """Add the tables [tuned.OBJECTIVE]; each sets the same fields, so that every change of objective is complete."""
    objectives = get_args(TYPE_OF["objective"])
    if sorted(tuned) != sorted(objectives) or not all(isinstance(table, dict) for table in tuned.values()):
        raise ConfigError(
            f"{path}: [tuned] has {', '.join(tuned)}; expected a table for each of {', '.join(objectives)}"
        )
    names = [sorted(table) for table in tuned.values()]
    if any(own != names[0] for own in names):
        raise ConfigError(f"{path}: the tables of [tuned] set different fields: {names}; expected the same in each")
    for objective, table in tuned.items():
        config.override(**table, objective=objective)  # names and values are checked here
    untuned = {name: getattr(getattr(config, SECTION_OF[name]), name) for name in names[0]}
    return replace(config, tuned={**tuned, "untuned": untuned})


def _parent(path: Path, name: Any) -> Config:
    if not isinstance(name, str):
        raise ConfigError(f"{path}: extends: got {name!r}, expected the name of a profile or the path of a .toml file")
    name = str(path.parent / name) if name.endswith(".toml") else name  # beside the file, wherever Python was started
    try:
        return _read(name)
    except RecursionError:
        raise ConfigError(f"{path}: extends {name!r}, which leads back to itself") from None
