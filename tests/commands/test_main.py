"""The command line as a shell meets it: quick to explain itself, and one line for whatever is wrong."""

import json
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest

from cliplite_core import __version__
from cliplite_core.__main__ import main
from cliplite_core.commands.parser import VERBS
from cliplite_core.config import SECTION_OF
from cliplite_core.trainer import NonFiniteLoss

ACTIONS = ("status", "check", "prepare", "ready")
HEAVY = {"torch", "torchvision", "numpy", "pandas", "transformers", "accelerate", "papermill", "nbformat", "PIL"}
PROBE = """
import json, sys
from cliplite_core.__main__ import main
loaded = {}
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0, (words, stop.code)
    loaded[" ".join(words)] = sorted(set(sys.modules) & set(json.loads(sys.argv[2])))
print(json.dumps(loaded))
"""


def helped(*words: str, capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_no_help_waits_for_torch_or_its_like():
    asked = [
        ["--help"],
        ["--version"],
        *([verb, "--help"] for verb in VERBS),
        *(["data", a, "--help"] for a in ACTIONS),
    ]
    command = [sys.executable, "-c", PROBE, json.dumps(asked), json.dumps(sorted(HEAVY))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert len(loaded) == len(asked) and not any(loaded.values()), loaded


@pytest.mark.parametrize(
    "words", [(), *((verb,) for verb in VERBS), *(("data", action) for action in ACTIONS)], ids=str
)
def test_every_help_ends_with_an_example_of_that_very_command(words, capsys):
    example = helped(*words, capsys=capsys).rstrip().splitlines()[-2:]
    assert example[0] == "example:"
    assert example[1].split()[: 1 + len(words)] == ["cliplite", *words]


def test_the_help_of_train_lists_every_field_with_its_default_and_its_meaning(capsys):
    text = helped("train", capsys=capsys)
    lines = text.splitlines()
    for name in SECTION_OF:
        at = next(number for number, line in enumerate(lines) if line.startswith(f"    {name}="))
        assert lines[at + 1].startswith(" " * 8), f"{name} has no meaning"
    assert "    image_lr=0.2\n        Peak learning rate of the image encoder." in text


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"cliplite {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "VERB"),
        (["trian"], "'trian'"),
        (["data"], "ACTION"),
        (["export", "run"], "OUT, --format"),
        (["export", "run", "out", "more", "--format", "torchvision"], "'more'"),
        (["train", "scenes", "--seed", "1"], "'--seed'"),
        (["plan", "smoke", "seeds=0"], "seeds: got 0"),
        (["plan", "smoke", "tflops=fast"], "'tflops' got 'fast', expected float"),
        (["study", "scenes", "0" * 12, "sedes=1"], "'sedes'"),
        (["data", "ready", "seed=1"], "expected a profile"),
        (["summary", "flickr30k"], "make results PROFILE=flickr30k"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_status_2(words, message, capsys):
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and message in printed.err
    assert printed.err.count("\n") == 1 and printed.out == ""


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (NonFiniteLoss("the loss is nan"), 2, "error: the loss is nan\n"),
        (BrokenProcessPool("a child died"), 2, "error: a worker was killed, perhaps for its memory"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_what_stops_a_command_is_told_in_one_line(raised, status, message, monkeypatch, capsys):
    def stop(_):
        raise raised

    monkeypatch.setattr("cliplite_core.commands.summary.run", stop)
    assert main(["summary", "smoke"]) == status
    assert capsys.readouterr().err.startswith(message)


def test_a_bug_keeps_its_traceback(monkeypatch):
    def stop(_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("cliplite_core.commands.summary.run", stop)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        main(["summary", "smoke"])


def test_fields_may_stand_behind_an_option(tmp_path, capsys):
    assert main(["data", "status", "smoke", "--root", str(tmp_path), "batch_size=1"]) == 2
    assert "batch_size: got 1" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does once it has its lines
    command = [sys.executable, "-m", "cliplite_core", "data", "status", "smoke"]
    environment = os.environ | {"CLIPLITE_DATA": str(tmp_path)}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
