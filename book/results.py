"""What is made of `results/`: a page for each published profile, and tables that written pages include."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from book import RESULTS, SHOWN, TITLES
from book.figures import caption
from book.notebooks import title
from cliplite_core.reporting.claims import paper_claims
from cliplite_core.reporting.reproduction import COLUMNS, explained
from cliplite_core.reporting.tables import MINUS

SHORT = {"regime": "regime", "CLIP-Lite here": "CLIP-Lite", "against": "CLIP", "difference": "difference"}
# Figures that written pages show, from the first profile that has them.
FIRST = {
    "convergence": "Recall against epochs: held out at the end, held out with early stopping, on training photos",
    "recipes": "Four measures of CLIP-Lite and CLIP along a chain of training recipes",
}
# As `reporting.claims` has them.
VERDICTS = {"CLIP-Lite ahead": "yes", "CLIP ahead": "no", "undecided": "open", "not tested": "open"}


def published_profiles() -> list[str]:
    """Return the profiles with published results, in the order of `TITLES`; `results/local` is somebody's own."""
    found = sorted(path.parent.name for path in RESULTS.glob("*/README.md") if path.parent.name != "local")
    return sorted(found, key=lambda name: (list(TITLES).index(name) if name in TITLES else len(TITLES), name))


def write_results(source: Path) -> list[str]:
    """Write `results/`: an index, a page for each profile, and what written pages include.

    Args:
        source: the root of the book's tree.

    Returns:
        The profiles that have a page.
    """
    profiles = published_profiles()
    for profile in profiles:
        page = source / "results" / profile / "index.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        text = (RESULTS / profile / "README.md").read_text(encoding="utf-8")
        text = re.sub(r"\A# .*", f"# {TITLES.get(profile, profile)}", text)
        text = text.partition("## What is here")[0]  # the names of files, which the page shows
        if table := main_table(profile):
            text = text.replace(table.strip(), _classed(table.strip(), "main"))
        page.write_text(f"{text}\n{_figures(source, profile)}{_notebooks(profile)}", encoding="utf-8")
    fragments = source / "generated"
    fragments.mkdir(parents=True, exist_ok=True)
    (fragments / "verdicts.md").write_text(tabs(profiles, verdict_table), encoding="utf-8")
    (fragments / "measured.md").write_text(tabs(profiles, main_table), encoding="utf-8")
    (fragments / "reproduction.md").write_text(f"{explained(SHOWN)}\n{COLUMNS}\n", encoding="utf-8")
    (fragments / "profiles.md").write_text(_list_of_profiles(profiles), encoding="utf-8")
    for name in FIRST:
        (fragments / f"{name}.md").write_text(_first_figure(name, profiles), encoding="utf-8")
    return profiles


def tabs(profiles: list[str], table: Callable[[str], str]) -> str:
    """Return one tab for each profile that has the table, by what it was trained on."""
    parts = []
    for profile in profiles:
        if text := table(profile):
            parts.append(f":::{{tab-item}} {TITLES.get(profile, profile)}\n:sync: {profile}\n\n{text}\n:::\n")
    return "::::{tab-set}\n" + "\n".join(parts) + "::::\n" if parts else "*No results are published yet.*\n"


def verdict_table(profile: str) -> str:
    """Return a profile's verdict on each claim of the paper as Markdown, from its published tables; "" without any.

    A claim stands in the first of its lines only, in few words, with the paper's figure below it.
    """
    path = RESULTS / profile / "tables" / "claims.csv"
    if not path.exists():
        return ""
    short = dict(zip(*(paper_claims()[column] for column in ("name", "short")), strict=True))
    found = pd.read_csv(path, dtype=str)
    paper = ('<span class="paper">the paper: ' + found["paper"] + "</span>").mask(found["paper"] == "–", "")
    named = (found["claim"].map(short).fillna(found["claim"]) + " " + paper).mask(found["claim"].duplicated(), "")
    cells = found[list(SHORT)].rename(columns=SHORT).replace({r"^-": MINUS}, regex=True)
    table = pd.concat([named.rename("claim"), cells, found["verdict"].map(_marked)], axis="columns")
    return _classed(table.to_markdown(index=False, disable_numparse=True), "verdicts")


def _classed(table: str, name: str) -> str:
    """Give a Markdown table a class for the style sheet."""
    return f"```{{table}}\n:class: {name}\n\n{table}\n```\n"


def main_table(profile: str) -> str:
    """Return a profile's table of all measurements as Markdown; "" if it has none."""
    path = RESULTS / profile / "tables" / "main.md"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _marked(cell: str) -> str:
    """Give a verdict its colour; any other cell stays as it is."""
    kind = next((kind for start, kind in VERDICTS.items() if cell.startswith(start)), None)
    return f'<span class="verdict {kind}">{cell}</span>' if kind and cell != "–" else cell


def _figures(source: Path, profile: str) -> str:
    """Return a gallery of a profile's figures, each with a caption and its files."""
    figures = sorted((RESULTS / profile / "figures").glob("*.png"))
    if not figures:
        return ""
    shutil.copytree(RESULTS / profile / "figures", source / "results" / profile / "figures", dirs_exist_ok=True)
    cards = []
    for path in figures:
        links = [path.name] + [path.with_suffix(".pdf").name] * path.with_suffix(".pdf").exists()
        files = " · ".join(f"{{download}}`{name[-3:].upper()} <figures/{name}>`" for name in links)
        words = caption(path.stem)
        cards.append(f":::{{grid-item-card}}\n![{words}](figures/{path.name})\n\n{words} ({files})\n:::\n")
    return (
        "## The figures\n\n::::{grid} 1 2 2 2\n:gutter: 3\n:class-container: figures\n\n"
        + "\n".join(cards)
        + "::::\n\n"
    )


def _notebooks(profile: str) -> str:
    """Return the table of contents of a profile's notebooks; those of the shown profile are chapters of their own."""
    paths = sorted((RESULTS / profile / "notebooks").glob("[0-9]*.ipynb"))
    if not paths or profile == SHOWN:
        return ""
    return (
        "## Its notebooks\n\n```{toctree}\n:maxdepth: 1\n\n"
        + "\n".join(f"{title(p)} <notebooks/{p.stem}>" for p in paths)
        + "\n```\n"
    )


def _list_of_profiles(profiles: list[str]) -> str:
    lines = "\n".join(f"results/{profile}/index" for profile in profiles)
    return f"```{{toctree}}\n:hidden:\n:caption: Results\n\n{lines}\n```\n" if profiles else ""


def _first_figure(name: str, profiles: list[str]) -> str:
    """Return the figure of the first profile that has it, as Markdown for a page at the root; "" if none has."""
    for profile in profiles:
        if (RESULTS / profile / "figures" / f"{name}.png").exists():
            return f"```{{image}} /results/{profile}/figures/{name}.png\n:class: wide\n:alt: {FIRST[name]}\n```\n"
    return ""
