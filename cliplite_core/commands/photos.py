"""Takes photographs out of a profile's results, so that they can be shown where the photos must not.

`python -m cliplite_core.photos flickr8k` deletes the figures that show images of the data set, and their copies in the
executed notebooks. Numbers, curves and the code stay; `make results` draws the figures again for whoever has the data.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import results_directory

SHOWS = "imshow("  # a cell that draws images calls it, and no other does
SAVED = re.compile(r'save_figure\(\w+, "(\w+)"')
LEFT_OUT = "[figure with photographs of the data set: left out]\n"


def leave_out_photos(results: Path) -> list[str]:
    """Deletes every figure with photographs below a results folder, as files and in the notebooks.

    Args:
        results: `results/PROFILE`, with its folders `notebooks` and `figures`.

    Returns:
        Names of the figures that the notebooks' cells with photographs save, sorted; deleting them twice is no error.
    """
    names = set()
    for path in sorted((results / "notebooks").glob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code" and SHOWS in cell.source:
                names |= set(SAVED.findall(cell.source))
                cell.outputs = [_without_image(output) for output in cell.outputs]
        write_text(path, nbformat.writes(notebook) + "\n")
    for name in names:
        for path in (results / "figures").glob(f"{name}.*"):
            path.unlink()
    return sorted(names)


def _without_image(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if any(kind.startswith("image/") for kind in output.get("data", {})):
        return nbformat.v4.new_output("stream", name="stdout", text=LEFT_OUT)
    return output


def main(arguments: Sequence[str] | None = None) -> int:
    """Leaves the photographs out of one profile's results and says which figures were theirs."""
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.photos", description=main.__doc__)
    parser.add_argument("profile", help="its results are below results/, or $CLIPLITE_RESULTS")
    results = results_directory(parser.parse_args(arguments).profile)
    if not (results / "notebooks").is_dir():
        print(f"error: {results / 'notebooks'} not found; `make results PROFILE={results.name}` first", file=sys.stderr)
        return 2
    print(f"  {results.name}: left out {', '.join(leave_out_photos(results)) or 'nothing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
