"""How much memory a step took."""

from __future__ import annotations

import sys

import psutil


def machine_memory_gib() -> float:
    """Return the memory of this machine, in GiB, whoever uses it."""
    return psutil.virtual_memory().total / 2**30


def peak_memory_gib(children: bool = False) -> float | None:
    """Return the largest resident memory so far.

    Args:
        children: of this process's finished children (a notebook's kernel) instead of its own.

    Returns:
        GiB, or None on Windows, which does not keep it.
    """
    if sys.platform == "win32":
        return None
    import resource  # does not exist on Windows

    usage = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss
    return round(usage / 2 ** (30 if sys.platform == "darwin" else 20), 2)  # bytes on macOS, KiB elsewhere
