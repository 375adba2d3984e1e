"""`make lab` works on copies: a reader's edits are never overwritten, untouched copies follow their notebook."""

import pytest

from cliplite_core.commands.lab import copy_notebooks


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("00_data.ipynb", "01_pretrain.ipynb"):
        (folder / name).write_text(name)
    (folder / "notes.txt").write_text("no notebook")
    return folder


def test_copies_are_made_once_and_the_reader_is_told_where(source, tmp_path):
    lines = copy_notebooks(source, tmp_path / "lab")
    assert sorted(path.name for path in (tmp_path / "lab").glob("[0-9]*")) == ["00_data.ipynb", "01_pretrain.ipynb"]
    assert (tmp_path / "lab" / "00_data.ipynb").read_text() == "00_data.ipynb"
    assert len(lines) == 1 and str(tmp_path / "lab") in lines[0]


def test_an_untouched_copy_follows_its_notebook(source, tmp_path):
    copy_notebooks(source, tmp_path / "lab")
    (source / "00_data.ipynb").write_text("better")
    assert len(copy_notebooks(source, tmp_path / "lab")) == 1
    assert (tmp_path / "lab" / "00_data.ipynb").read_text() == "better"


def test_a_copy_that_was_saved_stays_and_the_reader_is_told_once_its_notebook_has_changed(source, tmp_path):
    copy_notebooks(source, tmp_path / "lab")
    (tmp_path / "lab" / "00_data.ipynb").write_text("mine")
    assert len(copy_notebooks(source, tmp_path / "lab")) == 1  # nothing newer to tell of
    (source / "00_data.ipynb").write_text("better")
    lines = copy_notebooks(source, tmp_path / "lab")
    assert (tmp_path / "lab" / "00_data.ipynb").read_text() == "mine"
    assert lines[1:] == ["kept: lab/00_data.ipynb is yours; notebooks/00_data.ipynb has changed since"]


def test_a_file_of_that_name_that_was_no_copy_is_the_readers_too(source, tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "00_data.ipynb").write_text("mine")
    assert "kept: lab/00_data.ipynb" in copy_notebooks(source, tmp_path / "lab")[1]
    assert (tmp_path / "lab" / "00_data.ipynb").read_text() == "mine"
