"""Copies of the notebooks for nbval: on the quick profile, with what their checked cells print there.

The notebooks show the outputs of the profile that readers should see, whose trainings take minutes. nbval runs the same
code on `smoke`, whose checked outputs are kept in `smoke_outputs.json`:

    python tests/smoke_copies.py FOLDER          write the copies, for: pytest FOLDER --nbval-lax
    python tests/smoke_copies.py --keep FOLDER   keep what the notebooks in FOLDER, executed on `smoke`, have printed
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
OUTPUTS = Path(__file__).with_name("smoke_outputs.json")  # notebook -> id of a checked cell -> what it prints
CHECKED = "nbval-check-output"


def checked_cells(book: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells whose outputs nbval compares."""
    yield from (cell for cell in book.cells if CHECKED in cell.metadata.get("tags", ()))


def smoke_copy(path: Path) -> nbformat.NotebookNode:
    """Return a notebook as it is on `smoke`: other outputs than those of checked cells are left out."""
    book, printed = nbformat.read(path, as_version=4), json.loads(OUTPUTS.read_text(encoding="utf-8"))[path.stem]
    for count, cell in enumerate((cell for cell in book.cells if cell.cell_type == "code"), start=1):
        cell.outputs, cell.execution_count = [], count  # nbval skips cells that were never run
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = re.sub(r'^profile = "\w+"', 'profile = "smoke"', cell.source, flags=re.MULTILINE)
    for cell in checked_cells(book):
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed[cell.id])]
    return book


def write_copies(folder: Path) -> None:
    """Write a copy of every notebook."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        nbformat.write(smoke_copy(path), folder / path.name)


def keep_outputs(executed: Path) -> None:
    """Keep the checked outputs of notebooks that were executed on `smoke`."""
    printed = {}
    for path in sorted(executed.glob("[0-9]*.ipynb")):
        cells = checked_cells(nbformat.read(path, as_version=4))
        printed[path.stem] = {cell.id: "".join(output.text for output in cell.outputs) for cell in cells}
    OUTPUTS.write_text(json.dumps(printed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    *keep, target = sys.argv[1:]
    keep_outputs(Path(target)) if keep else write_copies(Path(target))
