"""Puts the results table of the default profile into the README, between two markers."""

from __future__ import annotations

from pathlib import Path

from cliplite_core.report import write_text
from cliplite_core.workspace import PROJECT, results_directory

SHOWN = "scenes"  # the profile a newcomer runs first
START, END = "<!-- results: written by make results -->", "<!-- end of results -->"


def update_readme(profile: str, readme: Path = PROJECT / "README.md") -> bool:
    """Replaces the README's table by `results/PROFILE/tables/main.md`; other profiles leave it alone.

    Args:
        profile: the profile just finished.
        readme: the file with the two markers.

    Returns:
        Whether the README shows this profile.

    Raises:
        ValueError: a marker is missing, so there is no place for the table.
    """
    if profile != SHOWN:
        return False
    text = readme.read_text(encoding="utf-8")
    if START not in text or END not in text:
        raise ValueError(f"{readme}: expected the markers {START!r} and {END!r} around the results table")
    before, after = text.split(START)[0], text.split(END)[1]
    table = (results_directory(profile) / "tables" / "main.md").read_text(encoding="utf-8")
    write_text(readme, f"{before}{START}\n{table}{END}{after}")
    return True
