"""What surrounds the code: files that other tools read are well formed, and the commands that they name exist."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from cliplite_core.commands.parser import VERBS

ROOT = Path(__file__).resolve().parent.parent
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
YAML = [
    *ROOT.glob("*.yml"),
    *(ROOT / ".github").rglob("*.yml"),
    ROOT / ".pre-commit-config.yaml",
    ROOT / "CITATION.cff",
]
# Set as code, on a line of their own, or in a step of a workflow.
COMMANDS = re.compile(r"`([^`\n]+)`|^((?:\.venv/bin/)?(?:make|cliplite) .*)$|run: (.*)", re.MULTILINE)
TEXTS = [
    "README.md", "CONTRIBUTING.md", "data/SCENES.md", "data/README.md",
    ".github/workflows/tests.yml", ".github/workflows/pages.yml",
    "binder/postBuild", ".pre-commit-config.yaml", ".ci/run",
    *(f"book/pages/{path.name}" for path in (ROOT / "book" / "pages").glob("*.md")),
]  # fmt: skip


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_yaml_is_well_formed(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_that_a_text_names_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    found = COMMANDS.findall(text)
    commands = "\n".join(part for parts in found for part in parts if part)
    made = set(re.findall(r"^make ([a-z]+)", commands, re.MULTILINE))
    asked = set(re.findall(r"(?:^|/| )cliplite ([a-z]+)", commands, re.MULTILINE))
    assert made <= TARGETS and asked <= set(VERBS), (made - TARGETS, asked - set(VERBS))


def test_the_version_that_is_cited_is_the_last_one_that_was_released():
    released = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == released
    assert (
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools_scm"]["fallback_version"] == released
    )


def test_the_version_is_the_tags_and_there_is_one_without_tags_and_without_git(tmp_path):
    def version() -> str:
        command = [sys.executable, "-m", "setuptools_scm", "--root", str(tmp_path), "--config", str(config)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, check=True)

    config = tmp_path / "pyproject.toml"
    config.write_text((ROOT / "pyproject.toml").read_text())
    assert version() == "0.1.0"  # an archive
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    assert version().startswith("0.1.1.dev1+g")  # a clone without tags: after the last release
    git("tag", "v0.2.0")
    assert version() == "0.2.0"
    git("commit", "-q", "--allow-empty", "-m", "second")
    assert version().startswith("0.2.1.dev1+g")


def test_hooks_are_local_and_keep_the_outputs_that_nbval_compares():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [entry["repo"] for entry in hooks] == ["local"]
    by_name = {hook["id"]: hook["entry"] for hook in hooks[0]["hooks"]}
    assert {"ruff-check", "ruff-format", "nbstripout", "lint-imports"} == by_name.keys()
    assert "--keep-output --keep-count" in by_name["nbstripout"]


def test_the_container_sets_itself_up_by_a_target_of_the_makefile():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    target = container["postCreateCommand"].removeprefix("make ")
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()
    requirements = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    assert (ROOT / "binder" / requirements[0].removeprefix("--constraint ")).exists()


def test_the_data_card_names_what_is_there():
    from cliplite_core.scenes.generate import SPLITS
    from cliplite_core.scenes.spec import SceneSpec

    text = (ROOT / "data" / "SCENES.md").read_text()
    assert all(f"`{split}`" in text for split in SPLITS)
    named = set(re.findall(r"`([a-z]+_[a-z]+)`", text))
    assert {"heldout_fraction", "person_fraction", "gender_correlation"} <= named
    fields = set(SceneSpec.__dataclass_fields__) | {"scenes_train", "scenes_eval", "draw_scene"}
    assert named <= fields, named - fields
