"""Words that cannot be meant, and places where somebody else's files lie: named before any work, nothing replaced."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fault import CHECK, Own, P, contents

from cliplite_core.__main__ import main
from cliplite_core.commands.one_name import claim
from cliplite_core.storage.places import results_directory

PAIRS = ("data/own/captions.csv", "data/own/images")
PHOTO = "data/own/images/001.png"
REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "an option twice": ((*CHECK, "--workers", "1"), "--workers: given twice"),
    "an option twice, once with =": (("data", "check", P, "--workers=0", "--workers", "1"), "--workers: given twice"),
    "fewer than no workers": (("data", "check", P, "--workers", "-1"), "--workers: got -1"),
    "a field of another verb's": (("data", "ready", P, "port=1"), "unknown field 'port'"),
    "endless epochs": (("fit", *PAIRS, "new", "epochs=1e999"), "epochs: got inf"),
    "no epochs": (("fit", *PAIRS, "new", "epochs=0"), "epochs: got 0"),
    "two ways to fit": (("fit", *PAIRS, "new", "finetune=true", "from_scratch=true"), "got both"),
    "fit: a training split to tune on": (
        ("fit", *PAIRS, "new", "from_scratch=true", "val_split=train"), "val_split: got 'train', which is trained on"
    ),
    "endless operations": (("plan", P, "tflops=1e999"), "tflops: got inf"),
    "operations that are no number": (("plan", P, "tflops=NaN"), "'tflops' got 'NaN'"),
    "no devices": (("plan", P, "devices=0"), "devices: got 0"),
    "no pictures": (("search", "model", "dog", f"images={PAIRS[1]}", "k=0"), "k: got 0"),
    "half a picture": (("search", "model", "dog", f"images={PAIRS[1]}", "k=1.5"), "'k' got 1.5"),
    "words that the model does not know": (
        ("search", "model", "犬", f"images={PAIRS[1]}"), "the model knows no word of '犬'"
    ),
    "words and a picture": (("search", "model", "dog", "--image", PHOTO), "either WORDS"),
    "a picture that is none": (("search", "model", "--image", PAIRS[0], f"images={PAIRS[1]}"), "decoded as an image"),
    "a sheet of no format": (("search", "model", "dog", f"images={PAIRS[1]}", "--sheet", "a.txt"), "--sheet: a.txt"),
    "a folder without pictures": (("index", "model", "runs"), "no image in it or below it"),
    "a file for a folder": (("index", "model", PAIRS[0]), "expected a folder of images"),
    "one name": (("name", "model", PHOTO, "dog"), "expected at least two"),
    "a name twice": (("name", "model", PHOTO, "dog", "dog"), "more than once"),
    "a name that the model does not know": (("name", "model", PHOTO, "dog", "猫"), "the model knows no word of '猫'"),
    "a misspelt parameter for a name": (
        ("name", "model", PHOTO, "dog", "cat", "prompt=paper"), "unknown parameter 'prompt'"
    ),
    "unknown prompts": (("name", "model", PHOTO, "dog", "cat", "prompts=x"), "prompts: got 'x'"),
    "an unknown split": (("evaluate", "model", *PAIRS, "split=dev"), "split=dev: expected split=all"),
    "pairs that are not there": (("evaluate", "model", "no.csv", PAIRS[1]), "no.csv not found"),
    "a port beyond all": (("demo", "model", "port=99999"), "port, browser: got 99999"),
    "perhaps a browser": (("demo", "model", "browser=maybe"), "port, browser: got 8866, maybe"),
    "no processes": (("results", P, "cores=0"), "cores: got 0"),
    "half a process": (("results", P, "cores=1.5"), "'cores' got 1.5"),
    "seeds twice": (("results", P, "seeds=1", "seeds=2"), "seeds: given twice"),
    "no seeds of a status": (("status", P, "seeds=0"), "seeds: got 0"),
    "an unknown grid of a status": (("status", P, "grid=all"), "grid: got 'all'"),
    "no seeds of a study": (("study", "smoke", "abc", "seeds=0"), "seeds: got 0"),
    "an unknown run of a study": (("study", "smoke", "abc"), "has the hash 'abc'"),
    "a profile without a study": (("study", P, "abc"), "has no ablations"),
    # Where somebody else's files lie.
    "fit into a folder of others": (("fit", *PAIRS, "data/own", "epochs=1"), "data/own holds other files, expected"),
    "fit into a file": (("fit", *PAIRS, PAIRS[0], "epochs=1"), "is a file, expected the name of a folder"),
    "shards into a folder of others": (
        ("data", "prepare", P, "--side", "0", "--workers", "0", "--out", "data/own"), "holds other files already"
    ),
    "an export into a folder of others": (("export", "model", "data/own", "--format", "onnx"), "exists already"),
    "an export in the place of a table": (
        ("export", "model", PAIRS[0], "--format", "torchvision"), r"expected a file name that ends in .pth"
    ),
}  # fmt: skip


@pytest.fixture
def here(own_data, monkeypatch) -> tuple[Own, Path]:
    """Own data and a model in the folder where commands are given."""
    own, finished = own_data
    shutil.copytree(finished / "model", own.root / "model")
    monkeypatch.chdir(own.root)
    return own, finished


@pytest.mark.parametrize(("words", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_meant_is_named_and_nothing_of_others_is_touched(here, capsys, words, line):
    own, finished = here
    before = contents(own.folder), contents(finished)
    assert main([str(own.profile) if word == P else word for word in words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len([text for text in said if text.startswith("error: ")]) == 1 and said[-1].startswith("error: "), said
    assert line in said[-1]
    assert (contents(own.folder), contents(finished)) == before


@pytest.mark.parametrize("verb", ["results", "publish", "photos"])
def test_results_of_another_file_of_this_name_are_not_made_published_or_changed(own_data, tmp_path, capsys, verb):
    own, _ = own_data
    other = tmp_path / "other" / "mine.toml"
    other.parent.mkdir()
    other.write_text('extends = "smoke"\n')
    claim(str(other))
    (results_directory("mine") / "metrics").mkdir(parents=True)
    (results_directory("mine") / "notebooks").mkdir()
    assert main([verb, str(own.profile)]) == 2
    assert f"results of this name are those of {other}" in capsys.readouterr().err


def test_evaluate_counts_what_it_leaves_out_and_what_the_model_cannot_read(here, capsys):
    own, _ = here
    own.rows(lambda rows: [rows[0], "000.png,", *(f"{row.split(',')[0]},犬猫" for row in rows[2:])])
    assert main(["evaluate", "model", *PAIRS]) == 0
    said = capsys.readouterr().err
    assert "left out: empty captions (1)" in said and "knows no word of 119 of 119 captions" in said


def test_evaluate_names_images_that_are_not_there(here, capsys):
    own, _ = here
    own.first("no.png,a dog")
    assert main(["evaluate", "model", *PAIRS]) == 2
    assert "1 of 61 images are not there, such as " in capsys.readouterr().err
