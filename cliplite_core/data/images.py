"""One image file to one tensor, and the two errors that name a file which gives none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms import v2


class _OneLine(Exception):
    """An error whose message stays one line where a loader's process hands it over with its whole traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class MissingImage(_OneLine, FileNotFoundError):
    """An image file that a list names is not there."""


class BrokenImage(_OneLine, ValueError):
    """An image file cannot be decoded."""


def read_image(path: Path) -> Tensor:
    """Decodes an image file to uint8 RGB (3, H, W), upright as its EXIF tag says, transparency on white.

    Raises:
        MissingImage: the file does not exist.
        BrokenImage: the file is no image, is cut short, or has more pixels than Pillow thinks safe.
    """
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip to white
                image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return v2.functional.pil_to_tensor(image.convert("RGB"))
    except FileNotFoundError:
        raise MissingImage(f"{path} not found, though the caption file names it") from None
    except Exception as error:  # decoders raise whatever a damaged header leads them to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BrokenImage(
            f"{path}: cannot be decoded as an image ({reason}); replace the file or drop its row"
        ) from error
