"""Read NAME=VALUE, the one way in which every verb is given fields and parameters, and list the fields there are."""

from __future__ import annotations

import argparse
import json
import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from cliplite_core.config import SECTION_OF, SECTIONS, Config, ConfigError, unknown_field
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.parameters import check_parameters

PROFILE_HELP = "name of a profile, or path of a .toml file"
FIELDS_HELP = "any field of the configuration; `cliplite train --help` lists them"


def add_profile(parser: argparse.ArgumentParser, optional: str = "", fields: str = FIELDS_HELP) -> None:
    """Add the positional arguments PROFILE and NAME=VALUE to a parser.

    Args:
        parser: the parser of a verb; `profile_and_values` reads what it found.
        optional: what stands for no PROFILE, in words; "" = there must be one.
        fields: which names can be set.
    """
    shown = f"{PROFILE_HELP} (default: {optional})" if optional else PROFILE_HELP
    parser.add_argument("profile", metavar="PROFILE", nargs="?" if optional else None, help=shown)
    parser.add_argument("assignments", metavar="NAME=VALUE", nargs="*", default=[], help=fields)


def profile_and_values(options: argparse.Namespace) -> tuple[str | None, dict[str, Any]]:
    """Return the profile's name, None if there is none, and the values by name; PROFILE may have been left out."""
    profile, assignments = options.profile, options.assignments
    if profile and "=" in profile and not profile.endswith(".toml"):
        profile, assignments = None, [profile, *assignments]
    return profile, parse_assignments(assignments)


def parse_assignments(words: Iterable[str]) -> dict[str, Any]:
    """Read NAME=VALUE words.

    Args:
        words: as a command line has them. A value is JSON (8, 1e-4, true, null, ["a", "b"]), else a string.

    Returns:
        The values by name, in the order of the words.

    Raises:
        ConfigError: a word has no name or no "=", or a name is given twice; the message shows it.

    Example:
        >>> parse_assignments(["seed=1", "image_lr=1e-4", "objective=infonce", "prior_weight=null", "captions=a=b"])
        {'seed': 1, 'image_lr': 0.0001, 'objective': 'infonce', 'prior_weight': None, 'captions': 'a=b'}
    """
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise ConfigError(f"{word!r}: expected NAME=VALUE, such as seed=1")
        if name in values:
            raise ConfigError(f"{name}: given twice, the second time as {word!r}; expected each name once")
        try:
            values[name] = json.loads(text, parse_constant=str)  # NaN is a bare word like any other
        except json.JSONDecodeError:
            values[name] = text
    return values


def configured(profile: str, values: Mapping[str, Any]) -> Config:
    """Return a profile's configuration with fields set by name.

    Args:
        profile: name of a profile, or path of a .toml file.
        values: from `parse_assignments`.

    Raises:
        ConfigError: unknown profile or field, wrong type or value out of range; the message names it.
    """
    for name in values:
        if name not in SECTION_OF:
            raise ConfigError(unknown_field(name))
    return load_profile(profile, **values)


def take(values: dict[str, Any], verb: str, **defaults: Any) -> dict[str, Any]:
    """Take a verb's own parameters out of the values, and leave the fields of the configuration.

    Args:
        values: from `parse_assignments`; what is taken is removed.
        verb: the verb, as an error calls it.
        **defaults: name = default, which says the type; numbers must be positive and finite.

    Raises:
        ParameterError: a value of another type.
        ConfigError: a number that is not positive, or infinite.
    """
    given = {name: values.pop(name) for name in defaults if name in values}
    taken = {**defaults, **check_parameters(defaults, given, verb)}
    for name, value in taken.items():
        if not isinstance(value, str | bool) and not 0 < value < math.inf:
            expected = "a finite value" if value > 0 else "a value greater than 0"
            raise ConfigError(f"{name}: got {value}, expected {expected}")
    return taken


def fields_help(width: int = 110) -> str:
    """Return every field of the configuration by section, with its default and its meaning, as lines for `--help`."""
    lines = ["fields and their defaults, the paper's values where it gives any; a profile sets its own:"]
    for section, cls in SECTIONS.items():
        lines += ["", f"  {section}: {cls.__doc__}"]
        for name, default in vars(cls()).items():
            meaning = cls.__pydantic_fields__[name].description
            lines.append(f"    {name}={shown(default)}")
            lines += textwrap.wrap(meaning, width, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines)


def shown(value: Any) -> str:
    """Return a value as it would be given behind "=".

    Example:
        >>> shown(0.2), shown("jsd"), shown(None), shown(""), shown(("a", "b"))
        ('0.2', 'jsd', 'null', '""', '["a", "b"]')
    """
    return value if isinstance(value, str) and value and parses_to_itself(value) else json.dumps(value)


def parses_to_itself(text: str) -> bool:
    """Whether a string means itself without quotes, which "true" and "8" do not."""
    return parse_assignments([f"x={text}"])["x"] == text


def words_of(config: Config, profile: Config) -> list[str]:
    """Return the NAME=VALUE words that make a configuration from its profile.

    Args:
        config: the configuration, of the same profile but for overrides.
        profile: what `load_profile` returns without any.

    Returns:
        Objective and seed first, then whatever else differs.

    Example:
        >>> words_of(load_profile("smoke", seed=1, tokenizer="2017"), load_profile("smoke"))
        ['objective=jsd', 'seed=1', 'tokenizer="2017"']
    """
    values = {"objective": config.objective.objective, "seed": config.train.seed}
    start = profile.override(**values)  # an objective brings along what was tuned for it
    for section in SECTIONS:
        before = vars(getattr(start, section))
        values |= {name: value for name, value in vars(getattr(config, section)).items() if value != before[name]}
    return [f"{name}={shown(value)}" for name, value in values.items()]
