"""Names are data: no name of a profile, a folder or a picture is run, broken by a blank, or leads out of its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fault import Fault, Own

from cliplite_core.__main__ import main
from cliplite_core.commands.results import graph_command
from cliplite_core.storage.places import PROJECT, results_directory, runs_root

NAMES = [
    "mit Leerzeichen", "it's", "a;b", "$(touch sprung)", "`touch sprung`", "a&b", "a|b", "grün 夜 🐕", "{split}", "%s",
    "-n", "a=b", '"quoted"', "$HOME", "*", "~",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES[::2])
def test_a_profile_of_any_name_trains_and_its_run_lies_where_all_others_do(own_data, tmp_path, name, capsys):
    own, _ = own_data
    path = own.root / f"{name}.toml"
    own.profile.rename(path)
    assert main(["train", str(path)]) == 0
    assert capsys.readouterr().err == ""
    assert [folder.name for folder in (runs_root() / name).iterdir()], "no run of that name"
    assert not list(tmp_path.rglob("sprung")) and not Path("sprung").exists()


@pytest.mark.parametrize("name", NAMES[1::2])
def test_a_folder_and_a_picture_of_any_name_are_read(met, name):
    def rename(own: Own) -> list[str]:
        shutil.move(own.folder, own.folder.with_name(name))
        moved = own.folder.with_name(name)
        (moved / "images" / "001.png").rename(moved / "images" / f"{name}.png")
        quoted = name.replace('"', '""')
        table = moved / "captions.csv"
        table.write_text(table.read_text().replace("001.png,", f'"{quoted}.png",'))
        return [f'folder="{name}"' if '"' not in name else f"folder={name}"]

    met(Fault(rename, "", ("train", "PROFILE"), 0))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_word_of_the_command_that_starts_snakemake(name):
    assert f"profile={name}.toml" in graph_command(f"{name}.toml", 1, "quick")


@pytest.fixture
def checkout(tmp_path):
    """The Makefile, and a stand-in for `cliplite` that writes down its words."""
    programs = tmp_path / "checkout" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, tmp_path / "checkout")
    (programs.parent / ".installed").touch()
    (programs / "cliplite").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > words.txt\n')
    (programs / "cliplite").chmod(0o755)

    def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--silent", *words]
        return subprocess.run(
            command, cwd=tmp_path / "checkout", env=os.environ | environment, capture_output=True, text=True
        )

    return make, tmp_path / "checkout"


EVIL = [
    "$(shell touch sprung)",
    "$(touch sprung).toml",
    "`touch sprung`",
    "a; touch sprung",
    "it's",
    '"',
    "$HOME",
    "a b",
]


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("way", ["a word", "the environment"])
def test_make_hands_over_what_it_is_given_letter_by_letter(checkout, name, way):
    make, folder = checkout
    given = {"PROFILE": name, "SEEDS": name, "GRID": name, "CORES": name}
    done = make("results", *(f"{k}={v}" for k, v in given.items())) if way == "a word" else make("results", **given)
    assert done.returncode == 0, done.stderr
    said = (folder / "words.txt").read_text().splitlines()
    assert said == ["results", name, f"seeds={name}", f"grid={name}", f"cores={name}"]
    assert not list(folder.rglob("sprung"))


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("name", ["", "/", "//", ".", "..", "../..", "runs/.", *EVIL])
def test_make_clean_removes_one_profile_and_nothing_else(checkout, name):
    make, folder = checkout
    kept = [folder / "runs" / "smoke" / "a", folder / "results" / "local" / "smoke" / "a", folder.parent / "outside"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    make("clean", f"PROFILE={name}")
    assert all(path.exists() for path in kept) and not list(folder.rglob("sprung"))
    make("clean", "PROFILE=somewhere/smoke.toml")
    assert [path.exists() for path in kept] == [False, False, True]


@pytest.mark.parametrize("words", [["summary"], ["photos"], ["publish"], ["status"], ["plan"]])
@pytest.mark.parametrize("name", ["..", "../..", "/etc", "../profiles/smoke", "."])
def test_no_name_of_a_profile_leads_out_of_the_results(words, name, capsys, tmp_path):
    outside = tmp_path / "notebooks"
    outside.mkdir()
    (outside / "00.ipynb").write_text("somebody's")
    assert main([*words, name]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("error: ") and repr(name) in said
    assert (outside / "00.ipynb").read_text() == "somebody's"


def test_a_profile_file_named_upwards_is_refused(tmp_path, capsys):
    (tmp_path / "...toml").write_text('extends = "smoke"\n')
    assert main(["plan", str(tmp_path / "...toml")]) == 2
    assert "results cannot be named '..'; rename the file" in capsys.readouterr().err


def test_results_of_a_profile_file_lie_below_all_results():
    assert results_directory("/somewhere/else/mine.toml").parent == results_directory("smoke").parent
