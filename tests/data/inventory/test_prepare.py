"""`prepare`: shards that any reader of WebDataset reads, and a run that is interrupted ends as an unbroken one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import webdataset
from PIL import Image
from small_root import write_json, write_photo

from cliplite_core.__main__ import main
from cliplite_core.data.images import read_image
from cliplite_core.data.inventory import prepare as module
from cliplite_core.data.inventory.check import check
from cliplite_core.data.inventory.prepare import prepare
from cliplite_core.data.inventory.status import FOUND, status
from cliplite_core.data.splits import read_split
from cliplite_core.profiles import load_profile
from cliplite_core.runs import train


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_profile_beside_the_shards_reads_the_same_pairs_from_smaller_photos(profile, root):
    config = load_profile(profile)
    before = {split: read_split(config, split) for split in ("train", "val")}
    made = prepare(config, root / "small-64", side=64, samples=3, workers=1, extends=profile)
    assert [path.relative_to(root / "small-64").as_posix() for path in made.shards] == [
        "train/00000.tar", "train/00001.tar", "val/00000.tar",
    ]  # fmt: skip
    packed = load_profile(str(made.profile))
    for split, items in before.items():
        for old, new in zip(items, read_split(packed, split), strict=True):
            assert new.captions == old.captions
            assert min(read_image(new.path).shape[1:]) == min(64, *Image.open(old.path).size)
    assert packed.evaluation == config.evaluation
    parts = [part for part in status(packed) if part.need.key.startswith("small-64")]
    assert {part.state for part in parts} == {FOUND} and [part.counts["captions"] for part in parts] == [20, 10]
    findings, looked_at = check(packed, workers=1)
    assert findings == [] and looked_at == made.photos + 6 + 8  # those of the boxes, and the class folders


def test_the_library_and_plain_tar_read_them_and_sha256sum_agrees(profile, root):
    out = root / "small-64"
    made = prepare(load_profile(profile), out, side=64, samples=3, workers=1, extends=profile)
    samples = list(webdataset.WebDataset(str(made.shards[0]), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["000000000", "000000001", "000000002"]
    assert samples[0]["txt"] == b"a cat, told 0"
    assert json.loads(samples[0]["json"])["captions"] == [f"a cat, told {n}" for n in range(5)]
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=out, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    done = subprocess.run(["tar", "tf", made.shards[1]], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["000010000.jpg", "000010000.json", "000010000.txt"] and done.stderr == ""


def test_side_0_leaves_the_photos_as_they_are(profile, root):
    config = load_profile(profile)
    made = prepare(config, root / "whole", side=0, workers=1, extends=profile)
    for old, new in zip(read_split(config, "train"), read_split(load_profile(str(made.profile)), "train"), strict=True):
        assert new.path.read_bytes() == old.path.read_bytes()


def test_an_interrupted_run_goes_on_and_ends_with_the_files_of_an_unbroken_one(profile, tmp_path, monkeypatch):
    config = load_profile(profile)
    prepare(config, tmp_path / "whole/out", side=64, samples=1, workers=1, extends=profile)
    calls = []

    def stopped(path: Path, *options) -> bytes:
        calls.append(path)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return shrink(path, *options)

    shrink = module.shrink
    monkeypatch.setattr(module, "shrink", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepare(config, tmp_path / "out", side=64, samples=1, workers=1, extends=profile)
    assert len(list((tmp_path / "out").rglob("*.tar"))) == 3 and not (tmp_path / "out/SHA256SUMS").exists()
    prepare(config, tmp_path / "out", side=64, samples=1, workers=1, extends=profile)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole/out")
    assert len(calls) == 4 + 3, "the finished shards were not made again"


def test_several_processes_write_the_same_shards_as_one(profile, tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        prepare(load_profile(profile), tmp_path / name / "out", side=64, samples=2, workers=workers, extends=profile)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_broken_photo_stops_with_its_name_and_mended_the_run_goes_on(profile, root, capsys):
    path = root / "coco/val2017/0006.jpg"
    path.write_bytes(path.read_bytes()[:200])
    arguments = ["data", "prepare", profile, "--side", "64", "--samples", "1", "--workers", "1"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "0006.jpg: cannot be decoded" in error and "`check` lists every such file" in error
    assert len(list((root / "small-64").rglob("*.tar"))) == 5
    write_photo(path, (64, 128), seed=3)
    assert main(arguments) == 0
    assert f"make results PROFILE={root / 'small-64/small-64.toml'}" in capsys.readouterr().out


def test_shards_of_other_settings_or_other_pairs_are_not_mixed(profile, root, tmp_path):
    config = load_profile(profile)
    prepare(config, tmp_path / "out", side=64, quality=90, workers=1, extends=profile)
    with pytest.raises(FileExistsError, match=r"'quality': 90.*'quality': 95"):
        prepare(config, tmp_path / "out", side=64, quality=95, workers=1, extends=profile)
    annotations = root / "coco/annotations/captions_val2017.json"
    write_json(annotations, json.loads(annotations.read_text().replace("told 3", "told otherwise")))
    with pytest.raises(FileExistsError, match="other images or captions than the profile names now"):
        prepare(config, tmp_path / "out", side=64, quality=90, workers=1, extends=profile)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"side": 32}, "side: got 32"), ({"quality": 100}, "quality: got 100"), ({"samples": 10_001}, "samples: got")],
)
def test_settings_that_would_spoil_the_data_are_refused(profile, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(load_profile(profile), tmp_path / "out", **options)


def test_a_list_that_names_files_elsewhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "data"))
    (tmp_path / "data/own/images").mkdir(parents=True)
    write_photo(tmp_path / "secret.jpg", (32, 32), 0)
    (tmp_path / "data/own/captions.csv").write_text("image,caption\n../../../secret.jpg,a cat\n")
    with pytest.raises(ValueError, match="leads out of the image folder"):
        prepare(load_profile("own"), tmp_path / "out")


def test_the_embedded_scenes_train_from_shards_as_well(tiny, scenes_data, tmp_path, monkeypatch):
    made = prepare(tiny, tmp_path / "data/tiny-0", side=0, samples=16, workers=1, extends="smoke")
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "data"))
    fields = {"image_size": 16, "vocab_size": 150, "image_width": 8, "text_hidden": 16, "units": 16, "batch_size": 8}
    config = load_profile(str(made.profile), steps=6, workers=0, **fields)
    assert (train(config) / "model").is_dir()
    with tarfile.open(made.shards[0]) as tar:
        assert len(tar.getnames()) == 3 * 16
