"""The written pages, and the texts of the project that are pages of the book as they stand."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml

from book import PAGES, PROJECT, RESULTS
from book.notebooks import title

TEXTS = {
    "data/README.md": "data/index.md",
    "data/SCENES.md": "data/SCENES.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}


def write_pages(source: Path, chapters: list[str]) -> None:
    """Copy the written pages, and list the chapters.

    Args:
        source: the root of the book's tree.
        chapters: the notebooks that have a page.
    """
    shutil.copytree(PAGES, source, dirs_exist_ok=True)
    for text, page in TEXTS.items():
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / text, source / page)
    titles = {chapter: title(PROJECT / "notebooks" / f"{chapter}.ipynb") for chapter in chapters}
    lines = "\n".join(f"{words} <notebooks/{chapter}>" for chapter, words in titles.items())
    toctree = f"```{{toctree}}\n:hidden:\n:caption: Notebooks\n\n{lines}\n```\n" if chapters else ""
    (source / "generated" / "in_one_minute.md").write_text(in_one_minute(), encoding="utf-8")
    (source / "generated" / "chapters.md").write_text(toctree, encoding="utf-8")
    (source / "generated" / "citation.md").write_text(citation(), encoding="utf-8")
    for table in (RESULTS / "benchmarks").glob("*.md"):  # without its title
        text = table.read_text(encoding="utf-8").partition("\n")[2]
        (source / "generated" / table.name).write_text(text, encoding="utf-8")


def in_one_minute() -> str:
    """Return what the README says was claimed and found, which the first page says, too."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^## In one minute\n(.*?)(?=^Each claim is weighed)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise ValueError("README.md: expected '## In one minute', and below it a line 'Each claim is weighed …'")
    return found[1].replace("](results/", "](../results/")  # seen from `generated/`


def citation() -> str:
    """Return the paper as BibTeX, from CITATION.cff."""
    paper = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))["preferred-citation"]
    authors = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in paper["authors"])
    key = f"{paper['authors'][0]['family-names'].lower()}{paper['year']}"
    fields = {"title": paper["title"], "author": authors, "booktitle": paper["collection-title"], "year": paper["year"]}
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in {**fields, "url": paper["url"]}.items())
    return f"```bibtex\n@inproceedings{{{key},\n{lines}\n}}\n```\n"
