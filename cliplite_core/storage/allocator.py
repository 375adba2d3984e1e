"""What the C library does with memory that is freed: keep it for the next step, or give it back to the kernel."""

from __future__ import annotations

import ctypes
import os
import platform

# glibc's options: name in the environment -> number for `mallopt` (malloc.h), value.
OPTIONS = {"MALLOC_MMAP_MAX_": (-4, 0), "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1)}


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next allocations.

    By default glibc asks the kernel for each block above 32 MiB and gives it back as soon as it is freed. The
    activations of a batch at 224 px are such blocks: each step gets them anew, a page fault and 4 KiB of zeros at a
    time, which costs up to two thirds of its processor time (`benchmarks/allocator.py`). The price is memory: nothing
    is given back before the process ends, and where blocks of many sizes leave gaps, as in training MobileNetV2 at
    224 px, the peak is up to a third higher; at 72 px, or encoding eight images at a time, it is as it was.

    The allocator belongs to the process, and so does this choice: the command line makes it, an import does not, nor
    does it reach a notebook, which may hold matrices of a gigabyte each, and would hold up to three times as many. Call
    it in a program of your own that trains or embeds on CPUs.

    Returns:
        Whether it was done: only with glibc, and not where the environment sets one of its options, or $GLIBC_TUNABLES.
    """
    if platform.libc_ver()[0] != "glibc" or not os.environ.keys().isdisjoint({*OPTIONS, "GLIBC_TUNABLES"}):
        return False
    libc = ctypes.CDLL(None)
    for option, value in OPTIONS.values():
        libc.mallopt(option, value)
    return True
