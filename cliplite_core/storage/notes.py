"""The one way to say what was noticed and stops nothing: a line on stderr."""

from __future__ import annotations

import sys


def note(line: str) -> None:
    """Print one line on stderr, as a note."""
    print(f"note: {' '.join(line.split())}", file=sys.stderr, flush=True)
