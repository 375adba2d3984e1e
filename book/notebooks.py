"""Chapters: the notebooks as they were executed and published, each with a line about its run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from book import RESULTS, SHOWN, TITLES
from book.figures import caption
from cliplite_core.reporting.parameters import literals

EQUATION = re.compile(r"^\$\$(.+?)\$\$$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# The left column of a table of pandas, where it only counts its rows, and the empty corner above it.
COUNTED = re.compile(r"(<tr[^>]*>\s*)<th>(?:\d*)</th>")
PARAMETER = re.compile(r'^(\w+) = ("[^"]*"|\S+)', re.MULTILINE)


def write_notebooks(source: Path, profiles: list[str]) -> list[str]:
    """Write `notebooks/` from the shown profile's results, and `results/PROFILE/notebooks/` from the others'.

    Args:
        source: the root of the book's tree.
        profiles: those that have a page.

    Returns:
        The chapters, by the name of the notebook; one that was not published is left out.
    """
    chapters = []
    for profile in profiles:
        folder = source / "notebooks" if profile == SHOWN else source / "results" / profile / "notebooks"
        for path in sorted((RESULTS / profile / "notebooks").glob("[0-9]*.ipynb")):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.name).write_text(json.dumps(chapter(path, profile)), encoding="utf-8")
            downloads = folder / "downloads"
            downloads.mkdir(exist_ok=True)
            shutil.copy(path, downloads / path.name)
            chapters += [path.stem] if profile == SHOWN else []
    return chapters


def chapter(path: Path, profile: str) -> dict[str, Any]:
    """Return an executed notebook as a page: its run in words, its figures described, injected parameters folded away.

    Its equations have no numbers: those belong to the written pages, where each stands once.

    Args:
        path: the executed notebook.
        profile: the profile that it ran on.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    given: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", ()):
            given = literals("".join(cell["source"]))
            cell["metadata"]["tags"].append("remove-cell")
    heading = ""
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = EQUATION.sub(lambda found: f"$$\n{found[1].strip()}\n$$", text)
            heading = (HEADING.findall(text) or [heading])[-1]
        elif "parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = PARAMETER.sub(lambda found: _set(found, given), text)
            ran = literals(text) | given
        if words := _described(cell, heading):
            cell["metadata"]["mystnb"] = {"image": {"alt": words}}
        for output in cell.get("outputs", ()):
            if "text/html" in output.get("data", {}):
                output["data"]["text/html"] = as_table("".join(output["data"]["text/html"]))
    if profile != SHOWN:  # else three pages have one title in the search
        first = notebook["cells"][0]
        heading, _, rest = "".join(first["source"]).partition("\n")
        first["source"] = f"{heading.partition(':')[0]} ({TITLES.get(profile, profile)})\n{rest}"
    notebook["cells"].insert(1, _about(path, profile, ran))
    return notebook


def as_table(html: str) -> str:
    """Return a table of pandas without its count of rows, and with each number on one line with its interval.

    Example:
        >>> as_table("<tr><th></th><th>R@5</th></tr><tr><th>0</th><td>9.7 ± 2.0</td></tr>").replace("\xa0", "_")
        '<tr><th>R@5</th></tr><tr><td>9.7_±_2.0</td></tr>'
        >>> as_table("<tr><th></th><th>R@5</th></tr><tr><th>CLIP</th><td>9.7</td></tr>")  # a name is kept
        '<tr><th></th><th>R@5</th></tr><tr><th>CLIP</th><td>9.7</td></tr>'
    """
    html = html.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
    heads = re.findall(r"<tr[^>]*>\s*<th>([^<]*)</th>\s*<td", html)
    return COUNTED.sub(r"\1", html) if heads and heads == [str(number) for number in range(len(heads))] else html


def title(path: Path) -> str:
    """Return a notebook's title up to its colon, for a list in which every line should be short."""
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
    return "".join(first).splitlines()[0].removeprefix("# ").partition(":")[0]


def _described(cell: dict[str, Any], heading: str) -> str:
    """Return what a cell's figure shows, for those who do not see it: its caption, or else the heading above it."""
    shown = [output for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
    names = [output.get("metadata", {}).get("figure") for output in shown]
    return " ".join(caption(name) if name else heading for name in names)


def _set(line: re.Match, given: dict[str, Any]) -> str:
    """Return `name = value` with the value that was given."""
    return f"{line[1]} = {json.dumps(given[line[1]])}" if line[1] in given else line[0]


def _about(path: Path, profile: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the cell below the title: what the notebook ran on, how to run it, and the file to take along."""
    given = {name: value for name, value in parameters.items() if name in ("seeds", "grid")}
    command = " ".join(f"{name}={value}" for name, value in {"profile": profile, **given}.items())
    seeds = parameters.get("seeds")
    counted = f", {seeds} seed{'s' * (seeds != 1)}" if seeds else ""
    text = (
        f":::{{admonition}} Executed on `{profile}`{counted}{_made(path, profile)}\n:class: tip run\n"
        f"{{download}}`Download the executed notebook <downloads/{path.name}>`, or run it: "
        f"`cliplite notebook {path.stem} {command}`\n:::"
    )
    return {"cell_type": "markdown", "id": "as-published", "metadata": {"tags": []}, "source": text}


def _made(path: Path, profile: str) -> str:
    """Return commit and device of the run, as the metrics file that it wrote last tells them; "" without one."""
    written = re.findall(r"written: (\w+\.json)", path.read_text(encoding="utf-8"))
    folders = [RESULTS / profile / folder for folder in ("metrics", "timings")]
    metrics = next(
        (folder / name for name in reversed(written) for folder in folders if (folder / name).exists()), None
    )
    if metrics is None:
        return ""
    made = json.loads(metrics.read_text(encoding="utf-8"))
    commit = f", commit {made['git_commit'][:10]}" if made.get("git_commit") else ""
    return f", {made['device']}{commit}"
