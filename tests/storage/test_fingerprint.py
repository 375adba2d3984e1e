"""A data set's short name: equal data, equal digits, wherever it lies; other data, other digits."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from cliplite_core.storage.fingerprint import fingerprint


def data_set(root: Path) -> Path:
    for name, content in (("a.txt", "one"), ("images/1.jpg", "two"), ("images/2.jpg", "three")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_a_copy_elsewhere_has_the_same_fingerprint(tmp_path):
    first = fingerprint(data_set(tmp_path / "here"))
    assert first == fingerprint(data_set(tmp_path / "there" / "deeper"))
    assert re.fullmatch(r"[0-9a-f]{16}", first)


def test_equal_data_keeps_the_digits_that_results_were_written_with(tmp_path):
    folder = data_set(tmp_path / "set")
    for number in range(70):
        (folder / "images" / f"ü{number:02}.jpg").write_text("x" * number)
    digest = hashlib.sha256()
    for position, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        content = path.read_bytes()
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + str(len(content)).encode() + b"\0")
        digest.update(hashlib.sha256(content).digest() if position in (0, 64) else b"")
    assert fingerprint(folder) == digest.hexdigest()[:16]


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_a_name_that_is_no_text_is_part_of_it(tmp_path):
    folder = data_set(tmp_path / "set")
    before = fingerprint(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg")).touch()
    assert fingerprint(folder) != before


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
