"""`cliplite evaluate`: a given model on given pairs says the same as the fit that made it, and trains nothing."""

from __future__ import annotations

import json

import pytest
from small_pairs import words, write_pairs

from cliplite_core import runs
from cliplite_core.__main__ import main


@pytest.fixture
def fitted(tmp_path) -> list[str]:
    """Model, captions and images."""
    pairs = [str(path) for path in write_pairs(tmp_path)]
    assert main(["fit", *pairs, str(tmp_path / "mine"), *words(epochs=2)]) == 0
    return [str(tmp_path / "mine"), *pairs]


def test_the_test_split_measured_again_gives_the_numbers_of_the_card(fitted, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs, "Trainer", None)  # would fail if anything were trained
    capsys.readouterr()
    assert main(["evaluate", *fitted, "split=test"]) == 0
    said = capsys.readouterr().out
    for line in json.loads((tmp_path / "mine" / "metrics.json").read_text())["test"]["recall"]:
        assert f"{line['recall']:.1f} | {line['low']:.1f} to {line['high']:.1f} | {line['chance']:.1f}" in said
    assert "12 images, 24 captions" in said and "remembers" not in said


def test_all_pairs_of_the_fit_are_measured_with_a_warning_and_pairs_from_elsewhere_without(fitted, tmp_path, capsys):
    capsys.readouterr()
    assert main(["evaluate", *fitted]) == 0
    assert "60 images, 120 captions" in (said := capsys.readouterr().out) and "remembers" in said
    others = [str(path) for path in write_pairs(tmp_path / "others", 8)]
    assert main(["evaluate", fitted[0], *others]) == 0
    assert "8 images, 16 captions" in (said := capsys.readouterr().out) and "remembers" not in said
    assert main(["evaluate", *fitted, "split=dev"]) == 2
    assert "split=dev: expected split=all or train or val or test" in capsys.readouterr().err
