"""Kill trainings and whole `results` at random moments, and run one long enough for a leak to show: `make soak`.

Not part of `make test`: it takes about an hour of two cores. The moments follow from a seed.

    python tests/faults/soak.py trainings results leaks --seed 0 --kills 20
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tiny import TINY  # noqa: E402

WORDS = ["train", "smoke", *(f"{name}={value}" for name, value in {**TINY, "steps": 60, "checkpoint_every": 2}.items())]
STEPS = 5000
# Kills itself at the N-th rename: between the two halves of a checkpoint, of a model, of a log.
TRAP = """
import os, signal, sys
count, rename = int({count}), os.replace
def replace(old, new):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(old, new)
"""
AT_A_RENAME = f"""{TRAP.format(count="sys.argv[1]")}
from cliplite_core.__main__ import main
os.replace = replace
sys.exit(main(sys.argv[2:]))
"""
# The same for a training that Snakemake starts; as `sitecustomize`, which Python imports before anything else.
TRAINING_TRAP = f"""{TRAP.format(count='os.environ.get("SOAK_RENAMES", 0)')}
if count and "train" in sys.orig_argv:
    os.replace = replace
"""
TARGETS = ("the command", "Snakemake", "a step", "a rename")
LEAKS = """
import json, sys
import psutil
from cliplite_core.__main__ import main
from cliplite_core.trainer import Trainer
process, notify, seen = psutil.Process(), Trainer._notify, []
def watched(trainer):
    notify(trainer)
    if trainer.step % 250 == 0:
        seen.append((trainer.step, process.memory_info().rss / 2**20, process.num_fds()))
Trainer._notify = watched
status = main(sys.argv[1:])
print(json.dumps(seen))
sys.exit(status)
"""


def main() -> int:
    """Run the parts that were asked for; 0 = all of them held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["trainings", "results", "leaks"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=20, help="of trainings (default: %(default)s)")
    parser.add_argument("--kills-of-results", type=int, default=20, help="likewise (default: %(default)s)")
    parser.add_argument("--span", type=float, default=90, help="seconds within which whole results are killed")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the long run (default: %(default)s)")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts:
            environment = _environment(Path(folder) / part)
            {"trainings": trainings, "results": results, "leaks": leaks}[part](environment, draw, options)
    return 0


def trainings(environment: dict[str, str], draw: random.Random, options: argparse.Namespace) -> None:
    """Kill one training again and again; the model must be, to the bit, that of an unbroken run."""
    whole = Unbroken(environment)
    killed, begun, kills = 0, 0, []
    while killed < options.kills:
        begun += 1
        runs = environment | {"CLIPLITE_RUNS": f"{environment['CLIPLITE_RUNS']}-{begun}"}
        while killed < options.kills:
            if killed % 2:  # at a rename: a checkpoint is three of them, a model five files and one
                status = _python(["-c", AT_A_RENAME, str(draw.randint(1, 62)), *WORDS], runs)
            else:
                status = _killed_after(["-m", "cliplite_core", *WORDS], runs, whole.seconds * draw.random())
            if status == 0:
                break
            assert status == -signal.SIGKILL, f"a killed training came back with {status}"
            kills.append(_step(Path(runs["CLIPLITE_RUNS"])))
            killed += 1
        assert _python(["-m", "cliplite_core", *WORDS], runs) == 0
        assert _model(Path(runs["CLIPLITE_RUNS"])) == whole.model, f"other weights after kills at {kills}"
    print(
        f"trainings: {killed} kills in {begun} runs, at steps {kills}: every model to the bit that of an unbroken run"
    )


def results(environment: dict[str, str], draw: random.Random, options: argparse.Namespace) -> None:
    """Kill whole `results smoke` again and again; what comes out is, to the bit, what an unbroken one makes.

    Killed are, in turn, the command itself, its Snakemake, one of the steps, and a training at one of its renames.
    """
    words = ["-m", "cliplite_core", "results", "smoke", "cores=2"]
    folder = Path(environment["CLIPLITE_RUNS"]).parent
    whole = _moved(environment, folder / "0")
    started = time.monotonic()
    assert _python(words, whole) == 0
    seconds, expected = time.monotonic() - started, _made(whole)
    print(f"results: unbroken {seconds:.0f} s, {len(expected)} files", flush=True)
    begun, killed = 0, Counter[str]()
    while killed.total() < options.kills_of_results:
        begun += 1
        places = _moved(environment, folder / str(begun))
        while killed.total() < options.kills_of_results:
            target = TARGETS[killed.total() % len(TARGETS)]
            at_rename = str(draw.randint(1, 8)) if target == "a rename" else ""  # so many has a training of `smoke`
            moment = draw.uniform(2, options.span)
            process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=_killing_itself(places, folder, at_rename),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            hit = _kill(process, "a step" if at_rename else target, moment, draw)
            status = process.wait()
            left = _left(places, patience=90)
            assert not left, f"still running after a kill of {target}: {left}"
            if status == 0 and not hit:  # it was done before the kill
                break
            killed[target] += 1
            print(
                f"results: {killed.total()} of {options.kills_of_results}, {target}, {_done(places)} steps done",
                flush=True,
            )
        assert _python(words, places) == 0, "the killed results were not finished"
        made = _made(places)
        assert made.keys() == expected.keys(), f"{sorted(made.keys() ^ expected.keys())} differ"
        other = [name for name, content in made.items() if content != expected[name]]
        assert not other, f"other contents after kills: {other}"
        shutil.rmtree(folder / str(begun))
    told = ", ".join(f"{count} of {target}" for target, count in killed.items())
    print(
        f"results: {killed.total()} kills ({told}) in {begun} runs: every model to the bit that of an unbroken run, "
        "every result there; no process, no lock and no half file left"
    )


def _killing_itself(environment: dict[str, str], folder: Path, at_rename: str) -> dict[str, str]:
    """Let each training that is started from here kill itself at its N-th rename; "" = none."""
    if not at_rename:
        return environment
    (folder / "trap").mkdir(exist_ok=True)
    (folder / "trap" / "sitecustomize.py").write_text(TRAINING_TRAP, encoding="utf-8")
    path = os.pathsep.join([str(folder / "trap"), environment["PYTHONPATH"]])
    return environment | {"PYTHONPATH": path, "SOAK_RENAMES": at_rename}


def _kill(process: subprocess.Popen, target: str, seconds: float, draw: random.Random) -> bool:
    """Kill what is meant once so many seconds have passed; False if there is nothing of the kind."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return False
    try:
        below = psutil.Process(process.pid).children()
        if target == "the command":
            victims = [psutil.Process(process.pid)]
        elif target == "Snakemake":
            victims = below
        else:
            victims = [step for child in below for step in child.children(recursive=True)]
        draw.choice(victims).kill()
        return True
    except (psutil.Error, IndexError):
        process.kill()
        return False


def _made(environment: dict[str, str]) -> dict[str, bytes]:
    """Everything that `results` leaves, by name; contents where two equal runs write equal bytes."""
    found: dict[str, bytes] = {}
    for place in ("runs", "results"):
        root = Path(environment[f"CLIPLITE_{place.upper()}"])
        for path in (path for path in root.rglob("*") if path.is_file()):
            name = f"{place}/{path.relative_to(root).as_posix()}"
            assert not path.name.endswith(".tmp") and ".partial." not in path.name, f"left behind: {name}"
            # An index is called after the place of its folder, which is another here.
            if path.suffix != ".lock" and path.name != "lock" and not re.search("/former/|^runs/index/", name):
                found[name] = path.read_bytes() if path.suffix == ".safetensors" else b""
    return found


def leaks(environment: dict[str, str], draw: random.Random, options: argparse.Namespace) -> None:
    """Train for thousands of steps; memory and open files must not grow over the second half."""
    words = [word for word in WORDS if not word.startswith(("steps=", "checkpoint_every=", "log_every="))]
    words += [f"steps={options.steps}", "checkpoint_every=50", "log_every=50"]
    done = subprocess.run([sys.executable, "-c", LEAKS, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    half = [row for row in seen if row[0] >= options.steps // 2]
    grown = half[-1][1] - half[0][1]
    print(f"leaks: {options.steps} steps: {half[0][1]:.0f} MiB and {half[0][2]} files at half, "
          f"{half[-1][1]:.0f} MiB and {half[-1][2]} files at the end")  # fmt: skip
    assert grown < 32, f"memory grew by {grown:.0f} MiB over the second half"
    assert half[-1][2] <= half[0][2] + 1, "files are left open"


class Unbroken:
    """One run without a kill: its model, and how long it takes."""

    def __init__(self, environment: dict[str, str]) -> None:
        started = time.monotonic()
        assert _python(["-m", "cliplite_core", *WORDS], environment) == 0
        self.seconds = time.monotonic() - started
        self.model = _model(Path(environment["CLIPLITE_RUNS"]))


def _moved(environment: dict[str, str], folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True)
    return environment | {f"CLIPLITE_{name.upper()}": str(folder / name) for name in ("data", "runs", "results")}


def _environment(folder: Path) -> dict[str, str]:
    quiet = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    return _moved(os.environ | quiet, folder)


def _python(words: Sequence[str], environment: dict[str, str]) -> int:
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL).returncode


def _killed_after(words: Sequence[str], environment: dict[str, str], seconds: float) -> int:
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _model(runs: Path) -> bytes:
    return next(runs.rglob("model.safetensors")).read_bytes()


def _step(runs: Path) -> int:
    lines = [line for path in runs.rglob("log.jsonl") for line in path.read_text().splitlines() if line.startswith("{")]
    return max((json.loads(line)["step"] for line in lines if line.endswith("}")), default=0)


def _done(environment: dict[str, str]) -> int:
    return len(
        [*Path(environment["CLIPLITE_RUNS"]).glob("*/*/run.json"), *Path(environment["CLIPLITE_RUNS"]).glob("*/done/*")]
    )


def _left(environment: dict[str, str], patience: float) -> list[str]:
    """Processes of a killed `results` that go on, once they have had the time to notice."""
    mark, until = environment["CLIPLITE_RUNS"], time.monotonic() + patience
    while True:
        left = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            try:
                if process.pid != os.getpid() and process.environ().get("CLIPLITE_RUNS") == mark:
                    left.append(" ".join(process.info["cmdline"] or [])[:120])
            except psutil.Error:
                continue
        if not left or time.monotonic() > until:
            return left
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
