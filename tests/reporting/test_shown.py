"""Notebooks show a published run, and only one of the very code they hold."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from cliplite_core.reporting.shown import show_outputs


@pytest.fixture
def folders(tmp_path):
    written, executed = tmp_path / "notebooks", tmp_path / "executed"
    written.mkdir(), executed.mkdir()
    parameters = new_code_cell("seeds = 1", metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters, new_code_cell("print(seeds)")]), written / "04_short.ipynb")
    injected = new_code_cell("# Parameters\nseeds = 3", metadata={"tags": ["injected-parameters"]})
    ran = new_code_cell("print(seeds)", outputs=[new_output("stream", text="3\n")], execution_count=3)
    nbformat.write(new_notebook(cells=[parameters, injected, ran]), executed / "04_short.ipynb")
    return executed, written


def test_outputs_are_taken_over_and_injected_parameters_are_not(folders):
    assert show_outputs(*folders) == ["04_short"]
    cells = nbformat.read(folders[1] / "04_short.ipynb", as_version=4).cells
    assert [cell.source for cell in cells] == ["seeds = 1", "print(seeds)"]
    assert cells[1].outputs[0].text == "3\n" and cells[1].execution_count == 3


def test_outputs_of_other_code_are_refused(folders):
    path = folders[1] / "04_short.ipynb"
    path.write_text(path.read_text().replace("print(seeds)", "print(seeds + 1)"))
    before = path.read_text()
    with pytest.raises(ValueError, match="another version of 04_short"):
        show_outputs(*folders)
    assert path.read_text() == before
