"""A contact sheet of what a search found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cliplite_core.reporting.figures import PAGE
from cliplite_core.reporting.plots.common import picture
from cliplite_core.storage.files import replacing

COLUMNS = 5
ENDINGS = (".png", ".jpg", ".pdf", ".svg")


def check_sheet(path: Path) -> None:
    """Raise a ValueError for a file name whose ending says no format that a sheet can have."""
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"--sheet: {path}: expected a file name that ends in {', '.join(ENDINGS)}")


def contact_sheet(found: Sequence[tuple[Path, float]], title: str) -> Figure:
    """Draw images in rows of five, each with its cosine.

    Args:
        found: image files with their cosines, best first.
        title: what was searched for.
    """
    lines = -(-len(found) // COLUMNS)
    size = (PAGE, 0.4 + 1.5 * lines)
    figure, axes = plt.subplots(lines, COLUMNS, figsize=size, layout="constrained", squeeze=False)
    figure.suptitle(shorten(title, 90, placeholder="…"), fontsize=10, parse_math=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (path, cosine) in zip(axes.flat, found, strict=False):
        picture(axis, path)
        axis.set_title(f"{cosine:.2f}  {_short(path.name)}", fontsize=6.5, parse_math=False)
    return figure


def write_sheet(path: Path, found: Sequence[tuple[Path, float]], title: str) -> None:
    """Draw a contact sheet into a file, whole or not at all.

    Args:
        path: its ending says the format.
        found, title: as for `contact_sheet`.
    """
    figure = contact_sheet(found, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=200)
    plt.close(figure)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:9]}…{name[-10:]}"
