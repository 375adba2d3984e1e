"""Training on what people really have: odd images are read, a broken one is named and costs no more than its batch."""

from __future__ import annotations

import errno
import itertools
import pickle
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cliplite_core import trainer as module
from cliplite_core.__main__ import main
from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import BrokenImage, MissingImage, read_image
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.data.transforms import eval_transform
from cliplite_core.model import CLIPLite
from cliplite_core.runs import train
from cliplite_core.storage.logs import read_summary
from cliplite_core.storage.places import run_directory


def saved(path: Path, size: tuple[int, int] = (20, 20), **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


# --- images -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (20_000, 10)], ids=str)
def test_an_image_of_any_shape_reaches_the_encoder(tmp_path, tiny, size):
    path = saved(tmp_path / "a.png", size)
    assert read_image(path).shape == (3, size[1], size[0])
    assert eval_transform(16)(read_image(path)).shape == (3, 16, 16)
    pairs = CaptionPairs([CaptionedImage(path, ("a caption",), 0)], tiny.data, seed=0)
    assert all(pairs[epoch, 0][0].shape == (3, 16, 16) for epoch in range(3))


def test_an_image_too_large_to_be_safe_is_named_before_it_is_decoded(tmp_path):
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    (tmp_path / "vast.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(BrokenImage, match=r"vast\.png: cannot be decoded as an image \(.*400000000 pixels.*\)"):
        read_image(tmp_path / "vast.png")


@pytest.mark.parametrize("name", ["mit Leerzeichen (1).jpg", "Фото №5.jpg", "犬🐕.jpg", "a#1%20b.jpg", "{split}.jpg"])
def test_an_image_of_any_name_is_read(tmp_path, name):
    assert read_image(saved(tmp_path / "Meine Bilder ü" / name)).shape == (3, 20, 20)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_picture_with_a_torn_exif_tag_is_still_a_picture(tmp_path):
    path = saved(tmp_path / "a.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
    assert read_image(path).shape == (3, 20, 20)


def test_a_header_that_pillow_stumbles_over_is_a_broken_image(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 2x 2 255\n" + bytes(12))
    with pytest.raises(BrokenImage, match=r"a\.ppm: cannot be decoded as an image"):
        read_image(tmp_path / "a.ppm")


@pytest.mark.parametrize(("kind", "base"), [(BrokenImage, ValueError), (MissingImage, FileNotFoundError)])
def test_an_images_error_is_one_line_whoever_hands_it_over(tmp_path, tiny, tokenizer, kind, base):
    paths = [saved(tmp_path / f"{n}.jpg") for n in range(4)]
    paths[2].unlink()
    if kind is BrokenImage:
        paths[2].write_text("<!DOCTYPE html>")
    pairs = CaptionPairs([CaptionedImage(path, ("a caption",), path.name) for path in paths], tiny.data, seed=0)
    messages = []
    for workers in (0, 1):
        with pytest.raises(kind) as error:
            next(iter(pair_loader(pairs, PairBatches(4, 4, seed=0), tokenizer, workers)))
        messages.append(str(error.value))
    assert messages[0] == messages[1] == str(pickle.loads(pickle.dumps(error.value)))
    assert messages[0].startswith(str(paths[2])) and "\n" not in messages[0]
    assert issubclass(kind, base)


# --- captions -----------------------------------------------------------------------------------------------------


def test_a_caption_of_ten_thousand_words_or_one_endless_word_is_cut(tokenizer):
    longest = tokenizer.model_max_length
    tokens = tokenize(tokenizer, ["a red dog " * 3334, "x" * 100_000, "a dog"])
    assert tokens["input_ids"].shape == (3, longest)
    assert tokens["attention_mask"].sum(dim=1)[0] == longest
    assert tokens["input_ids"][0, -1] == tokenizer.sep_token_id


# --- training -----------------------------------------------------------------------------------------------------


@pytest.fixture
def own_data(tiny: Config, tmp_path, scenes_data, monkeypatch) -> Config:
    """The tiny configuration on a copy of its data that a test may break."""
    shutil.copytree(scenes_data, tmp_path / "data")
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "data"))
    return tiny


def shown_at(config: Config, step: int) -> Path:
    """An image of the batch of one step, counted from 1."""
    images = read_split(config, config.data.train_split)
    order = PairBatches(len(images), config.train.batch_size, config.train.seed)
    _, index = next(itertools.islice(order, step - 1, None))[0]
    return images[index].path


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model" / "model.safetensors")


def one_error(capsys: pytest.CaptureFixture) -> str:
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


def test_a_broken_image_ends_a_run_with_its_name_and_once_mended_the_run_goes_on(
    own_data, tiny_arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("CLIPLITE_DATA", str(tmp_path / "data"))
    broken = shown_at(own_data, step=5)
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    assert main(tiny_arguments()) == 2
    printed = one_error(capsys)
    assert str(broken) in printed and "replace the file or drop its row" in printed
    directory = run_directory(own_data)
    assert torch.load(directory / "state.pt", weights_only=True)["step"] == 3
    broken.write_bytes(whole)
    assert main(tiny_arguments()) == 0
    assert read_summary(directory)["resumed_from"] == 3
    monkeypatch.setenv("CLIPLITE_RUNS", str(tmp_path / "unbroken"))
    resumed, unbroken = weights(directory), weights(train(own_data))
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


def test_a_disk_that_fills_up_while_a_checkpoint_is_written_leaves_the_last_one(
    tiny, tiny_arguments, monkeypatch, capsys
):
    save = torch.save

    def until_full(state: dict, path: Path) -> None:
        save(state, path)
        if state["step"] == 4:
            path.write_bytes(path.read_bytes()[:1000])
            raise OSError(errno.ENOSPC, "No space left on device")

    arguments, config = tiny_arguments(checkpoint_every=2), tiny.override(checkpoint_every=2)
    with monkeypatch.context() as patch:
        patch.setattr(module.torch, "save", until_full)
        assert main(arguments) == 2
    directory = run_directory(config)
    assert f"{directory / 'state.pt'} cannot be written ([Errno 28] No space left" in one_error(capsys)
    assert torch.load(directory / "state.pt", weights_only=True)["step"] == 2
    assert {path.name for path in directory.iterdir()} - {"lock"} == {"data.json", "log.jsonl", "state.pt"}
    assert main(arguments) == 0
    assert read_summary(directory)["resumed_from"] == 2


def test_a_disk_that_is_full_when_the_model_is_saved_costs_the_steps_since_the_last_checkpoint_alone(tiny, monkeypatch):
    def full(model: CLIPLite, directory: Path) -> None:
        directory.mkdir()
        (directory / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(CLIPLite, "save", full)
        with pytest.raises(OSError, match=r"model cannot be written \(\[Errno 28\] No space left on device"):
            train(tiny)
    directory = run_directory(tiny)
    assert not (directory / "model").exists() and not (directory / "model.tmp").exists()
    assert CLIPLite.load(train(tiny) / "model").config == tiny
    assert read_summary(directory)["resumed_from"] == 3
