"""Missing data ends a notebook with one message and a failed cell, not with a page of traceback."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

EXPERIMENT = (
    'from cliplite_core.reporting.experiment import Experiment\nexperiment = Experiment("data", "flickr8k", None)'
)


def failed(tmp_path, *cells: str) -> nbformat.NotebookNode:
    """Executes cells, of which the last must fail, and returns the output of that failure."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.raises(CellExecutionError):
        NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    return next(output for output in book.cells[len(cells) - 1].outputs if output.output_type == "error")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Three failures of one kernel: data that is not there, a bug in a library, and the reader's own mistake."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPLITE_DATA", str(folder))
        return {
            "missing": failed(folder, EXPERIMENT, "1 + 1", 'images = experiment.read_split("test")'),
            "own": failed(folder, EXPERIMENT, "def halve(n):\n    return [][n // 2]", 'int("x")'),
            "traceback": failed(folder, EXPERIMENT.replace("flickr8k", "flickr9k")),
        }


def test_missing_data_is_one_message_that_names_the_file_and_the_readers_line(shown):
    output = shown["missing"]
    text = "\n".join(output.traceback)
    assert output.ename == "FileNotFoundError" and len(output.traceback) <= 3
    assert "flickr8k" in text and "not found" in text
    assert 'in line 1 of this cell: images = experiment.read_split("test")' in text
    assert "Traceback" not in text


def test_an_unknown_profile_is_one_message_too(shown):
    output = shown["traceback"]
    assert output.ename == "ConfigError" and len(output.traceback) <= 3
    assert "flickr9k" in output.evalue


def test_what_is_not_ours_keeps_its_traceback(shown):
    output = shown["own"]
    assert output.ename == "ValueError" and "Traceback" in "\n".join(output.traceback)
