"""Files are replaced as a whole: a full or read-only disk costs the new one, never the one that was there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from cliplite_core.storage.files import replacing, write_text, writing

FULL = OSError(errno.ENOSPC, "No space left on device")
READ_ONLY = OSError(errno.EROFS, "Read-only file system", "a.json")
FAILURES = [
    FULL,
    READ_ONLY,
    RuntimeError("[enforce fail at inline_container.cc:671] .\nunexpected pos 704 vs 598"),  # torch.save
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    Exception("No space left on device (os error 28)"),  # tokenizers
]


def raising(error: Exception):
    def fail(*_, **__):
        raise error

    return fail


def test_a_file_is_there_under_its_name_when_all_is_written_and_not_before(tmp_path):
    path = tmp_path / "new" / "a.json"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and list(path.parent.iterdir()) == [path]


def test_a_folder_takes_the_place_of_a_folder_and_of_what_a_killed_run_left(tmp_path):
    for folder, name in ((tmp_path / "model", "old"), (tmp_path / "model.tmp", "half")):
        folder.mkdir()
        (folder / name).touch()
    with replacing(tmp_path / "model") as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["model", "model/new"]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_what_cannot_be_written_is_named_in_one_line_and_the_former_file_stays(tmp_path, failure):
    path = tmp_path / "a.json"
    path.write_text("old")
    expected = pytest.raises(OSError, match=r"a\.json cannot be written \(.*MiB are free there\); make room")
    with expected as error, replacing(path) as temporary:
        temporary.write_text("ne")
        raise failure
    assert "\n" not in str(error.value)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("no JSON"), TypeError("no text")], ids=repr)
def test_an_error_that_is_no_fault_of_the_disk_passes_as_it_is(tmp_path, failure):
    with pytest.raises(type(failure)), replacing(tmp_path / "a.json"):
        raise failure
    assert not (tmp_path / "a.json").exists()


def test_metrics_on_a_full_or_read_only_disk_leave_the_former_ones(tmp_path, monkeypatch):
    path = write_text(tmp_path / "metrics" / "a.json", "old")
    for target, failure in (("pathlib.Path.write_text", FULL), ("os.replace", FULL), ("pathlib.Path.mkdir", READ_ONLY)):
        with monkeypatch.context() as patch:
            patch.setattr(target, raising(failure))
            with pytest.raises(OSError, match=rf"a\.json cannot be written \(.*{failure.strerror}"):
                write_text(path, "new")
        assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_device_that_is_full_is_named_though_pythons_own_error_names_no_file():
    expected = pytest.raises(OSError, match=r"/dev/full cannot be written \(\[Errno 28\] No space left on device")
    with expected, writing(Path("/dev/full")), Path("/dev/full").open("a") as file:
        file.write("x")
