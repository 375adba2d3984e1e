"""The book: what it says comes from the code and from what was published, and its links lead somewhere."""

from __future__ import annotations

import csv
import doctest
import json
from importlib import import_module, util
from pathlib import Path

import pytest

from book import PAGES, PROJECT, RESULTS, links, notebooks, pages, results
from book.commands import commands_page
from book.configuration import configuration_page
from book.figures import CAPTIONS
from book.links import Names, bring_files
from book.pages import citation, in_one_minute
from cliplite_core.commands.parser import VERBS
from cliplite_core.config import SECTION_OF
from cliplite_core.objectives import jsd_bound
from cliplite_core.reporting.claims import AHEAD, OPEN, UNTESTED
from cliplite_core.reporting.claims import BEHIND as CLIP_AHEAD

NAMES = Names.of_package()


@pytest.fixture
def published(tmp_path, monkeypatch) -> Path:
    """A folder of results with one profile: a notebook, a figure and a verdict."""
    profile = tmp_path / "results" / "scenes"
    for folder in ("notebooks", "figures", "tables", "metrics"):
        (profile / folder).mkdir(parents=True)
    (profile / "README.md").write_text("# Results of the profile `scenes`\n\nAs found.\n")
    (profile / "figures" / "overview.png").write_bytes(b"")
    with (profile / "tables" / "claims.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["claim", "paper", "regime", "CLIP-Lite here", "against", "difference", "verdict", "seeds"])
        for regime in ("short", "long"):
            rows.writerow(["one negative is enough", "+1", regime, "1.0 ± 0.1", "3.0", "-2.0 ± 0.1", CLIP_AHEAD, "3"])
    injected = '# Parameters\nprofile = "scenes"\nseeds = 3'
    picture = {"data": {"image/png": "…"}}
    figure = picture | {"metadata": {"figure": "retrieval"}}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Title\n\n$$a = b$$\nas `jsd_bound` has it"},
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": 'profile = "smoke"  # which\nseeds = 1'},
        {"cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "source": injected},
        {"cell_type": "code", "metadata": {}, "source": "x", "outputs": [{"text": "written: retrieval.json"}]},
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": [figure]},
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": [picture]},
    ]  # fmt: skip
    (profile / "notebooks" / "04_retrieval.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))
    made = {"parameters": {"seeds": 1}, "device": "CPU", "git_commit": "19d778bd28d439"}
    (profile / "metrics" / "retrieval.json").write_text(json.dumps(made))
    for module in (results, notebooks):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return profile


@pytest.mark.parametrize(
    "name", ["links", "configuration", "commands", "api", "pages", "results", "notebooks", "figures"]
)
def test_examples_of_the_books_own_modules_hold(name):
    assert doctest.testmod(import_module(f"book.{name}"), optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_every_verb_and_every_field_has_its_place():
    text = commands_page()
    assert all(f"\n## {verb}\n" in text and f"usage: cliplite {verb}" in text for verb in VERBS)
    assert text.count("example:") >= len(VERBS)
    fields = configuration_page()
    assert [name for name in SECTION_OF if f"(field-{name})=" not in fields] == []
    assert "whole number, at least 2, at most 1e+07; default: `1024`" in fields  # batch_size


def test_a_chapter_shows_the_values_it_ran_with_its_equations_and_where_it_is_from(published):
    cells = notebooks.chapter(published / "notebooks" / "04_retrieval.ipynb", "scenes")["cells"]
    assert cells[0]["source"].splitlines()[2:5] == ["$$", "a = b", "$$"]
    assert "3 seeds, CPU, commit 19d778bd28" in cells[1]["source"]  # as the notebook ran, whatever the file says
    assert "cliplite notebook 04_retrieval profile=scenes seeds=3" in cells[1]["source"]
    assert cells[2]["source"] == 'profile = "scenes"  # which\nseeds = 3'
    assert "remove-cell" in cells[3]["metadata"]["tags"]


def test_a_figure_is_described_to_those_who_do_not_see_it(published):
    cells = notebooks.chapter(published / "notebooks" / "04_retrieval.ipynb", "scenes")["cells"]
    named, unnamed = (cell["metadata"]["mystnb"]["image"]["alt"] for cell in cells[-2:])
    assert named == CAPTIONS["retrieval"] and unnamed == "Title", "without a name, the heading above it"
    assert "mystnb" not in cells[-3]["metadata"]


def test_a_profile_without_results_only_leaves_its_page_out(published, tmp_path):
    assert results.write_results(tmp_path / "source") == ["scenes"]
    generated = tmp_path / "source" / "generated"
    assert "flickr8k" not in (generated / "profiles.md").read_text()
    assert (generated / "convergence.md").read_text() == ""
    assert (generated / "recipes.md").read_text() == ""
    assert notebooks.write_notebooks(tmp_path / "source", ["scenes"]) == ["04_retrieval"]


def test_a_verdict_is_that_of_the_published_table_and_has_its_colour(published):
    table = results.verdict_table("scenes")
    assert f'<span class="verdict no">{CLIP_AHEAD}</span>' in table
    assert "the paper: +1" in table and "regime" in table and "seeds" not in table
    assert table.count("one negative is enough") == 1 and "| −2.0" in table, "a claim is named once, above its regimes"
    assert results.VERDICTS.keys() == {AHEAD, CLIP_AHEAD, OPEN, UNTESTED}, "each verdict has a colour"


def test_every_published_figure_has_a_caption():
    names = {path.stem for path in (PROJECT / "results").glob("*/figures/*.png") if path.parts[-3] != "local"}
    assert names - CAPTIONS.keys() == set()
    assert all(words.endswith(".") and "_" not in words for words in CAPTIONS.values())


def test_chapters_of_several_profiles_have_different_titles(published):
    cells = notebooks.chapter(published / "notebooks" / "04_retrieval.ipynb", "flickr8k")["cells"]
    assert cells[0]["source"].startswith("# Title (Flickr8k, from scratch)\n")


def test_links_lead_to_pages_and_files_and_lose_what_is_in_neither(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "index.md").write_text("# Data")
    text = "[data](data/README.md#x), [data](data/), [pinned](constraints.txt), [gone](notebooks/none.ipynb), [out](https://a.b)"
    found = bring_files(text, tmp_path, tmp_path)
    assert (
        found == "[data](data/index.md#x), [data](data/index.md), [pinned](constraints.txt), gone, [out](https://a.b)"
    )
    assert (tmp_path / "constraints.txt").read_bytes() == (PROJECT / "constraints.txt").read_bytes()


def test_names_are_linked_in_prose_alone():
    linked = "{py:obj}`jsd_bound <cliplite_core.objectives.jsd_bound>`"
    assert NAMES.link("`jsd_bound` and `image`") == f"{linked} and `image`"
    for text in ("```python\n`jsd_bound`\n```", "[`jsd_bound`](x)", "{py:obj}`jsd_bound`", "`none_such`"):
        assert NAMES.link(text) == text
    assert NAMES.link("`text_pool`") == "[`text_pool`](#field-text_pool)"


def test_the_first_page_says_what_the_readme_says(tmp_path):
    text = in_one_minute()
    assert "**The paper claims**" in text and "](../results/" in text and "|" not in text
    (tmp_path / "generated").mkdir()
    pages.write_pages(tmp_path, ["04_retrieval", "08_ablations"])
    listed = (tmp_path / "generated" / "chapters.md").read_text()
    assert "04 · Retrieval <notebooks/04_retrieval>" in listed and "08 · When does one negative win?" in listed


def test_the_citation_is_the_papers():
    assert "@inproceedings{shrivastava2023," in citation() and "Ordonez, Vicente" in citation()


def test_no_written_page_holds_a_measured_number():
    """A number with a unit or an interval belongs to a metrics file, and pages include tables of these."""
    for path in PAGES.glob("*.md"):
        assert "±" not in path.read_text().replace("Mean ± half", ""), path.name


@pytest.mark.skipif(util.find_spec("sphinx") is None, reason="the extra `book` is not installed")
def test_code_on_a_page_is_the_cores_own_without_its_docstring():
    from book.code_of import EQUATIONS, source_without_docstring

    text = source_without_docstring("cliplite_core.objectives.jsd_bound")
    assert text.startswith("def jsd_bound(") and "Example" not in text and "return -F.softplus(" in text
    for name in EQUATIONS:
        module, _, function = name.rpartition(".")
        assert callable(getattr(import_module(module), function))
    assert jsd_bound.__name__ in links.CODE.search("`jsd_bound`")[0]


def test_published_profiles_leave_out_ones_own(published):
    (RESULTS / "local").exists()  # whether or not somebody ran something here
    (published.parent / "local").mkdir()
    (published.parent / "local" / "README.md").write_text("mine")
    assert results.published_profiles() == ["scenes"]
