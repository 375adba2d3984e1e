"""Two at once, and what a kill leaves: the second waits with a line, no lock is stale, no step outlives its starter."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from cliplite_core.commands import results
from cliplite_core.commands.one_name import claim
from cliplite_core.config import ConfigError
from cliplite_core.profiles import PROFILES
from cliplite_core.runs import train
from cliplite_core.scenes.generate import compose_scenes
from cliplite_core.storage.locks import alone
from cliplite_core.storage.places import data_root, results_directory, run_directory
from cliplite_core.storage.watch import STARTER

SOON = 30.0  # seconds within which a process must have noticed


def killed_holding(path: Path) -> None:
    """Let a process take a lock and be killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = f"import os\nfrom filelock import FileLock\nFileLock({str(path)!r}).acquire()\nos.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", source]).returncode == -signal.SIGKILL


@pytest.fixture
def held(monkeypatch):
    """Holds a lock until somebody waits for it patiently."""
    acquire = FileLock.acquire

    def hold(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = FileLock(path)
        holder.acquire()

        def released_meanwhile(lock, timeout=None, **rest):
            if timeout is None and lock is not holder:
                holder.release()
            return acquire(lock, timeout=timeout, **rest)

        monkeypatch.setattr(FileLock, "acquire", released_meanwhile)

    return hold


def test_two_runs_of_one_training_take_turns_and_the_second_says_so(tiny, held, capsys):
    directory = train(tiny)
    held(directory / "lock")
    assert train(tiny) == directory
    assert capsys.readouterr().err == f"note: another process trains {directory.name}; waiting for it to end\n"


def test_two_that_compose_the_same_scenes_take_turns(tiny, held, capsys):
    held(Path(f"{data_root() / 'tiny'}.lock"))
    compose_scenes(tiny)
    assert capsys.readouterr().err == "note: another process composes tiny; waiting for it to end\n"


@pytest.mark.parametrize("what", ["a training", "the scenes"])
def test_the_lock_of_a_killed_process_is_gone_with_it(tiny, capsys, what):
    killed_holding(run_directory(tiny) / "lock" if what == "a training" else Path(f"{data_root() / 'tiny'}.lock"))
    train(tiny)
    assert "waiting" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_what_is_finished_is_read_from_a_read_only_disk(tiny, monkeypatch, number):
    directory = train(tiny)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    monkeypatch.setattr("cliplite_core.storage.files.os.replace", refuse)
    compose_scenes(tiny)
    assert train(tiny) == directory


def test_a_lock_that_fails_otherwise_is_not_passed_over(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileLock, "acquire", full)
    with pytest.raises(OSError, match="No space left"), alone(tmp_path / "lock", "…"):
        pass


# --- results ------------------------------------------------------------------------------------------------------


class Snakemake:
    """In place of Snakemake's process: takes its lock, and ends as it is told."""

    def __init__(self, state: Path, status: int) -> None:
        self.state, self.status, self.pid, self.found = state, status, 2**22 + 7, []

    def __call__(self, command: list[str], **options: object) -> Snakemake:
        assert "--nolock" not in command, "Snakemake's own lock keeps out one that is started by hand"
        self.found = sorted(path.name for path in (self.state / "locks").glob("*"))
        (self.state / "locks").mkdir(exist_ok=True)
        (self.state / "locks" / "0.input.lock").touch()
        return self

    def wait(self, timeout: float | None = None) -> int:
        if self.status == 0:
            (self.state / "locks" / "0.input.lock").unlink()
        return self.status


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout in which Snakemake is a stand-in."""
    monkeypatch.setattr(results, "STATE", tmp_path / ".snakemake")
    monkeypatch.setattr("cliplite_core.commands.summary.summary", lambda profile: profile)

    def started(status: int = 0) -> Snakemake:
        stand_in = Snakemake(tmp_path / ".snakemake", status)
        monkeypatch.setattr(results.subprocess, "Popen", stand_in)
        return stand_in

    return started


def make_results() -> int:
    from cliplite_core.__main__ import main

    return main(["results", "smoke"])


def test_a_second_make_results_waits_for_the_first_and_says_so(checkout, held, capsys):
    held(checkout().state / "results.lock")
    assert make_results() == 0
    assert capsys.readouterr().err == ("note: another `results` is running in this checkout; waiting for it to end\n")


def test_a_notebook_left_half_done_by_a_killed_run_of_an_earlier_version_goes_at_once(checkout):
    left = results_directory("smoke") / "notebooks" / "04_retrieval.partial.ipynb"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    (left.parent / "04_retrieval.ipynb").write_text("whole")
    checkout(status=1)
    assert make_results() == 1
    assert [path.name for path in left.parent.iterdir()] == ["04_retrieval.ipynb"]


def test_the_lock_of_a_killed_make_results_is_gone_with_it(tmp_path, checkout, capsys):
    killed_holding(tmp_path / ".snakemake" / "results.lock")
    checkout()
    assert make_results() == 0 and capsys.readouterr().err == ""


def test_a_killed_snakemake_is_told_in_a_line_and_its_lock_removed(checkout, capsys):
    stand_in = checkout(status=-signal.SIGKILL)
    assert make_results() == 2
    said = capsys.readouterr().err
    assert said == ("error: Snakemake was killed (signal 9); run the same command again to finish the rest\n")
    assert not (stand_in.state / "locks").exists() and not (stand_in.state / "results.pid").exists()


def test_the_lock_of_snakemake_is_stale_where_both_were_killed(checkout, capsys):
    stand_in = checkout()
    (stand_in.state / "locks").mkdir(parents=True)
    (stand_in.state / "locks" / "0.output.lock").touch()
    (stand_in.state / "results.pid").write_text("4194303\n")
    assert make_results() == 0
    assert stand_in.found == [] and capsys.readouterr().err == ""


def test_the_lock_of_a_snakemake_that_was_started_by_hand_is_left_to_it(checkout):
    stand_in = checkout()
    (stand_in.state / "locks").mkdir(parents=True)
    (stand_in.state / "locks" / "0.output.lock").touch()
    make_results()
    assert stand_in.found == ["0.output.lock"]


STARTED = """
import os, subprocess, sys
step = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=os.environ | {%r: str(os.getpid())})
print(step.pid, flush=True)
step.wait()
"""
STEP = """
import time
from cliplite_core.storage.watch import end_with_starter
end_with_starter()
print("ready", flush=True)
time.sleep(300)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_a_step_ends_with_the_snakemake_that_started_it(kill):
    starter = subprocess.Popen([sys.executable, "-c", STARTED % STARTER, STEP], stdout=subprocess.PIPE, text=True)
    step = int(starter.stdout.readline())
    assert starter.stdout.readline().strip() == "ready"
    starter.send_signal(kill)
    starter.wait()
    try:
        psutil.Process(step).wait(SOON)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        os.kill(step, signal.SIGKILL)
        pytest.fail("the step goes on without its starter")


def test_a_step_that_was_started_by_hand_is_nobodys():
    before = threading.active_count()
    source = textwrap.dedent("""
        import threading
        from cliplite_core.storage.watch import end_with_starter
        end_with_starter()
        print(threading.active_count())
    """)
    environment = {name: value for name, value in os.environ.items() if name != STARTER}
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n" and threading.active_count() == before


# --- two profiles of one name -------------------------------------------------------------------------------------


def test_two_profile_files_of_one_name_do_not_share_their_results(tmp_path):
    first, second = tmp_path / "a" / "mine.toml", tmp_path / "b" / "mine.toml"
    for path in (first, second):
        path.parent.mkdir()
        path.write_text('extends = "smoke"\n')
    claim(str(first))
    claim(str(first))
    with pytest.raises(ConfigError, match=r"b/mine\.toml: results of this name are those of .*a/mine\.toml"):
        claim(str(second))
    first.unlink()
    claim(str(second))  # as of a file that was moved


def test_a_file_named_as_a_profile_of_the_package_does_not_take_its_results(tmp_path, capsys):
    from cliplite_core.__main__ import main

    (tmp_path / "smoke.toml").write_text('extends = "scenes"\n')
    claim("smoke")
    assert main(["notebook", "04_retrieval", f"profile={tmp_path / 'smoke.toml'}"]) == 2
    assert f"those of {PROFILES / 'smoke.toml'}" in capsys.readouterr().err
