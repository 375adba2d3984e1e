"""Digits of a profile's data change when the data does, and with nothing else."""

from __future__ import annotations

import pytest

from cliplite_core.data.inventory.digests import glance, read_record
from cliplite_core.storage.places import data_root


@pytest.fixture
def photo(tiny):
    return sorted((data_root() / "tiny" / "test").glob("*.jpg"))[0]


def test_a_photo_of_another_size_is_seen_at_a_glance_and_one_to_measure_on_not_as_one_to_train_on(tiny, photo):
    whole, trained, before = glance(tiny), glance(tiny, notebook="01"), photo.read_bytes()
    try:
        photo.write_bytes(before + b"more")
        assert glance(tiny) != whole and glance(tiny, notebook="01") == trained
    finally:
        photo.write_bytes(before)
    assert glance(tiny) == whole


def test_a_photo_of_the_same_size_is_seen_by_its_contents(tiny, photo):
    record, before = read_record(tiny), photo.read_bytes()
    try:
        photo.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        changed = {key for key, digits in read_record(tiny).items() if digits != record[key]}
    finally:
        photo.write_bytes(before)
    assert changed and not any("train." in key for key in changed)


def test_data_that_is_not_there_counts_as_empty(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "nothing"))
    assert len(glance(tiny)) == 16 and len(set(read_record(tiny).values())) == 1
