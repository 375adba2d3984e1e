"""The notebooks as readers first see them: with the outputs of a published run."""

from __future__ import annotations

from pathlib import Path

import nbformat

from cliplite_core.storage.files import write_text


def show_outputs(executed: Path, notebooks: Path) -> list[str]:
    """Give notebooks the outputs of their executed copies; their sources, cell by cell, must be the same.

    Args:
        executed: folder of notebooks that papermill ran.
        notebooks: folder of the notebooks.

    Returns:
        Names of the notebooks that have new outputs, sorted.

    Raises:
        ValueError: a notebook was edited since it was executed; nothing is written.
    """
    changed = {}
    for path in sorted(notebooks.glob("[0-9]*.ipynb")):
        book, ran = nbformat.read(path, as_version=4), executed / path.name
        if not ran.is_file():
            continue
        cells = [cell for cell in nbformat.read(ran, as_version=4).cells if not _is_injected(cell)]
        if [cell.source for cell in cells] != [cell.source for cell in book.cells]:
            raise ValueError(f"{ran}: executed from another version of {path.name}; run it again")
        for cell, source in zip(book.cells, cells, strict=True):
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = source.outputs, source.execution_count
        changed[path] = nbformat.writes(book) + "\n"
    for path, text in changed.items():
        write_text(path, text)
    return [path.stem for path in changed]


def _is_injected(cell: nbformat.NotebookNode) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", ())
