"""The notebooks as readers and papermill meet them, and proof that nbval can fail."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from smoke_copies import CHECKED, checked_cells, smoke_copy

from cliplite_core.__main__ import main
from cliplite_core.commands.notebook import NOTEBOOKS, checked
from cliplite_core.commands.overrides import parse_assignments
from cliplite_core.reporting.parameters import ParameterError

PATHS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells(path: Path, kind: str = "code") -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def lines_of(cell: nbformat.NotebookNode) -> int:
    return len([line for line in cell.source.splitlines() if line.strip()])


def test_the_numbered_notebooks_are_there():
    assert {"00_data", "01_pretrain", "04_retrieval", "05_zero_shot", "09_results"} <= {path.stem for path in PATHS}


@every_notebook
def test_first_code_cell_holds_scalar_parameters_and_the_profile_that_readers_see(path):
    first = cells(path)[0]
    assert first.metadata.tags == ["parameters"]
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(first.source).body}
    assert values["profile"] == "scenes", "what readers see; nbval runs on copies"
    assert all(isinstance(value, str | int | float | bool) for value in values.values())


@every_notebook
def test_a_notebook_reads_as_the_paper_and_not_as_plumbing(path):
    source = "\n".join(cell.source for cell in cells(path))
    assert not re.search(r"^\s*class |!pip|%pip|/home/|/work/|/root/|\.pivot|\.csv\"|\.json\"", source, re.MULTILINE)
    assert statistics.median(map(lines_of, cells(path))) <= 8 and max(map(lines_of, cells(path))) <= 20
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 4, f"{node.name} belongs into cliplite_core"
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


def test_all_notebooks_together_are_read_in_an_evening():
    assert sum(lines_of(cell) for path in PATHS for cell in cells(path)) <= 900


def test_no_code_stands_in_two_notebooks():
    seen: dict[str, str] = {}
    for path in PATHS:
        for cell in cells(path):
            body = "\n".join(line for line in cell.source.splitlines() if "import" not in line)
            if lines_of(cell) > 3 and "parameters" not in cell.metadata.get("tags", []):
                assert seen.setdefault(body, path.stem) == path.stem, f"{path.stem} repeats {seen[body]}:\n{body}"


def test_only_the_first_training_notebook_takes_a_step_by_hand_and_in_a_dozen_lines():
    steps = {path.stem: cell for path in PATHS for cell in cells(path) if ".backward()" in cell.source}
    assert list(steps) == ["01_pretrain"] and lines_of(steps["01_pretrain"]) <= 12


@every_notebook
def test_a_notebook_ends_with_exercises_and_their_answers(path):
    last = cells(path, "markdown")[-1].source
    assert "Exercises" in last and "<details><summary>Answers</summary>" in last and "</details>" in last
    asked, answered = last.split("<details>")
    numbered = re.compile(r"^\d\. ", re.MULTILINE)
    assert 2 <= len(numbered.findall(asked)) == len(numbered.findall(answered)) <= 3


@every_notebook
def test_notebook_says_what_it_does_not_show(path):
    assert any("does not show" in cell.source for cell in cells(path, "markdown"))


@every_notebook
def test_a_checked_cell_has_a_count_and_an_output(path):
    found = list(checked_cells(smoke_copy(path)))
    assert found, "nbval would pass vacuously"
    for cell in found:
        assert cell.execution_count and any(output.get("text", "").strip() for output in cell.outputs)


@every_notebook
def test_committed_outputs_are_complete_and_hold_no_machine_paths(path):
    for cell in cells(path):
        assert cell.execution_count, f"cell {cell.id} was committed without being run"
        assert not any(output.output_type == "error" for output in cell.outputs)
        text = "".join(
            str(output.get("text", "")) + str(output.get("data", {}).get("text/html", "")) for output in cell.outputs
        )
        assert not re.search(r"(/home/|/root/|/tmp/|/work/|/Users/)", text)
    assert "papermill" not in nbformat.read(path, as_version=4).metadata


@every_notebook
def test_changing_one_digit_of_a_checked_output_fails_nbval(path, tmp_path):
    book = smoke_copy(path)
    last = next(i for i, cell in enumerate(book.cells) if CHECKED in cell.metadata.get("tags", []))
    book.cells = [cell for cell in book.cells[: last + 1] if cell.cell_type == "code"]
    output = next(output for output in book.cells[-1].outputs if re.search(r"\d", output.text))
    digit = re.search(r"\d", output.text)
    changed = str((int(digit.group()) + 1) % 10)
    output.text = output.text[: digit.start()] + changed + output.text[digit.end() :]
    nbformat.write(book, tmp_path / path.name)
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, path.name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout[-2000:]
    assert "mismatch 'stdout'" in done.stdout, done.stdout[-2000:]


def test_a_misspelt_parameter_stops_before_any_work_and_is_named(capsys):
    assert main(["notebook", "04_retrieval", "profile=smoke", "sedes=3"]) == 2
    assert "'sedes'" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["1e-4", "three", "1.5", "True", "[1]"])
def test_an_ill_typed_parameter_is_named_with_the_type_expected(value):
    with pytest.raises(ParameterError, match=r"'seeds' got .* expected int"):
        checked("04_retrieval", parse_assignments([f"seeds={value}"]))


def test_parameters_come_back_with_the_types_of_the_defaults():
    source, parameters = checked("04_retrieval", {"seeds": 3, "profile": "scenes"})
    assert source == NOTEBOOKS / "04_retrieval.ipynb" and parameters == {"seeds": 3, "profile": "scenes"}


def test_an_unknown_profile_or_notebook_stops_before_any_work(capsys):
    assert main(["notebook", "04_retrieval", "profile=scnes"]) == 2
    assert "scnes" in capsys.readouterr().err
    assert main(["notebook", "04_retrival"]) == 2
    assert "04_retrieval" in capsys.readouterr().err


def test_a_failing_cell_prints_its_traceback_and_leaves_the_former_output(tmp_path, monkeypatch, capsys):
    book = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    parameters = nbformat.v4.new_code_cell('profile = "smoke"', metadata={"tags": ["parameters"]})
    book.cells = [parameters, nbformat.v4.new_code_cell("1 / 0")]
    monkeypatch.setattr("cliplite_core.commands.notebook.NOTEBOOKS", tmp_path)
    monkeypatch.setenv("CLIPLITE_RESULTS", str(tmp_path / "results"))
    nbformat.write(book, tmp_path / "99_broken.ipynb")
    former = tmp_path / "results" / "smoke" / "notebooks" / "99_broken.ipynb"
    former.parent.mkdir(parents=True)
    former.write_text("what was there before")
    assert main(["notebook", "99_broken", "profile=smoke"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert former.read_text() == "what was there before"
    assert [path.name for path in former.parent.iterdir()] == [former.name]
