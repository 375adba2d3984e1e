"""Work on several cores: the order of the items, and errors that come through."""

from __future__ import annotations

from itertools import islice

import pytest

from cliplite_core.data.parallel import CHUNK, CHUNKS_AHEAD, parallel_map


def squared(number: int) -> int:
    if number == 70:
        raise ValueError("70 is too much")
    return number * number


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    assert list(parallel_map(squared, range(60), workers)) == [number * number for number in range(60)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_one_item_reaches_the_caller(workers):
    with pytest.raises(ValueError, match="70 is too much"):
        list(parallel_map(squared, range(100), workers))


def test_no_more_items_are_taken_than_workers_are_busy_with():
    taken = []
    items = (taken.append(number) or 1 for number in range(10_000))
    assert list(islice(parallel_map(squared, items, 2), 3)) == [1, 1, 1]
    assert len(taken) <= (2 * CHUNKS_AHEAD + 1) * CHUNK
