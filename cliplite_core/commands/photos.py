"""Take photographs out of a profile's results, so that they can be shown where the photos must not.

The figures that show images of the data set are deleted, and their copies in the executed notebooks. Numbers, curves
and the code stay; `make results` draws the figures again for whoever has the data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cliplite_core.commands.one_name import claim
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import results_directory

LEFT_OUT = "[figure with photographs of the data set: left out]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `photos` takes: a profile."""
    parser.add_argument("profile", metavar="PROFILE", help="its results are below results/, or $CLIPLITE_RESULTS")
    parser.epilog = "example:\n  cliplite photos flickr8k"


def run(options: argparse.Namespace) -> int:
    """Leave the photographs out of one profile's results, and print which figures were theirs."""
    claim(options.profile)  # else results of another file of this name would be changed
    results = results_directory(options.profile)
    if not (results / "notebooks").is_dir():
        raise FileNotFoundError(f"{results / 'notebooks'} not found; `make results PROFILE={results.name}` first")
    print(f"  {results.name}: left out {', '.join(leave_out_photos(results)) or 'nothing'}")
    return 0


def leave_out_photos(results: Path) -> list[str]:
    """Delete every figure with photographs below a results folder, as files and in the notebooks.

    Args:
        results: `results/PROFILE`, with its folders `notebooks` and `figures`.

    Returns:
        Names of the figures that the notebooks' cells with photographs save, sorted; deleting them twice is no error.
    """
    import nbformat

    names = set()
    for path in sorted((results / "notebooks").glob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            if output.get("metadata", {}).get("photographs"):  # as `Experiment.show` says
                names.add(output.metadata.figure)
                output.data = {"text/plain": LEFT_OUT}
        write_text(path, nbformat.writes(notebook) + "\n")
    for name in names:
        for path in (results / "figures").glob(f"{name}.*"):
            path.unlink()
    return sorted(names)
