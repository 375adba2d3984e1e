"""A data set's short name: equal data, equal digits, wherever it lies; other data, other digits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cliplite_core.data.fingerprint import fingerprint


def data_set(root: Path) -> Path:
    for name, content in (("a.txt", "one"), ("images/1.jpg", "two"), ("images/2.jpg", "three")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_a_copy_elsewhere_has_the_same_fingerprint(tmp_path):
    first = fingerprint(data_set(tmp_path / "here"))
    assert first == fingerprint(data_set(tmp_path / "there" / "deeper"))
    assert re.fullmatch(r"[0-9a-f]{16}", first)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "images" / "1.jpg").rename(root / "images" / "0.jpg"),
        lambda root: (root / "new.txt").touch(),
        lambda root: (root / "images" / "2.jpg").unlink(),
        lambda root: (root / "images" / "2.jpg").write_text("longer"),
        lambda root: (root / "a.txt").write_text("eno"),  # the first file's contents are read
    ],
    ids=["renamed", "added", "removed", "resized", "edited"],
)
def test_a_changed_file_changes_the_fingerprint(tmp_path, change):
    root = data_set(tmp_path)
    before = fingerprint(root)
    change(root)
    assert fingerprint(root) != before
