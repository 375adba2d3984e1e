"""Photos at the size that training needs: what no crop shows need not be read every epoch."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from cliplite_core.data.images import read_image
from cliplite_core.storage.tar_files import TarMember


def shrink(path: Path | TarMember, side: int, quality: int = 92) -> bytes:
    """Scale an image file down until its shorter side is `side`; smaller ones keep their bytes.

    Args:
        path: the image file.
        side: shorter side in pixels. 0 = keep all bytes.
        quality: of JPEG, 1 to 95; from 90 on it is hard to tell from the original.

    Returns:
        Contents of a new file: JPEG stays JPEG, anything else becomes PNG. If scaled: upright, RGB, without EXIF,
        transparency on white: what `read_image` makes of the original, made once.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is no image, or is cut short; the message names it.
    """
    buffer = io.BytesIO()
    try:
        with path.open("rb") as file, Image.open(file) as image:
            if (side == 0 or min(image.size) <= side) and image.format in ("JPEG", "PNG", "WEBP"):
                image.load()  # a broken file is found here, not in training
                return path.read_bytes()
            if image.format == "JPEG":  # larger than `side`
                width, height = smaller(image.size, side)
                image.draft(image.mode, (2 * width, 2 * height))  # large photos are decoded at 1/2, 1/4 or 1/8
                small = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
                ImageOps.exif_transpose(small).save(buffer, "JPEG", quality=quality, exif=b"", icc_profile=None)
                return buffer.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        read_image(path)  # says what is wrong
        raise
    upright = Image.fromarray(read_image(path).permute(1, 2, 0).numpy())
    small = upright.resize(smaller(upright.size, side), Image.Resampling.LANCZOS) if side else upright
    small.save(buffer, "PNG")
    return buffer.getvalue()


def smaller(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return width and height scaled until the shorter one is `side`; never larger than they were.

    Example:
        >>> smaller((640, 480), 256), smaller((200, 100), 256)
        ((341, 256), (200, 100))
    """
    factor = min(1, side / min(size))
    return round(size[0] * factor), round(size[1] * factor)
