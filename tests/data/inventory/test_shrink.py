"""Photos made smaller: what training reads afterwards is what it read before, at the new size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cliplite_core.data.images import read_image
from cliplite_core.data.inventory.shrink import shrink, smaller

ORIENTATION = 0x0112


def gradient(width: int, height: int) -> Image.Image:
    """A smooth picture without symmetry, so that a turned or mirrored copy is another picture."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return Image.fromarray((255 * np.stack([x, y, x * y], axis=-1)).astype(np.uint8))


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def read(content: bytes, folder: Path) -> torch.Tensor:
    (folder / "small").write_bytes(content)
    return read_image(folder / "small")


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (500, 333), (2000, 1500), (257, 4000)])
def test_the_shorter_side_becomes_the_wanted_one_and_the_shape_stays(tmp_path, size):
    path = saved(tmp_path / "a.jpg", gradient(*size), quality=95)
    small = Image.open(io.BytesIO(shrink(path, 256)))
    assert min(small.size) == 256
    assert small.width / small.height == pytest.approx(size[0] / size[1], abs=0.02)
    assert small.format == "JPEG"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_taken_with_a_turned_camera_looks_as_training_saw_it_before(tmp_path, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / "a.jpg", gradient(400, 300), quality=95, exif=exif)
    before, after = read_image(path), read(shrink(path, 100), tmp_path)
    oracle = Image.fromarray(before.permute(1, 2, 0).numpy()).resize(after.shape[:0:-1], Image.Resampling.LANCZOS)
    assert (after.permute(1, 2, 0).float() - torch.from_numpy(np.array(oracle)).float()).abs().mean() < 2
    assert Image.open(io.BytesIO(shrink(path, 100))).getexif().get(ORIENTATION) is None


@pytest.mark.parametrize(
    ("name", "mode"),
    [("grey.jpg", "L"), ("print.jpg", "CMYK"), ("web.png", "RGBA"), ("map.png", "P"), ("scan.png", "I;16")],
)
def test_every_kind_of_picture_reads_the_same_but_smaller(tmp_path, name, mode):
    picture = gradient(300, 200)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    elif mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    path = saved(tmp_path / name, picture)
    before, after = read_image(path), read(shrink(path, 100), tmp_path)
    assert after.shape == (3, 100, 150)
    oracle = Image.fromarray(before.permute(1, 2, 0).numpy()).resize((150, 100), Image.Resampling.LANCZOS)
    assert (after.permute(1, 2, 0).float() - torch.from_numpy(np.array(oracle)).float()).abs().mean() < 3


def test_small_pictures_keep_their_bytes(tmp_path):
    path = saved(tmp_path / "a.jpg", gradient(300, 256), quality=40)
    assert shrink(path, 256) == path.read_bytes()
    assert shrink(path, 255) != path.read_bytes()


@pytest.mark.parametrize("side", [64, 1000])
def test_a_broken_file_is_named_whether_it_would_be_scaled_or_copied(tmp_path, side):
    path = saved(tmp_path / "cut.jpg", gradient(400, 300))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"cut\.jpg: cannot be decoded"):
        shrink(path, side)
    with pytest.raises(FileNotFoundError, match="gone"):
        shrink(tmp_path / "gone.jpg", side)


def test_sizes_round_to_whole_pixels_and_never_grow():
    assert smaller((641, 480), 256) == (342, 256)
    assert smaller((480, 641), 256) == (256, 342)
    assert smaller((256, 10_000), 256) == (256, 10_000)
    assert smaller((10, 10), 256) == (10, 10)
