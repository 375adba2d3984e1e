"""The graph of `make results`: what it plans, what it makes again when a file changes, and what it refuses."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cliplite_core.commands.parser import parse

ROOT = Path(__file__).resolve().parent.parent
# In the copy, a command writes only the files it is asked for: what is tested is when it is asked.
STAND_IN = """
import json, sys
from pathlib import Path
from cliplite_core.__main__real import parse
from cliplite_core.commands.overrides import profile_and_values
from cliplite_core.evaluation.studies import ablation_runs
from cliplite_core.profiles import load_profile
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import results_directory, run_directory

options, verb = parse(sys.argv[1:]), sys.argv[1]
if verb == "train":
    profile, values = profile_and_values(options)
    write_text(run_directory(load_profile(profile, **values)) / "run.json", "{}")
elif verb == "study":
    runs = ablation_runs(load_profile(options.profile), 1, "full")
    config = next(run.config for run in runs if run.config.hash() == options.hash)
    write_text(run_directory(config) / "quality.json", "{}")
elif verb == "data":
    write_text(Path(options.record[1]), "{}")
elif verb == "notebook":
    write_text(options.summary, "{}")
    write_text(results_directory("smoke") / "notebooks" / f"{options.name}.ipynb", "{}")
"""


def snakemake(*settings: str, cwd: Path = ROOT, env: dict | None = None, options: tuple = ("-n",)):
    command = [sys.executable, "-m", "snakemake", *options, "--cores", "2", "--nolock", "--config", *settings]
    return subprocess.run(command, cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True)


def jobs(plan: subprocess.CompletedProcess) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", plan.stdout, re.MULTILINE)}


def shell_commands(plan: subprocess.CompletedProcess) -> list[list[str]]:
    lines = re.findall(r"^Shell command: (.+)$", plan.stdout + plan.stderr, re.MULTILINE)
    return [shlex.split(line) for line in lines if line != "None"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A copy of the checkout in which every step of `smoke` was done, by the stand-in."""
    copy = tmp_path_factory.mktemp("graph") / "checkout"
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
    for folder in ("cliplite_core", "data/ablations", "data/findings"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=unwanted)
    for path in (*ROOT.glob("data/*.*"), *ROOT.glob("notebooks/*.ipynb"), ROOT / "Snakefile", ROOT / "README.md"):
        (copy / path.relative_to(ROOT)).parent.mkdir(exist_ok=True)
        shutil.copy(path, copy / path.relative_to(ROOT))
    (copy / "cliplite_core" / "__main__.py").rename(copy / "cliplite_core" / "__main__real.py")
    (copy / "cliplite_core" / "__main__.py").write_text(STAND_IN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATA", "RUNS", "RESULTS"):
            patch.delenv(f"CLIPLITE_{name}", raising=False)
        done = snakemake("profile=smoke", cwd=copy, options=("--quiet", "all"))
    assert done.returncode == 0, done.stderr[-3000:]
    return copy


@pytest.fixture
def planned(finished, monkeypatch):
    """Returns the rules that a plan of the finished copy would run, with how many steps of each."""
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.delenv(f"CLIPLITE_{name}", raising=False)

    def plan(*settings: str) -> dict[str, int]:
        made = snakemake(*(settings or ("profile=smoke",)), cwd=finished)
        assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
        return {name: count for name, count in jobs(made).items() if name not in ("all", "total")}

    return plan


@pytest.fixture
def changed(finished):
    """Appends a line to files of the copy, or writes new ones; as they were after the test."""
    before: dict[Path, str | None] = {}

    def change(name: str, text: str = "\n# changed\n") -> None:
        path = finished / name
        before[path] = path.read_text(encoding="utf-8") if path.exists() else None
        path.write_text((before[path] or "") + text, encoding="utf-8")

    yield change
    for path, text in before.items():
        path.unlink() if text is None else path.write_text(text, encoding="utf-8")


def test_touching_a_file_and_changing_one_that_nothing_depends_on_make_nothing_again(finished, changed, planned):
    for name in ("cliplite_core/model.py", "data/prompts.json", "notebooks/04_retrieval.ipynb"):
        (finished / name).touch()
    for name in ("cliplite_core/commands/photos.py", "cliplite_core/__init__.py", "data/data_sets.toml", "README.md"):
        changed(name)
    assert planned() == {}


TRAININGS = {"pretrain": 3, "ablation": 6, "quality": 6, "notebook": 12}


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("cliplite_core/data/captions.py", TRAININGS),
        ("cliplite_core/callbacks/curves.py", TRAININGS),
        ("data/activities.csv", {"training_data": 1, "data": 1, **TRAININGS}),
        ("cliplite_core/evaluation/retrieval.py", {"quality": 6, "notebook": 12}),
        ("data/prompts.json", {"quality": 6, "notebook": 12}),
        ("cliplite_core/reporting/claims.py", {"notebook": 12}),
        ("data/claims.toml", {"notebook": 12}),
        ("cliplite_core/commands/export.py", {"notebook": 2}),  # 10 imports it, and 09 shows what the others wrote
        ("notebooks/04_retrieval.ipynb", {"notebook": 2}),
        ("cliplite_core/explore/nearest.py", {"notebook": 2}),  # 11 imports what imports it
    ],
)
def test_a_changed_file_makes_again_what_depends_on_it_and_nothing_else(name, again, changed, planned):
    changed(name, "\n")
    assert planned() == again


def test_a_new_module_is_depended_on_without_being_listed(changed, planned):
    changed("cliplite_core/reporting/newer.py")
    assert planned() == {"notebook": 12}


def test_other_data_to_measure_on_is_measured_and_trains_nothing_again(changed, planned):
    changed("cliplite_core/profiles/smoke.toml", '\n[evaluation]\nvoc = ""\n')
    assert planned() == {"quality": 6, "notebook": 11}  # without 02


def test_the_plan_does_not_wait_for_torch():
    report = "\nprint('loaded', 'torch' in sys.modules)\n"
    graph = (ROOT / "Snakefile").read_text(encoding="utf-8")
    assert "print('loaded'" not in graph
    listed = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--nolock", "--cores", "1", "-s", "/dev/stdin", "-d", str(ROOT)],
        input=graph.replace("workflow.basedir", repr(str(ROOT))) + report,
        capture_output=True,
        text=True,
    )
    assert "loaded False" in listed.stdout, listed.stderr[-2000:]


def test_every_command_of_the_graph_is_one_that_the_command_line_knows():
    commands = shell_commands(snakemake("profile=smoke", "seeds=2", "grid=full", options=("-n", "-p", "--forceall")))
    assert {command[3] for command in commands} == {"data", "train", "study", "notebook"}
    for command in commands:
        assert command[:3] == [sys.executable, "-m", "cliplite_core"]
        parse(command[3:])


def test_a_profile_whose_name_a_shell_would_run_is_a_name_like_any_other(tmp_path):
    path = tmp_path / "it's; $(touch here)" / "a `b` & c's.toml"
    path.parent.mkdir()
    path.write_text('extends = "smoke"\n', encoding="utf-8")
    commands = shell_commands(snakemake(f"profile={path}", options=("-n", "-p", "--forceall")))
    assert {command[3] for command in commands} == {"data", "train", "notebook"}
    for command in commands:
        assert str(path) in command or f"profile={path}" in command


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["profile=cocoa"], "unknown profile 'cocoa'"),
        (["profil=smoke"], "unknown parameter 'profil'; --config has: profile, seeds, grid"),
        (["profile=scenes", "profile=smoke"], "profile: given twice, the second time as 'profile=smoke'"),
        (["profile=smoke", "seeds=0"], "seeds: got 0, expected a value greater than 0"),
        (["profile=smoke", "seeds=-2"], "seeds: got -2"),
        (["profile=smoke", "seeds=three"], "'seeds' got 'three', expected int"),
        (["profile=smoke", "grid=all"], "grid: got 'all', expected 'quick' or 'full'"),
        (["profile=own", "grid=all"], "grid: got 'all'"),  # which has no ablations
    ],
)
def test_a_wrong_setting_stops_the_graph_with_one_line(settings, message):
    plan = snakemake(*settings, options=("-n", "--quiet", "all"))
    assert plan.returncode != 0
    said = (plan.stdout + plan.stderr).strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error: ") and message in said[0]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_runs_nothing_that_a_profile_name_says(tmp_path):
    target = tmp_path / "here"
    made = subprocess.run(
        ["make", "-C", str(ROOT), "-o", ".venv/.installed", "results", f"PROFILE=$(touch {target}).toml"],
        capture_output=True,
        text=True,
    )
    assert made.returncode != 0 and f"error: unknown profile '$(touch {target}).toml'" in made.stderr
    assert not target.exists()


def test_the_graph_of_the_papers_run_is_planned_without_its_data():
    plan = snakemake("profile=coco", "seeds=3", options=("-n", "--forceall"))
    assert plan.returncode == 0, plan.stderr[-2000:]
    found = jobs(plan)
    assert (found["pretrain"], found["notebook"]) == (9, len(list((ROOT / "notebooks").glob("[0-9]*.ipynb"))))


def test_the_graph_leaves_out_what_is_missing_and_says_so(tmp_path):
    (tmp_path / "cifar10/test/cat").mkdir(parents=True)
    (tmp_path / "cifar10/test/cat/1.jpg").touch()
    plan = snakemake("profile=flickr8k", env={"CLIPLITE_DATA": str(tmp_path)})
    assert plan.returncode == 0, plan.stderr[-2000:]
    assert re.findall(r"(\d\d) left out: (\S+) not found", plan.stderr) == [
        ("02", str(tmp_path / "VOCdevkit/VOC2007")),
        ("03", str(tmp_path / "tiny-imagenet-200/train")),
        ("06", str(tmp_path / "tiny-imagenet-200/train")),
    ]
    assert "notebook 05_zero_shot on" in plan.stdout and "notebook 03_transfer" not in plan.stdout


@pytest.fixture
def composed(finished, planned):
    """The data that the finished copy was made from: some files in the places where the profile looks."""
    folder = finished / "data" / "scenes_smoke"
    for name in ("train/1.jpg", "test/1.jpg", "single/val/dog/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a photo")
    done = snakemake("profile=smoke", cwd=finished, options=("--quiet", "all"))
    assert done.returncode == 0 and planned() == {}, done.stderr[-2000:]
    yield folder
    shutil.rmtree(folder)


def test_another_photo_to_train_on_makes_everything_again(composed, planned):
    (composed / "train" / "1.jpg").write_text("another photo")
    assert planned() == {"training_data": 1, "data": 1, **TRAININGS}


def test_another_photo_to_measure_on_trains_nothing_again(composed, planned):
    (composed / "single" / "val" / "dog" / "2.jpg").write_text("one more photo")
    assert planned() == {"data": 1, "quality": 6, "notebook": 12}
