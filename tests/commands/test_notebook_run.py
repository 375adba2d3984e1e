"""What a notebook that ran leaves behind: itself, whole and the same each time, and what it took."""

import json

import nbformat
import pytest

from cliplite_core.__main__ import main
from cliplite_core.storage.places import results_directory


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A notebook of two cells in a folder of its own, as the command finds the project's."""
    monkeypatch.setattr("cliplite_core.commands.notebook.NOTEBOOKS", tmp_path)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    parameters = nbformat.v4.new_code_cell('profile = "smoke"\nseeds = 1', metadata={"tags": ["parameters"]})
    book.cells = [parameters, nbformat.v4.new_code_cell("print(profile, seeds + 1)")]
    nbformat.write(book, tmp_path / "98_short.ipynb")
    return tmp_path


def test_a_finished_run_leaves_its_notebook_and_its_summary_and_two_runs_leave_the_same(notebook, capsys):
    written = results_directory("smoke") / "notebooks" / "98_short.ipynb"
    contents = []
    for _ in range(2):
        assert main(["notebook", "98_short", "seeds=2", "--summary", str(notebook / "done" / "98.json")]) == 0
        contents.append(written.read_bytes())
    assert contents[0] == contents[1] and [path.name for path in written.parent.iterdir()] == [written.name]
    cells = nbformat.read(written, as_version=4).cells
    assert cells[-1].outputs[0]["text"] == "smoke 3\n" and cells[-1].execution_count
    assert "papermill" not in nbformat.read(written, as_version=4).metadata
    folded = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert [cell.source.splitlines()[0] for cell in folded] == ["# Parameters"]  # the reader sees the cell above it
    assert json.loads((notebook / "done" / "98.json").read_text())["notebook"] == "98_short"
    assert "98_short" in capsys.readouterr().out
