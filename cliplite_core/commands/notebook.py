"""Run a numbered notebook headlessly: parameters are checked first, the output is written only on success.

Plain papermill runs the same notebooks; this adds where the output goes, and what the run took.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cliplite_core.commands.one_name import claim
from cliplite_core.commands.overrides import parse_assignments
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.parameters import ParameterError, check_parameters, literals
from cliplite_core.storage.files import write_text
from cliplite_core.storage.memory import peak_memory_gib
from cliplite_core.storage.places import PROJECT, results_directory

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = PROJECT / "notebooks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `notebook` takes: its name, its parameters, and where to write what the run took."""
    parser.add_argument("name", metavar="NAME", help="a file of notebooks/ without its ending, e.g. 04_retrieval")
    parameters = "parameters of its first code cell, e.g. profile=scenes"
    parser.add_argument("assignments", metavar="NAME=VALUE", nargs="*", default=[], help=parameters)
    parser.add_argument(
        "--summary", type=Path, metavar="FILE", help="also write seconds and peak memory to this JSON file"
    )
    parser.epilog = "example:\n  cliplite notebook 04_retrieval profile=scenes seeds=3"


def run(options: argparse.Namespace) -> int:
    """Run one notebook and print one line about it, or the failing cell's traceback."""
    source, parameters = checked(options.name, parse_assignments(options.assignments))

    from papermill.exceptions import PapermillExecutionError  # behind what can be wrong: papermill takes seconds

    try:
        summary = execute(source, parameters)
    except PapermillExecutionError as error:
        print(f"error: {options.name}, cell {error.cell_index}:\n{error}", file=sys.stderr)
        return 1
    print(f"  {options.name:<24} {summary['seconds']:7.1f} s   {summary['peak_memory_gib']} GiB", flush=True)
    if options.summary:
        write_text(options.summary, json.dumps(summary) + "\n")
    return 0


def checked(name: str, given: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Find a notebook and hold parameters against its own, which papermill would only warn about.

    Args:
        name: the notebook, without ending, e.g. "04_retrieval".
        given: parameter = value.

    Returns:
        The notebook's path, and the parameters with the types of its defaults.

    Raises:
        ParameterError: there is no such notebook or parameter, or a value of another type; the message names it.
        ConfigError: unknown profile.
    """
    source = NOTEBOOKS / f"{name}.ipynb"
    known = sorted(path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
    if name not in known:
        raise ParameterError(f"no notebook {name!r}; there are: {', '.join(known)}")
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    defaults = literals("".join(next(c for c in cells if "parameters" in c["metadata"].get("tags", ()))["source"]))
    parameters = {"profile": defaults["profile"]} | check_parameters(defaults, given, source.name)
    if parameters["profile"].endswith(".toml"):
        parameters["profile"] = str(Path(parameters["profile"]).resolve())  # the notebook runs in its own folder
    claim(parameters["profile"])
    return source, parameters


def execute(source: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Execute a notebook with papermill into `results/PROFILE/notebooks/`.

    Args:
        source: the notebook.
        parameters: name = value, as `checked` returns them.

    Returns:
        What the summary prints: notebook, profile, seconds, and peak memory of the kernel in GiB.

    Raises:
        PapermillExecutionError: a cell failed; the former output, if any, is untouched.
    """
    import nbformat
    import papermill

    started = time.perf_counter()
    executed = papermill.execute_notebook(
        source,
        None,  # written below and whole: a notebook whose last cells did not run looks like one that did
        parameters,
        progress_bar=False,
        log_output=False,
        cwd=NOTEBOOKS,
        kernel_name="python3",
        extra_arguments=["--log-level=CRITICAL"],  # no line about unencrypted loopback sockets in every log
    )
    profile = load_profile(parameters["profile"]).profile
    output = results_directory(profile) / "notebooks" / source.name
    write_text(output, nbformat.writes(_without_run_metadata(executed)) + "\n")
    seconds = round(time.perf_counter() - started, 1)
    memory = peak_memory_gib(children=True)
    return {"notebook": source.stem, "profile": profile, "seconds": seconds, "peak_memory_gib": memory}


def _without_run_metadata(notebook: NotebookNode) -> NotebookNode:
    """Drop times, paths, widgets and made-up ids, so that two equal runs write equal notebooks."""
    for metadata in (notebook.metadata, *(cell.metadata for cell in notebook.cells)):
        for key in ("papermill", "execution", "widgets"):
            metadata.pop(key, None)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell["id"] = "injected-parameters"  # papermill makes up another each time
            cell.metadata["jupyter"] = {"source_hidden": True}  # folded away: the cell above says what it means
        for output in cell.get("outputs", ()):  # a widget without its kernel shows nothing
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    return notebook
