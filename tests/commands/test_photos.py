import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from cliplite_core.__main__ import main
from cliplite_core.commands.photos import leave_out_photos
from cliplite_core.reporting.figures import shows_photographs
from cliplite_core.reporting.plots.common import picture as draw
from cliplite_core.storage.places import results_directory


def picture(name: str, photographs: bool) -> nbformat.NotebookNode:
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}
    return new_output("display_data", data=data, metadata={"figure": name, "photographs": photographs})


PRINTED = new_output("stream", name="stdout", text="12 images\n")


@pytest.fixture
def results():
    folder = results_directory("flickr8k")
    for name in ("notebooks", "figures"):
        (folder / name).mkdir(parents=True)
    cells = [
        new_code_cell("experiment.show(photos(items))", outputs=[PRINTED, picture("contact_sheet", True)]),
        new_code_cell("experiment.show(curves(log))", outputs=[picture("training", False)]),
        new_markdown_cell("words"),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "notebooks" / "00_data.ipynb")
    for name in ("contact_sheet.png", "contact_sheet.pdf", "training.png", "contact_sheet_words.png"):
        (folder / "figures" / name).touch()
    return folder


def test_photographs_leave_figures_and_notebooks_and_nothing_else_does(results, capsys):
    assert main(["photos", "flickr8k"]) == 0 and "left out contact_sheet" in capsys.readouterr().out
    assert {path.name for path in (results / "figures").iterdir()} == {"training.png", "contact_sheet_words.png"}
    cells = nbformat.read(results / "notebooks" / "00_data.ipynb", as_version=4).cells
    assert cells[0].outputs[0] == PRINTED and "left out" in cells[0].outputs[1].data["text/plain"]
    assert cells[1].outputs == [picture("training", False)]


def test_leaving_them_out_twice_changes_nothing(results):
    names = leave_out_photos(results)
    first = (results / "notebooks" / "00_data.ipynb").read_bytes()
    assert leave_out_photos(results) == names == ["contact_sheet"]
    assert (results / "notebooks" / "00_data.ipynb").read_bytes() == first


def test_results_that_were_never_made_are_an_error(capsys):
    assert main(["photos", "flickr30k"]) == 2 and "make results PROFILE=flickr30k" in capsys.readouterr().err


def test_only_pictures_from_files_count_as_photographs(tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    shown, (axis, other) = plt.subplots(1, 2)
    other.imshow(np.random.default_rng(0).random((6, 6, 4)))  # a coloured table
    other.imshow(np.zeros((6, 6)))  # a heat map
    assert not shows_photographs(shown)
    draw(axis, tmp_path / "a.png")
    assert shows_photographs(shown)
    plt.close(shown)
