"""Work on several cores: the order of the items, errors that come through, memory, Ctrl-C and killed workers."""

from __future__ import annotations

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from cliplite_core.data.inventory import workers as module
from cliplite_core.data.inventory.workers import parallel_map


def squared(number: int) -> int:
    if number == 70:
        raise ValueError("70 is too much")
    return number * number


def noted(path: Path) -> None:
    path.touch()


def killed(number: int) -> int:
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_items(workers, monkeypatch):
    monkeypatch.setattr(module, "AHEAD", 25)
    assert list(parallel_map(squared, range(60), workers)) == [number * number for number in range(60)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_one_item_reaches_the_caller(workers):
    with pytest.raises(ValueError, match="70 is too much"):
        list(parallel_map(squared, range(100), workers))


def test_workers_do_not_run_away_from_a_slow_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AHEAD", 8)
    results = parallel_map(noted, [tmp_path / str(number) for number in range(100)], 2)
    next(results)
    assert len(list(tmp_path.iterdir())) <= 8
    assert len(list(results)) == 99


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_killed_worker_is_an_error_and_not_a_wait_for_ever():
    with pytest.raises(BrokenProcessPool):
        list(parallel_map(killed, range(40), 2))
