"""`prepare`: unpacked shards are a data root with smaller photos, and an interrupted run ends as an unbroken one."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from small_root import write_photo

from cliplite_core.__main__ import main
from cliplite_core.data.inventory import prepare as module
from cliplite_core.data.inventory.check import check
from cliplite_core.data.inventory.prepare import prepare
from cliplite_core.data.inventory.status import status
from cliplite_core.data.labelled.boxes import read_instances
from cliplite_core.data.splits import read_split
from cliplite_core.profiles import load_profile


@pytest.fixture
def small_shards(monkeypatch) -> None:
    """Shards of 16 KiB in place of MiB, so that a few photos fill several."""
    pack = module.pack
    monkeypatch.setattr(module, "pack", lambda *args, **kw: pack(*args[:3], 16 * 1024, *args[4:], **kw))


def unpack(shards: list[Path], folder: Path) -> Path:
    for shard in shards:
        with tarfile.open(shard) as tar:
            tar.extractall(folder, filter="data")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_unpacked_anywhere_the_shards_are_a_data_root_again(profile, root, tmp_path, monkeypatch):
    config = load_profile(profile)
    before = {split: read_split(config, split) for split in ("train", "val")}
    parts = {part.need.key: (part.state, part.counts) for part in status(config)}
    made = prepare(config, tmp_path / "out", side=64)
    monkeypatch.setenv("CLIPLITE_DATA", str(unpack(made.shards, tmp_path / "fast")))
    for split, items in before.items():
        for old, new in zip(items, read_split(config, split), strict=True):
            assert (new.captions, new.image_id) == (old.captions, old.image_id)
            assert new.path.relative_to(tmp_path / "fast") == old.path.relative_to(root)
            assert min(Image.open(new.path).size) == min(64, *Image.open(old.path).size)
    assert {part.need.key: (part.state, part.counts) for part in status(config)} == parts
    assert check(config) == ([], made.photos)


def test_boxes_cover_the_same_share_of_the_smaller_photo(profile, root, tmp_path):
    made = prepare(load_profile(profile), tmp_path / "out", side=64)
    fast = unpack(made.shards, tmp_path / "fast")
    old, new = (
        read_instances(base / "coco/annotations/instances_train2017.json", base / "coco/train2017")
        for base in (root, fast)
    )
    assert [(image.width, image.height) for image in new] == [(85, 64), (64, 128), (85, 64), (85, 64)]
    for before, after in zip(old, new, strict=True):
        size_before, size_after = ([image.width, image.height] * 2 for image in (before, after))
        shares = [
            (box / box.new_tensor(size)).tolist()
            for box, size in ((before.boxes, size_before), (after.boxes, size_after))
        ]
        assert shares[1][0] == pytest.approx(shares[0][0], abs=1e-4)


def test_plain_tar_unpacks_them_and_sha256sum_agrees(profile, tmp_path):
    made = prepare(load_profile(profile), tmp_path / "out", side=64)
    (tmp_path / "fast").mkdir()
    for shard in made.shards:
        done = subprocess.run(["tar", "xf", shard, "-C", tmp_path / "fast"], capture_output=True, text=True, check=True)
        assert done.stderr == ""
    assert (tmp_path / "fast/coco/train2017/夜.jpg").is_file()
    sums = dict(line.split("  ")[::-1] for line in (tmp_path / "out/SHA256SUMS").read_text().splitlines())
    assert sums == {shard.name: contents(tmp_path / "out")[shard.name] for shard in made.shards}


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_run_goes_on_and_ends_with_the_files_of_an_unbroken_one(profile, tmp_path, monkeypatch):
    config = load_profile(profile)
    whole = prepare(config, tmp_path / "whole", side=64, workers=1)
    assert len(whole.shards) > 3
    calls = []

    def stopped(path: Path, **options) -> bytes:
        calls.append(path)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return shrink(path, **options)

    shrink = module.shrink
    monkeypatch.setattr(module, "shrink", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepare(config, tmp_path / "out", side=64, workers=1)
    begun = [path.name for path in (tmp_path / "out").glob("*.tar")]
    assert begun and not (tmp_path / "out/SHA256SUMS").exists()
    done = len(calls)
    assert prepare(config, tmp_path / "out", side=64, workers=1).photos == whole.photos
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert len(calls) - done < whole.photos  # the finished shards were not made again


def test_a_finished_run_given_again_changes_nothing(profile, tmp_path):
    config = load_profile(profile)
    prepare(config, tmp_path / "out", side=64)
    before = contents(tmp_path / "out")
    prepare(config, tmp_path / "out", side=64)
    assert contents(tmp_path / "out") == before


@pytest.mark.usefixtures("small_shards")
def test_no_shard_of_several_photos_is_larger_than_asked_for(profile, tmp_path):
    made = prepare(load_profile(profile), tmp_path / "out", side=64)
    for shard in made.shards[:-1]:
        with tarfile.open(shard) as tar:
            assert shard.stat().st_size <= 16 * 1024 or len(tar.getnames()) == 1


def test_several_processes_write_the_same_shards_as_one(profile, tmp_path):
    config = load_profile(profile)
    prepare(config, tmp_path / "one", side=64, workers=1)
    prepare(config, tmp_path / "two", side=64, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_broken_photo_stops_with_its_name_and_mended_the_run_goes_on(profile, root, tmp_path, capsys):
    path = root / "tiere und dinge/train/Schüssel/1.jpg"
    path.write_bytes(path.read_bytes()[:200])
    arguments = ["data", "prepare", profile, "--side", "64", "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "Schüssel/1.jpg: cannot be decoded" in error and "check" in error
    write_photo(path, (48, 40), seed=3)
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert "images" in output and 'tar xf "$shard"' in output


def test_shards_of_other_settings_or_other_images_are_not_mixed(profile, root, tmp_path):
    config = load_profile(profile)
    prepare(config, tmp_path / "out", side=64, quality=90)
    with pytest.raises(FileExistsError, match=r"'quality': 90.*'quality': 95"):
        prepare(config, tmp_path / "out", side=64, quality=95)
    write_photo(root / "tiere und dinge/test/Bär/00.jpg", (48, 40), seed=9)
    with pytest.raises(FileExistsError, match="holds other images than the profile names now"):
        prepare(config, tmp_path / "out", side=64, quality=90)


@pytest.mark.parametrize(
    ("options", "message"), [({"side": 32}, "side: got 32"), ({"quality": 100}, "quality: got 100")]
)
def test_sizes_that_would_spoil_the_data_are_refused(profile, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(load_profile(profile), tmp_path / "out", **options)


def test_a_list_that_names_files_elsewhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "data"))
    (tmp_path / "data/own/images").mkdir(parents=True)
    write_photo(tmp_path / "secret.jpg", (32, 32), 0)
    (tmp_path / "data/own/captions.csv").write_text("image,caption\n../../../secret.jpg,a cat\n")
    with pytest.raises(ValueError, match="leads out of the image folder"):
        prepare(load_profile("own"), tmp_path / "out")


def test_the_embedded_scenes_unpack_to_themselves(tiny, tmp_path, monkeypatch):
    where = dataclasses.asdict(tiny.evaluation)
    paths = {name: value.replace("scenes_smoke", "tiny") for name, value in where.items() if isinstance(value, str)}
    paths |= dict.fromkeys(("zero_shot", "zero_shot_shift", "probe", "people", "novel_split"), "")  # too few scenes
    made = prepare(tiny.override(**paths), tmp_path / "out")
    monkeypatch.setenv("CLIPLITE_DATA", str(unpack(made.shards, tmp_path / "fast")))
    assert len(read_split(tiny, "train")) == 48  # found finished: composed anew it would not be allowed over others
    assert (tmp_path / "fast/tiny/ATTRIBUTION.txt").is_file()
