"""A small data root in the public layouts, and the profile that reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_root import write_root


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "my data"))
    write_root(tmp_path / "my data")
    return tmp_path / "my data"


@pytest.fixture
def profile(root) -> str:
    return str(root.parent / "small.toml")
