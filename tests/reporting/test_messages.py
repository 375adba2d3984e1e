"""Missing data ends a notebook with one message and a failed cell, not with a page of traceback."""

import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from cliplite_core.reporting.messages import message, raised_on_purpose
from cliplite_core.storage.places import PROJECT

BEGIN = f"""import sys
sys.path.insert(0, {str(PROJECT)!r})
from cliplite_core.data.splits import read_split
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.messages import explain_errors
explain_errors()"""


def test_missing_data_fails_the_cell_with_one_message_that_names_the_readers_line(tmp_path):
    cells = [BEGIN, 'config = load_profile("flickr8k")\nimages = read_split(config, "test")']
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.raises(CellExecutionError, match="needs files that are not there"):
        NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = book.cells[1].outputs[-1]
    text = "\n".join(shown.traceback)
    assert shown.output_type == "error" and shown.ename == "FileNotFoundError" and len(shown.traceback) <= 3
    assert "captions.txt" in text and "Traceback" not in text
    assert 'in line 2 of this cell: images = read_split(config, "test")' in text


def caught(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error, error.__traceback__
    raise AssertionError("nothing was raised")


def test_only_what_this_package_raises_on_purpose_is_a_message():
    from cliplite_core.profiles import load_profile
    from cliplite_core.storage.files import write_text

    assert raised_on_purpose(*caught(load_profile, "flickr9k"))
    assert not raised_on_purpose(*caught(int, "x"))  # the reader's own mistake
    assert not raised_on_purpose(*caught(load_profile, 3))  # a bug: pathlib or the reader's, not ours
    assert not raised_on_purpose(*caught(write_text, None, "x"))
    assert sys.exc_info() == (None, None, None)


def test_the_message_is_the_errors_own_words():
    from cliplite_core.profiles import load_profile

    error, trace = caught(load_profile, "flickr9k")
    assert any(str(error) in line for line in message(error, trace)) and len(message(error, trace)) == 3
