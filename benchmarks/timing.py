"""Timing in turns: what is compared runs in the same minutes, so that other work on the machine strikes all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Options:
    """What a part is told; each takes of it what it needs."""

    quick: bool = False  # small shapes, to see that it runs
    photos: Sequence[Path] = ()  # folders of JPEGs; without one, some are drawn


@dataclass(frozen=True)
class Row:
    """One line of the table: medians over the repetitions, and their quartiles."""

    part: str
    what: str
    value: tuple[float, float, float]  # lower quartile, median, upper quartile
    unit: str
    times_as_fast: tuple[float, float, float] | None = None  # as `reference`, within each repetition
    reference: str = ""


def quartiles(values: np.ndarray) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def compare(
    part: str,
    works: Mapping[str, Callable[[], object]],
    turns: int,
    unit: str = "s",
    amount: float | None = None,
    reference: str | None = None,
    clock: Callable[[], float] = time.process_time,
) -> list[Row]:
    """Time each work once per turn, after one call that warms up.

    Args:
        part: name of the group.
        works: name = what is timed.
        turns: repetitions.
        unit: of the values: "s", or what there are `amount` of in one call, such as "photos/s".
        amount: None = the values are seconds.
        reference: which of the works the others are compared with; None = the last one.
        clock: processor time where one thread works, which other work on the machine hardly touches;
            `time.perf_counter` where several do, or another process.
    """
    reference = reference or list(works)[-1]
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(turns):
        for name, work in works.items():
            started = clock()
            work()
            taken[name].append(clock() - started)
    rows = []
    for name, seconds in ((name, np.array(values)) for name, values in taken.items()):
        value = quartiles(seconds if amount is None else amount / seconds)
        if name == reference:
            rows.append(Row(part, name, value, unit))
        else:
            rows.append(Row(part, name, value, unit, quartiles(np.array(taken[reference]) / seconds), reference))
    return rows
