"""`cliplite results`, what `make results` calls: wrong words are refused before any work."""

from __future__ import annotations

import pytest

from cliplite_core.__main__ import main
from cliplite_core.commands import results


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sedes=3"], "unknown parameter 'sedes'; `results` has: seeds, grid, cores"),
        (["seeds=0"], "seeds: got 0"),
        (["seeds=-1"], "seeds: got -1"),
        (["seeds=three"], "seeds"),
        (["seeds=1", "seeds=2"], "given twice"),
    ],
)
def test_a_wrong_word_is_one_line_and_nothing_is_run(words, message, capsys, monkeypatch):
    monkeypatch.setattr(results.subprocess, "Popen", lambda *_, **__: pytest.fail("something was run"))
    assert main(["results", "smoke", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
