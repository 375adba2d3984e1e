"""WebDataset shards: read as the library reads them, in an order of (seed, epoch), and nothing broken goes unsaid."""

from __future__ import annotations

import itertools
import pickle
import resource
import sys
import tarfile
from collections import Counter

import numpy as np
import pytest
import webdataset
from web_shards import picture, write_shards

from cliplite_core.__main__ import main
from cliplite_core.config import DataConfig
from cliplite_core.data.images import MissingImage, read_image
from cliplite_core.data.inventory.check import check
from cliplite_core.data.inventory.needs import needs
from cliplite_core.data.inventory.status import FOUND, INCOMPLETE, look
from cliplite_core.data.own import own_config
from cliplite_core.data.pairs import CaptionPairs, PairBatches
from cliplite_core.data.record import data_record
from cliplite_core.data.shards import LANES, _note, read_shards, shard_order
from cliplite_core.data.splits import read_split
from cliplite_core.profiles import load_profile

WEB = (
    'extends = "own"\n[data]\nfolder = "web"\nformat = "webdataset"\ncaptions = ""\nimages = "{images}"\nworkers = 0\n'
)


@pytest.fixture(autouse=True)
def _each_note_anew() -> None:
    _note.cache_clear()


@pytest.fixture
def web(tmp_path):
    """Writes shards, and the profile that reads them; returns the profile."""

    def write(sizes, images="", **options):
        write_shards(tmp_path / "data/web", sizes, **options)
        (tmp_path / "web.toml").write_text(WEB.replace("{images}", images))
        return load_profile(str(tmp_path / "web.toml"))

    return write


def test_every_sample_is_what_the_library_reads(tmp_path):
    folder = write_shards(tmp_path / "web", [3, 1, 4])
    pairs = read_shards(folder)
    library = list(webdataset.WebDataset([str(path) for path in sorted(folder.glob("*.tar"))], shardshuffle=False))
    assert len(pairs) == len(library) == 8 and pairs.count_captions() == 8
    for pair, sample in zip(pairs, library, strict=True):
        assert (pair.image_id, pair.name) == (sample["__key__"], sample["__key__"])
        assert pair.captions == (sample["txt"].decode(),) and pair.path.read_bytes() == sample["jpg"]
        assert pair.path.name == f"{sample['__key__']}.jpg"
    assert [pair.name for pair in pairs[2:5]] == ["000000002", "000010000", "000020000"]
    assert pairs[-1] == pairs[7] and read_image(pairs[0].path).shape == (3, 20, 24)
    with pytest.raises(IndexError):
        pairs[8]


def test_names_that_ustar_cannot_hold_and_folders_inside_a_shard_are_read(tmp_path):
    """Python's own tarfile, as many write shards: long and foreign names, which `wids` would cut."""
    long = "bilder/" + "夜" * 60
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in ((f"{long}.jpg", picture(0)), (f"{long}.txt", b"night"), ("__meta__.json", b"{}")):
            (tmp_path / "content").write_bytes(content)
            tar.add(tmp_path / "content", name)
    (pair,) = read_shards(tmp_path / "a.tar")
    assert (pair.name, pair.captions, pair.path.read_bytes()) == (long, ("night",), picture(0))


def test_several_captions_come_from_the_json_and_a_sample_without_txt_has_that_of_its_json(tmp_path):
    def spoil(number, sample):
        if number == 0:
            return sample | {"json": b'{"captions": ["one", " two ", ""]}'}
        return {name: sample[name] for name in ("jpg", "json")}

    pairs = read_shards(write_shards(tmp_path / "web", [3], spoil))
    assert [pair.captions for pair in pairs] == [
        ("one", "two"),
        ("a blue thing, number 1",),
        ("a green thing, number 2",),
    ]
    assert pairs.count_captions() == 4 and pairs.take([0, 2]).count_captions() == 3


BROKEN = {  # what is done to the samples of one number: what is said of them
    2: (lambda s: s | {"jpg": s["jpg"][:150]}, "1 with an image that cannot be decoded (such as 00000.tar/000000002)"),
    3: (lambda s: s | {"jpg": b"<html>404</html>"}, ""),
    4: (lambda s: s | {"jpg": b""}, ""),
    5: (lambda s: {"txt": s["txt"], "json": s["json"]}, "without image (jpg, jpeg, png, webp)"),
    6: (lambda s: s | {"txt": b" \n"}, "without caption (such as 00001.tar/000010000)"),
    7: (lambda s: s | {"txt": b"\xff\xfe\x00"}, "with a caption that is no UTF-8 text"),
    8: (lambda s: s | {"json": b"{"}, ""),
}  # fmt: skip


def test_broken_samples_are_left_out_counted_and_named_in_one_line(tmp_path, capsys):
    folder = write_shards(tmp_path / "web", [6, 6], lambda n, sample: BROKEN[n][0](sample) if n in BROKEN else sample)
    kept = [0, 1, 9, 10, 11]
    assert [pair.captions[0].split()[-1] for pair in read_shards(folder)] == [str(n) for n in kept]
    said = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(said) == 1 and f"{folder}: 7 of 12 samples left out" in said[0]
    assert "3 with an image that cannot be decoded (such as 00000.tar/000000002)" in said[0]
    assert all(text in said[0] for _, text in list(BROKEN.values())[3:6]) and "2 with a caption" in said[0]
    read_shards(folder)
    assert capsys.readouterr().err == "", "once is enough"


def test_two_members_of_one_name_are_a_broken_sample(tmp_path, capsys):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (
            ("1.jpg", picture(0)),
            ("1.jpg", picture(1)),
            ("1.txt", b"a"),
            ("2.jpg", picture(2)),
            ("2.txt", b"b"),
        ):
            (tmp_path / "content").write_bytes(content)
            tar.add(tmp_path / "content", name)
    assert [pair.name for pair in read_shards(tmp_path / "a.tar")] == ["2"]
    assert "1 with two members of one name (such as a.tar/1)" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 0.9])
def test_a_shard_cut_anywhere_is_refused_in_one_line(web, capsys, share, tmp_path):
    web([4, 40])
    path = tmp_path / "data/web/00001.tar"
    path.write_bytes(path.read_bytes()[: int(share * 40 * 5 * 512)])
    assert main(["data", "ready", str(tmp_path / "web.toml")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and str(path) in error and "fetch or write it again" in error


def test_a_shard_cut_between_two_members_or_with_garbage_inside_is_refused(tmp_path):
    folder = write_shards(tmp_path / "web", [3])
    whole = (folder / "00000.tar").read_bytes()
    with tarfile.open(folder / "00000.tar") as tar:
        between = tar.getmembers()[3].offset
    for spoilt in (whole[:between], whole[:between] + b"x" * (len(whole) - between)):
        (folder / "00000.tar").write_bytes(spoilt)
        with pytest.raises(ValueError, match=r"00000\.tar: cut short or damaged after 1 samples"):
            read_shards(folder)


def test_a_compressed_shard_is_told_from_a_damaged_one(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w:gz"):
        pass
    with pytest.raises(ValueError, match="no tar file, or a compressed one"):
        read_shards(tmp_path / "a.tar")


def test_a_folder_without_shards_and_a_shard_that_is_missing_are_named(tmp_path):
    folder = write_shards(tmp_path / "web", [2, 2, 2])
    assert len(read_shards(folder / "{00000..00002}.tar")) == 6
    with pytest.raises(FileNotFoundError, match=r"2 of 5 shards are not there, such as 00003\.tar"):
        read_shards(folder / "{00000..00004}.tar")
    with pytest.raises(FileNotFoundError, match=r"found no \.tar file"):
        read_shards(tmp_path)


def test_the_index_is_built_once_and_again_in_one_line_where_it_is_missing_broken_or_old(tmp_path, capsys):
    def notes() -> list[str]:
        return [line for line in capsys.readouterr().err.splitlines() if "indexing" in line]

    folder = write_shards(tmp_path / "web", [2, 2])
    first = list(read_shards(folder))
    assert notes() == [f"note: {folder}: indexing 2 shards (no index yet)"]
    assert list(read_shards(folder)) == first and notes() == []
    (index,) = (tmp_path / "runs/indexes").glob("*.safetensors")
    index.write_bytes(index.read_bytes()[:100])
    assert list(read_shards(folder)) == first
    assert notes() == [f"note: {folder}: indexing 2 shards (the index is cut short or broken)"]
    write_shards(folder, [2, 3])
    assert len(read_shards(folder)) == 5
    assert notes() == [f"note: {folder}: indexing 2 shards (the shards changed)"]


def test_a_shard_that_shrinks_after_it_was_indexed_stops_with_its_name(tmp_path):
    folder = write_shards(tmp_path / "web", [2])
    pair = read_shards(folder)[1]
    (folder / "00000.tar").write_bytes((folder / "00000.tar").read_bytes()[: pair.path.offset + 10])
    with pytest.raises(ValueError, match=r"00000\.tar is cut short: 10 of"):
        read_image(pair.path)
    (folder / "00000.tar").unlink()
    with pytest.raises(MissingImage, match=r"00000\.tar/000000001\.jpg not found"):
        read_image(pair.path)


def test_one_folder_is_split_by_a_hash_of_the_keys_or_by_lists_or_by_folders(web, tmp_path):
    config = web([100, 101, 99])
    splits = {split: [pair.name for pair in read_split(config, split)] for split in ("train", "val", "test")}
    assert sorted(itertools.chain(*splits.values())) == [
        f"{s:05d}{i:04d}" for s, n in enumerate((100, 101, 99)) for i in range(n)
    ]
    assert len(splits["train"]) > 240 and splits["val"] and splits["test"]
    few = read_split(config.override(train_fraction=0.1), "train")
    assert len(few) == round(len(splits["train"]) / 10) == few.shard_sizes.sum()
    for split in splits:
        (tmp_path / f"data/web/{split}.txt").write_text("000010003\n000000007\n")
    assert [pair.name for pair in read_split(config.override(split_file="{split}.txt"), "val")] == [
        "000000007",
        "000010003",
    ]
    for split, size in (("train", 12), ("val", 11), ("test", 10)):
        write_shards(tmp_path / "data/web" / split, [size])
    config = config.override(images="{split}")
    assert [len(read_split(config, split)) for split in ("train", "val", "test")] == [12, 11, 10]


def test_a_folder_of_shards_is_enough_to_fit_a_model(tmp_path):
    folder = write_shards(tmp_path / "mine", [60, 40])
    config = own_config(folder, folder, "own", epochs=2, batch_size=10)
    sizes = {split: len(read_split(config, split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 70, "val": 10, "test": 20} and config.train.steps == 14
    with pytest.raises(ValueError, match="expected the folder of the shards"):
        own_config(folder, tmp_path, "own", epochs=2)
    with pytest.raises(ValueError, match=r"is a folder without shards \(\.tar\)"):
        own_config(tmp_path, tmp_path, "own", epochs=2)


def test_status_and_check_know_shards(web, tmp_path):
    config = web([30, 40], spoil=lambda n, sample: sample | {"txt": b""} if n == 33 else sample)
    parts = [look(need) for need in needs(config) if need.kind == "captions"]
    assert {part.state for part in parts} == {FOUND}
    assert sum(part.counts["images"] for part in parts) == 69 and all(part.size for part in parts)
    found, looked_at = check(
        config.override(people="", zero_shot="", voc="", probe="", boxes="", zero_shot_more=[]), workers=1
    )
    assert looked_at == 69
    assert {(finding.problem, finding.file) for finding in found} == {("sample with no caption", "00001.tar/000010003")}
    (tmp_path / "data/web/00001.tar").unlink()
    named = config.override(images="{00000..00001}.tar")
    (state,) = {look(need).state for need in needs(named) if need.kind == "captions"}
    assert state == INCOMPLETE


def test_the_record_of_a_run_changes_with_a_caption_an_image_and_the_choice_of_samples(web, tmp_path):
    config = web([30, 40])
    before = data_record(config)
    assert data_record(config) == before
    write_shards(tmp_path / "data/web", [30, 40], lambda n, s: s | {"txt": b"other"} if n == 6 else s)
    assert {name for name, value in data_record(config).items() if value != before[name]} == {
        "training captions", "validation captions",
    }  # fmt: skip
    write_shards(tmp_path / "data/web", [30, 40], lambda n, s: s | {"jpg": picture(99)} if n == 6 else s)
    assert data_record(config)["training images"] != before["training images"]
    write_shards(tmp_path / "data/web", [30, 40])
    assert data_record(config) == before != data_record(config.override(train_fraction=0.5))


@pytest.mark.parametrize("sizes", [[5], [1, 1], [10, 3, 7], [100] * 130 + [7]])
def test_an_epoch_takes_every_sample_once_and_follows_from_seed_and_epoch_alone(sizes):
    def order(seed, epoch):
        return shard_order(sizes, np.random.default_rng([seed, epoch])).tolist()

    assert sorted(order(0, 0)) == list(range(sum(sizes)))
    assert order(0, 0) == order(0, 0)
    if sum(sizes) > 2:
        assert order(0, 0) != order(0, 1) != order(1, 0)


@pytest.mark.parametrize("world", [2, 4, 8])
def test_each_process_reads_its_own_shards_and_together_they_read_the_batches_of_one(world):
    sizes, batch = [50] * 131, 64  # 131 shards, which divide by nothing
    shard_of = np.repeat(np.arange(len(sizes)), sizes)

    def batches(rank, world):
        order = iter(PairBatches(sum(sizes), batch, seed=3, rank=rank, world=world, shard_sizes=sizes))
        return [[index for _, index in next(order)] for _ in range(40)]

    alone, shares = batches(0, 1), [batches(rank, world) for rank in range(world)]
    for step in range(40):
        assert [index for share in zip(*(s[step] for s in shares), strict=True) for index in share] == alone[step]
    read = [{int(shard_of[index]) for step in share for index in step} for share in shares]
    several = [shard for shard, times in Counter(s for one in read for s in one).items() if times > 1]
    assert len(several) <= LANES, "only where a lane ends inside a shard do two processes meet"
    assert max(map(len, read)) <= 2 * LANES / world + 1


def test_few_shards_are_read_from_at_once():
    sizes = [1000] * 300
    shard_of, order = np.repeat(np.arange(300), sizes), shard_order([1000] * 300, np.random.default_rng(0))
    assert max(len(set(shard_of[order[at : at + 1024]])) for at in range(0, len(order), 1024)) <= 2 * LANES


def test_a_resumed_order_is_the_rest_of_the_unbroken_one():
    sizes = [7, 9, 5, 11]
    whole = iter(PairBatches(32, 8, seed=0, shard_sizes=sizes))
    expected = [next(whole) for _ in range(11)]
    rest = iter(PairBatches(32, 8, seed=0, start=6, shard_sizes=sizes))
    assert [next(rest) for _ in range(5)] == expected[6:]


def test_pairs_reach_a_loader_that_is_not_forked_as_the_name_of_the_index(tmp_path):
    pairs = read_shards(write_shards(tmp_path / "web", [200, 100])).take(range(0, 300, 2))
    sent = pickle.dumps(pairs)
    again = pickle.loads(sent)
    assert list(again) == list(pairs) and again.shard_sizes.tolist() == [100, 50]
    assert len(sent) < 2500, "150 row numbers, no names and no captions"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no `resource`")
def test_reading_more_samples_takes_no_more_memory(tmp_path):
    data = DataConfig(image_size=16, color_jitter=0.0)
    pairs = CaptionPairs(read_shards(write_shards(tmp_path / "web", [100] * 4)), data, seed=0)
    order = iter(PairBatches(400, 16, seed=0, shard_sizes=pairs.images.shard_sizes))

    def read(batches: int) -> int:
        for _ in range(batches):
            for key in next(order):
                pairs[key]
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    warm = read(50)
    assert (read(150) - warm) / 1024 < 8, "MiB over 2,400 samples"
