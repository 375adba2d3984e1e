"""Photos, and the boxes on them, at the size that training needs: what no crop shows need not be read every epoch."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image, ImageOps

from cliplite_core.data.captions import read_json
from cliplite_core.data.images import read_image


def shrink(path: Path, side: int, quality: int = 92) -> bytes:
    """Scale an image file down until its shorter side is `side`; smaller ones keep their bytes.

    Args:
        path: the image file.
        side: shorter side in pixels.
        quality: of JPEG, 1 to 95; from 90 on it is hard to tell from the original.

    Returns:
        Contents of the new file: JPEG stays JPEG, anything else becomes PNG (files are decoded by content, so it
        may keep its name). Upright, RGB, without EXIF, transparency on white: what `read_image` makes of the
        original, made once.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is no image, or is cut short; the message names it.
    """
    buffer = io.BytesIO()
    try:
        with Image.open(path) as image:
            if min(image.size) <= side:
                image.load()  # a broken file is found here, not in training
                return path.read_bytes()
            if image.format == "JPEG":
                width, height = smaller(image.size, side)
                image.draft(image.mode, (2 * width, 2 * height))  # large photos are decoded at 1/2, 1/4 or 1/8
                small = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
                ImageOps.exif_transpose(small).save(buffer, "JPEG", quality=quality, exif=b"", icc_profile=None)
                return buffer.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        read_image(path)  # says what is wrong
        raise
    upright = Image.fromarray(read_image(path).permute(1, 2, 0).numpy())
    upright.resize(smaller(upright.size, side), Image.Resampling.LANCZOS).save(buffer, "PNG")
    return buffer.getvalue()


def shrink_boxes(instances: Path, side: int) -> bytes:
    """Scale the boxes of a COCO instances file as `shrink` scales the images it lists.

    Args:
        instances: the JSON file with `images`, `annotations` and `categories`.
        side: shorter side in pixels.

    Returns:
        The JSON with `width`, `height`, `bbox` and `area` of the small images. `segmentation` is left out: outlines
        are in pixels too, and nothing here reads them.
    """
    content = read_json(instances, "a COCO instances JSON file")
    scales = {}
    for image in content["images"]:
        size = image["width"], image["height"]
        image["width"], image["height"] = smaller(size, side)
        scales[image["id"]] = image["width"] / size[0], image["height"] / size[1]
    for entry in content["annotations"]:
        right, down = scales[entry["image_id"]]
        entry["bbox"] = [round(v * scale, 3) for v, scale in zip(entry["bbox"], (right, down) * 2, strict=True)]
        entry |= {"area": entry["area"] * right * down} if "area" in entry else {}
        entry.pop("segmentation", None)
    return json.dumps(content).encode()


def smaller(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return width and height scaled until the shorter one is `side`; never larger than they were.

    Example:
        >>> smaller((640, 480), 256), smaller((200, 100), 256)
        ((341, 256), (200, 100))
    """
    factor = min(1, side / min(size))
    return round(size[0] * factor), round(size[1] * factor)
