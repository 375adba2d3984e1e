"""The command line, as each verb's `--help` explains it."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout, suppress
from unittest import mock

from cliplite_core.commands.parser import VERBS, parse

ACTIONS = {"data": ("status", "check", "prepare", "ready")}


def commands_page() -> str:
    """Return what `cliplite --help` says, and `--help` of every verb, as Markdown."""
    parts = ["# The command line\n", f"```text\n{_help()}\n```\n"]
    for verb in VERBS:
        said = _help(verb).split("\nfields and their defaults")
        parts.append(f"(verb-{verb})=\n## {verb}\n\n```text\n{said[0].rstrip()}\n```\n")
        if len(said) > 1:
            parts.append("The fields: {doc}`configuration`.\n")
        for action in ACTIONS.get(verb, ()):
            parts.append(f"### {verb} {action}\n\n```text\n{_help(verb, action)}\n```\n")
    return "\n".join(parts)


def _help(*words: str) -> str:
    """Return what `cliplite WORDS --help` prints, in a width that a page shows whole."""
    said = io.StringIO()
    with mock.patch.dict(os.environ, {"COLUMNS": "100"}), redirect_stdout(said), suppress(SystemExit):
        parse([*words, "--help"])
    return said.getvalue().rstrip()
