"""What a newcomer installs and runs: pyproject, its conda twin, the pinned versions, and the README's links."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAME = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "snakemake": "snakemake-minimal",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def split(requirement: str) -> tuple[str, str]:
    name, version = re.fullmatch(r"([\w.-]+)\s*(.*)", requirement).groups()
    return name.lower(), version


def test_environment_yml_is_in_step_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in environment if isinstance(entry, dict))
    conda = dict(split(entry) for entry in environment if isinstance(entry, str))
    pip = dict(split(entry) for entry in pip if not entry.startswith("-"))
    wanted = dict(split(entry) for entry in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"])
    found = {name: conda.get(CONDA_NAME.get(name, name), pip.get(name)) for name in wanted}
    assert found == wanted
    extra = {"python", "pip"} | {CONDA_NAME.get(name, name) for name in wanted}
    assert conda.keys() | pip.keys() <= extra
    assert conda["python"] == PROJECT["requires-python"]


def test_the_lock_has_hashes_of_just_what_is_pinned():
    blocks = re.split(r"\n(?=\S)", (ROOT / "constraints.lock").read_text().strip())

    def canonical(line):
        return re.sub(r"[-_.]+", "-", line.split(" ")[0].lower())

    pinned = (ROOT / "constraints.txt").read_text().split("\n")
    assert sorted(map(canonical, blocks)) == sorted(canonical(line) for line in pinned if "==" in line), "make lock"
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", block) for block in blocks)
    assert "://" not in "".join(blocks)


def test_constraints_pin_every_dependency_and_name_no_host_or_path():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {split(line)[0].replace("_", "-") for line in lines}
    extras = [PROJECT["optional-dependencies"][name] for name in ("test", "demo", "browser", "onnx", "faiss", "book")]
    needed = {split(entry)[0] for entry in sum(extras, PROJECT["dependencies"])}
    assert needed <= pinned
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in lines)


def test_every_file_named_in_the_readme_exists():
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
