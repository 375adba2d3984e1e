"""Open the notebooks in JupyterLab, at the project's root and on copies in `lab/`, which git ignores.

A copy that was not touched follows its notebook. One that was, if only by running it, is never overwritten.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from cliplite_core.storage.files import replacing, write_text
from cliplite_core.storage.places import PROJECT

RECORD = ".copied.json"  # in the folder of the copies: what each was when it was made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `lab` takes."""
    parser.add_argument("--copy-only", action="store_true", help="make the copies and open nothing")
    parser.epilog = "example:\n  cliplite lab"


def run(options: argparse.Namespace) -> int:
    """Copy the notebooks, say where, and open JupyterLab; its exit status is handed on."""
    folder = PROJECT / "lab"
    for line in copy_notebooks(PROJECT / "notebooks", folder):
        print(line, file=sys.stderr, flush=True)
    if options.copy_only:
        return 0
    opened = ["--ServerApp.root_dir", str(PROJECT), "--LabApp.default_url", "/lab/tree/lab/00_data.ipynb"]
    return subprocess.run([sys.executable, "-m", "jupyterlab", *opened], cwd=PROJECT).returncode


def copy_notebooks(source: Path, folder: Path) -> list[str]:
    """Copy every notebook that has no copy, or whose copy is as it was made.

    Args:
        source: the folder of the notebooks.
        folder: of the copies; made if need be.

    Returns:
        What to tell the reader: where the copies are, and which of them are older than their notebook but theirs.
    """
    record = folder / RECORD
    made = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    kept = []
    for path in sorted(source.glob("[0-9]*.ipynb")):
        copy, now = folder / path.name, _digest(path)
        if copy.exists() and _digest(copy) != made.get(path.name):
            kept += [path.name] if made.get(path.name) != now else []
        elif not copy.exists() or made[path.name] != now:
            with replacing(copy) as temporary:
                shutil.copyfile(path, temporary)
            made[path.name] = now
    write_text(record, json.dumps(made, indent=1) + "\n")
    lines = [f"copies: {folder} (saving there leaves {source.name}/ as it is)"]
    return lines + [f"kept: {folder.name}/{name} is yours; {source.name}/{name} has changed since" for name in kept]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
