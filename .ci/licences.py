"""Write the table of THIRD_PARTY.md: the licence of every package in constraints.txt, as its own metadata states it."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = "<!-- packages: written by make licences -->"


def licence(name: str) -> tuple[str, str]:
    """Return the version and the licence of an installed package: its SPDX expression, its classifiers, or its text."""
    about = metadata(name)
    expression = about.get("License-Expression")
    classified = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if line.startswith("License")
    ]
    stated = (about.get("License") or "").strip().splitlines()
    found = expression or ", ".join(classified) or (stated[0] if stated else "not stated")
    return about["Version"], found.replace("|", "/")[:80]


def main() -> int:
    """Write the table; packages that are pinned and not installed here are listed without a licence."""
    rows = []
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, pinned = line.partition("==")
        if pinned:
            try:
                version, terms = licence(name)
            except PackageNotFoundError:
                version, terms = pinned.split(";")[0].strip(), "not installed on this platform"
            rows.append(f"| {name} | {version} | {terms} |")
    path = ROOT / "THIRD_PARTY.md"
    before = path.read_text(encoding="utf-8").partition(MARK)[0]
    table = ["| package | version | licence |", "|---|---|---|", *rows]
    path.write_text(f"{before}{MARK}\n" + "\n".join(table) + "\n", encoding="utf-8")
    print(f"THIRD_PARTY.md: {len(rows)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
