"""A step of the artefact graph ends with the Snakemake that started it: killing that one leaves nothing running."""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil

STARTER = "CLIPLITE_STARTED_BY"  # process id of whoever started this one; set for the graph and by it
EVERY, PATIENCE = 1.0, 30.0  # seconds between two looks, and for a tidy end


def end_with_starter(patience: float = PATIENCE) -> None:
    """Stop this process, as by Ctrl-C, once the process that `$CLIPLITE_STARTED_BY` names is gone.

    Args:
        patience: seconds for a tidy end; then it ends untidily.
    """
    started_by = os.environ.pop(STARTER, "")  # not handed on: what this process starts, it ends itself
    if started_by.isdecimal() and int(started_by) != os.getpid():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets background jobs ignore it
        threading.Thread(target=_watch, args=(int(started_by), patience), daemon=True).start()


def _watch(starter: int, patience: float) -> None:
    while _is_there(starter):
        time.sleep(EVERY)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(patience)  # a step in C code, or an end that hangs
    os._exit(130)


def _is_there(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
