"""One image file to one tensor, and the two errors that name a file which gives none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import BITSPERSAMPLE as BITS
from PIL.TiffImagePlugin import SAMPLEFORMAT as SAMPLE_FORMAT
from torch import Tensor
from torchvision.transforms import v2

from cliplite_core.storage.tar_files import TarMember


class _OneLine(Exception):
    """An error whose message stays one line where a loader's process hands it over with its whole traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class MissingImage(_OneLine, FileNotFoundError):
    """An image file that a list names is not there."""


class BrokenImage(_OneLine, ValueError):
    """An image file cannot be decoded."""


# Each scale: the least brightest value that a picture of it may have, and white. Between two scales nobody can tell a
# dark picture of the upper one from a picture of an unknown scale.
_FLOATS = ((0, 1), (64, 255))
_SIGNED = ((0, 255), (2**14, 2**16 - 1), (2**29, 2**31 - 1))
_UNSIGNED = (*_SIGNED[:2], (2**31, 2**32 - 1))


def read_image(path: Path | TarMember, shrink: int = 1) -> Tensor:
    """Decode an image file to uint8 RGB (3, H, W), upright as its EXIF tag says, transparency on white.

    Grey images of 12 and 16 bits are cut to their upper 8. Floats and 32-bit integers (TIFF) do not say what white is;
    their brightest value tells: white is 1 if no float is above, else 255; it is 255 if no integer is above, else
    65535, else the largest integer. A picture that is too dark for its scale (below a quarter of white, below half for
    unsigned 32 bits; floats up to 1 and integers up to 255 never are), or has values that are negative or no numbers,
    is refused: a guess would make it black or white unsaid.

    Args:
        path: a file in any format that Pillow reads, or a member of a tar file.
        shrink: 1, 2, 4 or 8: a JPEG is made so much smaller while it is decoded (`Image.draft`), other formats stay as
            they are. Resized afterwards to what is needed, COCO's photos differ from whole ones by 2 of 255 levels on
            average (shrunk to half, seen at 224 px; 3 at an eighth), finely textured ones by 5: blocks of pixels are
            averaged where an antialiasing filter would weigh.

    Returns:
        uint8 (3, H, W), or where shrunk (3, ceil(H / shrink), ceil(W / shrink)).

    Raises:
        MissingImage: the file does not exist.
        BrokenImage: the file is no image, is cut short, has more pixels than Pillow thinks safe, or values of a scale
            that cannot be told.
    """
    with _opened(path) as image:
        if shrink > 1:
            image.draft(image.mode, (image.width // shrink, image.height // shrink))
        bits, unsigned = _integers(image)  # before an upright picture loses them
        ImageOps.exif_transpose(image, in_place=True)  # most stand upright, and would be copied all the same
        if image.mode == "F":
            image = _scaled(np.asarray(image), _FLOATS)
        elif image.mode == "I" and bits == 32:
            values = np.asarray(image)
            image = _scaled(values.view(np.uint32), _UNSIGNED) if unsigned else _scaled(values, _SIGNED)
        elif image.mode.startswith("I"):  # 12- or 16-bit grey, which `convert` would clip to white
            image = Image.fromarray((np.asarray(image) >> (bits - 8)).clip(0, 255).astype(np.uint8))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return v2.functional.pil_to_tensor(image if image.mode == "RGB" else image.convert("RGB"))


def upright_size(path: Path | TarMember) -> tuple[int, int]:
    """Return (height, width) of the picture that `read_image` gives, without decoding it.

    Raises:
        MissingImage, BrokenImage: as `read_image`, as far as the file's head tells.
    """
    with _opened(path) as image:
        lying = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return (image.width, image.height) if lying else (image.height, image.width)


@contextmanager
def _opened(path: Path | TarMember) -> Iterator[Image.Image]:
    """Open an image file; what goes wrong with it meanwhile is told with its name."""
    try:
        with path.open("rb") as file, Image.open(file) as image:
            yield image
    except FileNotFoundError:
        raise MissingImage(f"{path} not found, though the caption file names it") from None
    except Exception as error:  # decoders raise whatever a damaged header leads them to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BrokenImage(
            f"{path}: cannot be decoded as an image ({reason}); replace the file or drop its row"
        ) from error


def _integers(image: Image.Image) -> tuple[int, bool]:
    """Return how many bits a grey image of integers has, and whether they are unsigned; Pillow's mode does not say."""
    if image.format == "TIFF":
        return image.tag_v2.get(BITS, (1,))[0], image.tag_v2.get(SAMPLE_FORMAT, (1,))[0] == 1
    return (16, True) if image.format in ("PNG", "PPM") or image.mode != "I" else (32, False)


def _scaled(values: np.ndarray, scales: tuple[tuple[float, float], ...]) -> Image.Image:
    """Return an 8-bit grey image of (H, W) floats or 32-bit integers; a ValueError where no scale is sure."""
    low, high = values.min(), values.max()
    white = next((most for least, most in scales if low >= 0 and least <= high <= most), None)
    if white is None:  # or a value is not a number
        brightest = " or ".join(f"{least:,}–{most:,}" for least, most in scales)
        raise ValueError(
            f"mode {'F' if scales is _FLOATS else 'I'}, {values.dtype} values from {low:g} to {high:g}, expected none "
            f"below 0 and the brightest at {brightest}; save it with 8 bits"
        )
    return Image.fromarray((values.astype(np.float64) * (255 / white)).round().astype(np.uint8))
