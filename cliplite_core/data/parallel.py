"""The same function over many items on several cores, results in order."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
DEFAULT_WORKERS = min(8, os.cpu_count() or 1)
CHUNK = 16  # items sent to a worker at a time: a small picture decodes faster than it is sent
CHUNKS_AHEAD = 4  # a worker; more would pile up results in memory where the reader is slower


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yields `function(item)` for each item, in order.

    Args:
        function: defined at the top of a module, since workers receive it pickled.
        items: any number; only as many as are under way are held.
        workers: processes. 0 or 1 = this one.

    Raises:
        BrokenProcessPool: a worker was killed, as systems do that run out of memory.
        Exception: whatever `function` raised; items that were not begun stay undone.

    Example:
        >>> list(parallel_map(abs, [-1, 2, -3], workers=1))
        [1, 2, 3]
    """
    if workers <= 1:
        yield from map(function, items)
        return
    remaining = iter(items)
    quiet = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}  # Ctrl-C is the caller's
    with ProcessPoolExecutor(workers, **quiet) as pool:
        waiting = deque()
        try:
            while chunk := list(islice(remaining, CHUNK)):
                waiting.append(pool.submit(_apply, function, chunk))
                if len(waiting) >= CHUNKS_AHEAD * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _apply(function: Callable[[Item], Result], chunk: list[Item]) -> list[Result]:
    return [function(item) for item in chunk]
