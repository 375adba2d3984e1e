"""In a notebook, an error that this package raises on purpose ends in its message, not in a page of traceback."""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path
from types import TracebackType

from IPython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

PACKAGE = str(Path(__file__).resolve().parents[1])
RED, BOLD, FAINT, PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def explain_errors() -> None:
    """Have the running notebook show messages; elsewhere, do nothing.

    A cell still fails, under papermill too, and `%tb` still shows the whole traceback.
    """
    shell = get_ipython()
    if shell is not None:
        shell.set_custom_exc((OSError, ValueError, RuntimeError), _show)


def raised_on_purpose(error: BaseException, trace: TracebackType | None) -> bool:
    """Whether a `raise` of this package ended the cell; what other libraries raise is a bug, or the reader's own.

    Args:
        error: what was raised.
        trace: from the cell down to where it was raised.
    """
    last = traceback.extract_tb(trace)[-1:]
    ours = bool(last) and last[0].filename.startswith(PACKAGE)
    return ours and linecache.getline(last[0].filename, last[0].lineno).lstrip().startswith("raise ")


def message(error: BaseException, trace: TracebackType | None) -> list[str]:
    """Return what a notebook shows of an error: its kind, its message, and the reader's line that met it.

    Args:
        error: what was raised.
        trace: from the cell down to where it was raised.
    """
    frames = traceback.extract_tb(trace)
    inside = next((number for number, frame in enumerate(frames) if frame.filename.startswith(PACKAGE)), 0)
    lines = [f"{RED}{BOLD}{type(error).__name__}{PLAIN}", f"{BOLD}{error}{PLAIN}"]
    if inside:
        frame = frames[inside - 1]
        lines.append(f"{FAINT}in line {frame.lineno} of this cell: {frame.line}    (%tb shows the traceback){PLAIN}")
    return lines


def _show(
    shell: InteractiveShell,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    if not raised_on_purpose(error, trace):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace  # what %tb reads
    shell._showtraceback(kind, str(error), message(error, trace))
