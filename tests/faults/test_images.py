"""An image is read as it looks, or refused by name: no scale is guessed that makes it black or white."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from cliplite_core.data.images import BrokenImage, read_image

ROWS, COLUMNS = np.mgrid[0:40, 0:60]
TRUE = ((np.sin(COLUMNS / 9) + np.cos(ROWS / 7) + 2) / 4 * 255).round().astype(np.uint8)
TRUE[0, 0] = 255
FLOAT, INTEGER = TRUE.astype(np.float32), TRUE.astype(np.int64)


def tiff(path: Path, values: np.ndarray, bits: int = 32, kind: int = 1) -> Path:
    """A TIFF by hand, of what Pillow reads and does not write: unsigned 32-bit integers, 12 bits packed."""
    entries = {256: values.shape[1], 257: values.shape[0], 258: bits, 259: 1, 262: 1, 277: 1, 278: values.shape[0]}
    data = values.astype("<u4").tobytes()
    if bits == 12:
        pairs = values.reshape(-1, 2).astype(np.uint32)
        packed = [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
        data = np.stack(packed, axis=1).astype(np.uint8).tobytes()
    entries |= {273: 8, 279: len(data), 339: kind}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    path.write_bytes(head + data + struct.pack("<H", len(entries)) + directory + bytes(4))
    return path


READ = {
    "float, 0 to 1": FLOAT / 255,
    "float, 0 to 255": FLOAT,
    "integer of 32 bits, 0 to 255": INTEGER.astype(np.int32),
    "integer of 32 bits, 0 to 65535": (INTEGER * 257).astype(np.int32),
    "integer of 32 bits, all of them": (INTEGER * (2**31 - 1) // 255).astype(np.int32),
    "integer of 16 bits": (INTEGER * 257).astype(np.uint16),
    "integer of 8 bits": TRUE,
    "black, float": FLOAT * 0,
}
REFUSED = {
    "below 0": FLOAT / 255 - 0.5,
    "a little above 1": FLOAT / 255 * 1.2,
    "up to 65535, float": FLOAT * 257,
    "not a number": np.where(FLOAT > 100, np.nan, FLOAT / 255).astype(np.float32),
    "infinite": np.where(FLOAT > 100, np.inf, FLOAT / 255).astype(np.float32),
    "24 of 32 bits": (INTEGER << 16).astype(np.int32),
    "integers below 0": (INTEGER - 3).astype(np.int32),
}


def difference(path: Path, expected: np.ndarray = TRUE) -> float:
    image = read_image(path)
    assert image.shape == (3, *expected.shape)
    return float(np.abs(image.numpy().astype(float) - expected).mean())


@pytest.mark.parametrize("values", READ.values(), ids=READ.keys())
def test_a_grey_tiff_is_read_as_it_looks(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "grey.tif")
    assert difference(tmp_path / "grey.tif", TRUE if values.any() else TRUE * 0) < 2


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED.keys())
def test_a_tiff_whose_white_nobody_knows_is_refused_in_one_line(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "grey.tif")
    with pytest.raises(BrokenImage, match=r"grey\.tif: .*mode [FI], \w+32 values .*; save it with 8 bits") as error:
        read_image(tmp_path / "grey.tif")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("white", [255, 65535, 2**32 - 1])
def test_unsigned_integers_of_32_bits_are_read_by_their_own_range(tmp_path, white):
    assert difference(tiff(tmp_path / "a.tif", INTEGER * white // 255)) < 2


def test_unsigned_integers_of_31_bits_are_refused(tmp_path):
    with pytest.raises(BrokenImage, match="uint32 values"):  # read as 32 bits they would be half as bright
        read_image(tiff(tmp_path / "a.tif", INTEGER * (2**31 - 1) // 255))


def test_twelve_bits_are_no_dark_sixteen(tmp_path):
    assert difference(tiff(tmp_path / "a.tif", INTEGER * 4095 // 255, bits=12)) < 2


@pytest.mark.parametrize("name", ["a.png", "a.jp2"])
def test_sixteen_bits_of_other_formats_are_read_as_they_look(tmp_path, name):
    if name == "a.jp2" and not features.check("jpg_2000"):
        pytest.skip("this Pillow has no JPEG 2000")
    Image.fromarray((INTEGER * 257).astype(np.uint16)).save(tmp_path / name)
    assert difference(tmp_path / name) < 2


def test_a_dark_picture_of_16_bits_stays_dark(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 60 40 65535\n" + (INTEGER // 2).astype(">u2").tobytes())
    assert difference(tmp_path / "a.pgm", TRUE * 0) < 2


def test_an_upright_copy_keeps_its_scale(tmp_path):
    exif = Image.Exif()
    exif[274] = 3  # upside down
    Image.fromarray(FLOAT / 255).save(tmp_path / "a.tif", exif=exif)
    assert difference(tmp_path / "a.tif", TRUE[::-1, ::-1]) < 2
