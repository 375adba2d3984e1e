"""Serve notebook 11 as a page to try a model on: type a sentence, see pictures, click one.

The model is trained first if a profile has none yet, and the pictures are embedded, so that the page opens quickly. The
page is for this machine alone, and ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cliplite_core.commands.notebook import checked
from cliplite_core.commands.overrides import parse_assignments, take
from cliplite_core.profiles import load_profile, profile_names
from cliplite_core.storage.places import published_directory, run_directory

NOTEBOOK = "11_explore"
EPILOG = """
images=FOLDER      your own pictures; left out = those of the profile
sentences=FILE     sentences to describe a picture with, one per line
names="a, b"       names for the picture that is clicked
port=8866          where the page is served: http://localhost:8866
browser=yes        "no" = open none

example:
  cliplite demo results/flickr8k/model images=~/Pictures"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `demo` takes: a profile or a model, and the parameters of the page."""
    what = "a profile, or a saved model: directory, run directory, hub id (default: scenes)"
    parser.add_argument("model", metavar="MODEL", nargs="?", default="scenes", help=what)
    parser.add_argument("assignments", metavar="NAME=VALUE", nargs="*", default=[], help="see below")
    parser.epilog = EPILOG


def run(options: argparse.Namespace) -> int:
    """Prepare the page and serve it until Ctrl-C."""
    model, assignments = options.model, options.assignments
    if "=" in model and not model.endswith(".toml"):
        model, assignments = "scenes", [model, *assignments]
    values = parse_assignments(assignments)
    server = take(values, "demo", port=8866, browser="yes")
    if server["port"] > 65535 or server["browser"] not in ("yes", "no"):
        raise ValueError(f"port, browser: got {server['port']}, {server['browser']}; expected 1 to 65535, yes or no")
    if find_spec("voila") is None:
        raise ValueError("the page is served by Voilà, which is not installed; it comes with: pip install voila")
    given = {**page_parameters(model), **values}
    given |= {name: str(Path(given[name]).expanduser().resolve()) for name in ("images", "sentences") if name in values}
    _, given = checked(NOTEBOOK, given)

    from cliplite_core.commands.index import described
    from cliplite_core.explore.open import open_explorer

    # Before the page is served what takes long, or goes wrong: a training, the embedding of the pictures.
    explorer = open_explorer(*(given.get(name, "") for name in ("profile", "model", "images", "sentences")))
    print(described(explorer.index), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        page = write_page(Path(folder) / "explore.ipynb", given)
        command = [sys.executable, "-m", "voila", str(page), "--template=explore", f"--port={server['port']}"]
        # One page is always ready, its notebook run before anybody asks for it.
        command += ["--preheat_kernel=True", "--pool_size=1", "--Voila.log_level=ERROR"]
        command += ["--no-browser"] if server["browser"] == "no" else []
        print(f"the page: http://localhost:{server['port']}  (Ctrl-C ends it)", flush=True)
        return serve(command, os.environ | {"JUPYTER_PATH": os.pathsep.join(template_paths())})


def serve(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a server until it ends, or this process is told to; neither leaves the other behind."""
    with subprocess.Popen(command, env=environment) as server:
        former = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            return server.wait()
        finally:
            server.terminate()
            signal.signal(signal.SIGTERM, former)


def template_paths() -> list[str]:
    """Return the folders in which Jupyter looks for more than its own; the page's template is in the first."""
    others = os.environ.get("JUPYTER_PATH", "")
    return [str(Path(__file__).parents[1] / "explore" / "jupyter"), *filter(None, others.split(os.pathsep))]


def page_parameters(model: str) -> dict[str, str]:
    """Return the notebook's parameters for a profile or a saved model.

    Args:
        model: name of a profile, path of a .toml file, or anything that `CLIPLite.load` takes. A profile that was not
            trained here is shown by its published model, where there is one.
    """
    if model not in profile_names() and not model.endswith(".toml"):
        return {"model": str(Path(model).resolve()) if Path(model).exists() else model}
    published = published_directory(model) / "model"
    trained = (run_directory(load_profile(model)) / "run.json").exists()
    return {"model": str(published)} if published.is_dir() and not trained else {"profile": model}


def write_page(path: Path, given: Mapping[str, Any]) -> Path:
    """Write the notebook's code with other parameters, without what is there to be read."""
    import nbformat

    source, _ = checked(NOTEBOOK, {})
    book = nbformat.read(source, as_version=4)
    code = [cell for cell in book.cells if {"parameters", "on-page"} & {*cell.metadata.get("tags", ())}]
    parameters = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    book.cells = [code[0], nbformat.v4.new_code_cell(f"# Parameters\n{parameters}"), *code[1:]]
    nbformat.write(book, path)
    return path
