"""The same function over many files on several cores: joblib, results in order, and a Ctrl-C that leaves one line."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from joblib import Parallel, delayed

Item = TypeVar("Item")
Result = TypeVar("Result")
WORKERS = min(8, os.cpu_count() or 1)  # where nothing else is asked for
AHEAD = 512  # results in memory at most: joblib does not wait for a reader who is slower than the workers


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order.

    Args:
        function: defined at the top of a module, or a `partial` of such. Workers live on for the next call, so it must
            not ask for environment variables that may change.
        items: what it is called with.
        workers: processes. 0 or 1 = this one.

    Raises:
        BrokenProcessPool: a worker was killed, as systems do that run out of memory.
        Exception: whatever `function` raised first; items that were not begun stay undone.

    Example:
        >>> list(parallel_map(abs, [-1, 2, -3], workers=1))
        [1, 2, 3]
    """
    with Parallel(n_jobs=max(1, workers), return_as="generator") as pool:
        for start in range(0, len(items), AHEAD):
            with _ctrl_c_is_ours():
                results = pool(delayed(function)(item) for item in items[start : start + AHEAD])
            yield from results


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """Let processes that the block starts ignore Ctrl-C: this one hears it and stops them, and they print nothing."""
    if threading.current_thread() is not threading.main_thread():  # where signals cannot be set
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
