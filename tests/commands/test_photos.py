import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cliplite_core.commands.photos import leave_out_photos, main
from cliplite_core.storage.places import results_directory

PICTURE = new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
PRINTED = new_output("stream", name="stdout", text="12 images\n")


@pytest.fixture
def results():
    folder = results_directory("flickr8k")
    for name in ("notebooks", "figures"):
        (folder / name).mkdir(parents=True)
    cells = [
        new_code_cell('axis.imshow(photo)\nsave_figure(figure, "contact_sheet", profile)', outputs=[PRINTED, PICTURE]),
        new_code_cell('axis.plot(x)\nsave_figure(figure, "training", profile)', outputs=[PICTURE]),
        new_markdown_cell("`imshow(` in words is no photograph"),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "notebooks" / "00_data.ipynb")
    for name in ("contact_sheet.png", "contact_sheet.pdf", "training.png", "contact_sheet_words.png"):
        (folder / "figures" / name).touch()
    return folder


def test_photographs_leave_figures_and_notebooks_and_nothing_else_does(results, capsys):
    assert main(["flickr8k"]) == 0 and "left out contact_sheet" in capsys.readouterr().out
    assert {path.name for path in (results / "figures").iterdir()} == {"training.png", "contact_sheet_words.png"}
    cells = nbformat.read(results / "notebooks" / "00_data.ipynb", as_version=4).cells
    assert cells[0].outputs[0] == PRINTED and "left out" in cells[0].outputs[1]["text"]
    assert cells[1].outputs == [PICTURE]


def test_leaving_them_out_twice_changes_nothing(results):
    names = leave_out_photos(results)
    first = (results / "notebooks" / "00_data.ipynb").read_bytes()
    assert leave_out_photos(results) == names == ["contact_sheet"]
    assert (results / "notebooks" / "00_data.ipynb").read_bytes() == first


def test_results_that_were_never_made_are_an_error(capsys):
    assert main(["flickr30k"]) == 2 and "make results PROFILE=flickr30k" in capsys.readouterr().err
