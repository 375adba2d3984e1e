"""Every field of a configuration, as `config/sections.py` documents it, and what each profile changes."""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter

from cliplite_core.commands.overrides import shown
from cliplite_core.config import SECTIONS, Config
from cliplite_core.profiles import load_profile, profile_names


def configuration_page() -> str:
    """Return every field with its type, bounds, default and meaning, and what each profile changes."""
    parts = [
        "# Configuration",
        "A run is described by the fields below; where the paper gives a value, it is the default. A profile, a TOML "
        "file in `cliplite_core/profiles/`, sets its own. `NAME=VALUE` on the command line sets one field, and so does "
        "`load_profile(profile, NAME=VALUE)`. Field names are unique over the sections.",
        "## What each profile changes\n\n" + _profiles_tabs(),
    ]
    for section, cls in SECTIONS.items():
        schema = TypeAdapter(cls).json_schema()["properties"]
        parts.append(f"## {section}\n\n{cls.__doc__}")
        for name, default in vars(cls()).items():
            facts = f"{_type(schema[name])}; default: `{shown(default)}`"
            meaning = re.sub(r"([<*$])", r"\\\1", " ".join(cls.__pydantic_fields__[name].description.split()))
            parts.append(f"(field-{name})=\n\n`{name}`\n: {meaning}\n\n  {{.facts}}\n  {facts}")
    return "\n\n".join(parts) + "\n"


def _type(schema: dict[str, Any]) -> str:
    """Say a field's type and bounds, from its JSON schema.

    Example:
        >>> _type({"type": "integer", "minimum": 3, "maximum": 9})
        'whole number, at least 3, at most 9'
        >>> _type({"anyOf": [{"type": "number"}, {"type": "null"}]})
        'number, or null'
    """
    if "anyOf" in schema:
        return _type(schema["anyOf"][0]) + ", or null"
    if "enum" in schema:
        return " | ".join(f"`{value}`" for value in schema["enum"])
    names = {"integer": "whole number", "number": "number", "boolean": "true or false", "array": "list of strings"}
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{word} {schema[key]:g}" for key, word in words.items() if key in schema]
    return ", ".join([names.get(schema["type"], schema["type"]), *bounds])


def _profiles_tabs() -> str:
    """Return a tab for each profile, with the fields that it changes."""
    paper, parts = Config(), []
    for profile in profile_names():
        config, lines = load_profile(profile), ["| field | value | default |", "|:---|:---|:---|"]
        for section in SECTIONS:
            for name, default in vars(getattr(paper, section)).items():
                value = getattr(getattr(config, section), name)
                if value != default:
                    lines.append(f"| [`{name}`](#field-{name}) | `{shown(value)}` | `{shown(default)}` |")
        parts.append(f":::{{tab-item}} {profile}\n" + "\n".join(lines) + "\n:::\n")
    return "::::{tab-set}\n" + "\n".join(parts) + "::::"
