"""Runs a numbered notebook headlessly: parameters checked first, output renamed into place only on success.

python -m cliplite_core.notebook 04_retrieval profile=scenes seeds=3
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from cliplite_core.config import ConfigError
from cliplite_core.profiles import load_profile
from cliplite_core.storage.memory import peak_memory_gib
from cliplite_core.storage.places import PROJECT, results_directory

NOTEBOOKS = PROJECT / "notebooks"


class ParameterError(ValueError):
    """A parameter the notebook does not have, or a value of another type than its default."""


def check_parameters(notebook: Path, given: Mapping[str, str]) -> dict[str, Any]:
    """Compares parameters with the notebook's own, which papermill would only warn about.

    Args:
        notebook: a notebook with a cell tagged `parameters` that assigns scalars.
        given: name = value as text, as a command line has them.

    Returns:
        The values, converted to the types of the notebook's defaults.

    Raises:
        ParameterError: unknown name or wrong type; the message names it and what was expected.
    """
    defaults = {name: ast.literal_eval(p["default"]) for name, p in papermill.inspect_notebook(str(notebook)).items()}
    checked: dict[str, Any] = {}
    for name, text in given.items():
        if name not in defaults:
            raise ParameterError(f"{notebook.name} has no parameter {name!r}; it has: {', '.join(defaults)}")
        expected = type(defaults[name])
        value = text if expected is str else _literal(text)
        if type(value) is int and expected is float:
            value = float(value)
        if type(value) is not expected:
            raise ParameterError(f"{notebook.name}: parameter {name!r} got {text!r}, expected {expected.__name__}")
        checked[name] = value
    return checked


def run(name: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Executes a notebook with papermill into `results/PROFILE/notebooks/`.

    Args:
        name: the notebook, without ending, e.g. "04_retrieval".
        parameters: name = value as text.

    Returns:
        What the summary prints: notebook, profile, seconds, peak memory of the kernel in GiB, output.

    Raises:
        ParameterError, ConfigError: before anything runs.
        PapermillExecutionError: a cell failed; the former output, if any, is untouched.
    """
    source = NOTEBOOKS / f"{name}.ipynb"
    if not source.exists():
        known = ", ".join(path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")))
        raise ParameterError(f"no notebook {name!r}; there are: {known}")
    checked = check_parameters(source, parameters)
    if checked.get("profile", "").endswith(".toml"):
        checked["profile"] = str(Path(checked["profile"]).resolve())  # the notebook runs in its own folder
    profile = load_profile(checked.get("profile", "smoke")).profile
    output = results_directory(profile) / "notebooks" / source.name
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary, started = output.with_suffix(".partial.ipynb"), time.perf_counter()
    papermill.execute_notebook(
        source,
        temporary,
        checked,
        progress_bar=False,
        log_output=False,
        cwd=NOTEBOOKS,
        kernel_name="python3",
        extra_arguments=["--log-level=CRITICAL"],  # no line about unencrypted loopback sockets in every log
    )
    _without_run_metadata(temporary)
    os.replace(temporary, output)
    seconds = round(time.perf_counter() - started, 1)
    return {"notebook": name, "profile": profile, "seconds": seconds, "peak_memory_gib": peak_memory_gib(children=True)}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _without_run_metadata(path: Path) -> None:
    """Drops times, paths and widget state, so that two equal runs write equal notebooks."""
    notebook = nbformat.read(path, as_version=4)
    for metadata in (notebook.metadata, *(cell.metadata for cell in notebook.cells)):
        for key in ("papermill", "execution", "widgets"):
            metadata.pop(key, None)
    nbformat.write(notebook, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line, runs one notebook and prints one line about it, or the failing cell's traceback."""
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.notebook", description="Run a notebook headlessly.")
    parser.add_argument("name", help="e.g. 04_retrieval")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE")
    parser.add_argument("--summary", type=Path, help="also write seconds and peak memory to this JSON file")
    options = parser.parse_args(arguments)
    try:
        for assignment in options.parameters:
            if "=" not in assignment:
                raise ParameterError(f"{assignment!r}: expected NAME=VALUE")
        summary = run(options.name, dict(assignment.split("=", 1) for assignment in options.parameters))
    except (ParameterError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except PapermillExecutionError as error:
        print(f"error: {options.name}, cell {error.cell_index}:\n{error}", file=sys.stderr)
        return 1
    print(f"  {options.name:<24} {summary['seconds']:7.1f} s   {summary['peak_memory_gib']} GiB", flush=True)
    if options.summary:
        options.summary.parent.mkdir(parents=True, exist_ok=True)
        options.summary.write_text(json.dumps(summary) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
