"""`cliplite results`, what `make results` calls: one at a time in a checkout, wrong words refused before any work."""

from __future__ import annotations

import subprocess
import sys

import pytest
from filelock import FileLock

from cliplite_core.__main__ import main
from cliplite_core.commands import results
from cliplite_core.commands.results import alone


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
    monkeypatch.setattr(results.subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
    assert main(["results", "smoke", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PROJECT", tmp_path)
    return tmp_path


def test_a_second_run_in_a_checkout_waits_for_the_first_and_says_so(checkout, capsys, monkeypatch):
    holder = FileLock(checkout / ".snakemake" / "results.lock")
    (checkout / ".snakemake").mkdir()
    holder.acquire()
    waited = []
    acquire = FileLock.acquire

    def released_meanwhile(lock, timeout=None, **rest):
        if timeout is None and lock is not holder:  # the second, patient attempt
            waited.append(capsys.readouterr().err)
            holder.release()
        return acquire(lock, timeout=timeout, **rest)

    monkeypatch.setattr(FileLock, "acquire", released_meanwhile)
    with alone():
        assert len(waited) == 1 and "another `results` is running" in waited[0]


def test_the_lock_of_a_killed_run_is_gone_with_it(checkout, capsys):
    path = checkout / ".snakemake" / "results.lock"
    path.parent.mkdir()
    source = f"import os\nfrom filelock import FileLock\nFileLock({str(path)!r}).acquire()\nos.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", source]).returncode == -9
    with alone():
        assert capsys.readouterr().err == ""
