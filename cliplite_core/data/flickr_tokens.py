"""Reader of Flickr's numbered captions: the token files of Flickr8k and Flickr30k, and Kaggle's results.csv."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from cliplite_core.data.captions import CaptionedImage, must_exist, read_lines
from cliplite_core.data.inside import ImageFolder

_TOKEN = re.compile(r"(?P<image>[^\t]+)#\d+\t(?P<caption>.*)")
# Kaggle's table of Flickr30k parts its columns by "| ", but for one row: "2199200615.jpg| 4   A dog runs across …".
_PIPE = re.compile(r"(?P<image>[^|]+?)\s*\|\s*\d+(?:\s*\||\s)(?P<caption>.*)")
_HEADER = re.compile(r"image_name\s*\|\s*comment_number\s*\|\s*comment\s*")
# Flickr8k.token.txt has five captions of an image that it does not come with: 2258277193_586949ec62.jpg.1
_NO_IMAGE = re.compile(r".*\.jpg\.\d+")


def read_caption_tokens(tokens: Path, images: Path) -> list[CaptionedImage]:
    """Read `Flickr8k.token.txt`, `results_20130124.token` (Flickr30k), or Flickr30k's `results.csv` from Kaggle.

    A line of the first two is `NAME#NUMBER<TAB>CAPTION`; the third has the header
    `image_name| comment_number| comment`. Captions may hold commas and quotation marks: nothing is quoted.

    Args:
        tokens: the file.
        images: the image folder.

    Returns:
        Images with at least one non-empty caption, in the order of their first line. Names that end in ".jpg.1" have
        no image in Flickr8k and are left out.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a line is broken or names a file outside the folder, or the file is no UTF-8 text; the message names
            the line.
    """
    must_exist(tokens, "a token file of Flickr8k or Flickr30k, or Kaggle's results.csv")
    lines = read_lines(tokens)
    with_header = _HEADER.fullmatch(lines[0]) is not None
    pattern, form = (_PIPE, "NAME| NUMBER| CAPTION") if with_header else (_TOKEN, "NAME#NUMBER<TAB>CAPTION")
    captions: dict[str, list[str]] = defaultdict(list)
    paths: dict[str, Path] = {}
    folder = ImageFolder(images, tokens)
    for number, line in enumerate(lines[with_header:], start=1 + with_header):
        row = pattern.fullmatch(line)
        if row is None and line.strip():
            raise ValueError(f"{tokens}: line {number}: found {line[:60]!r}, expected {form}")
        if row is not None and row["caption"].strip() and not _NO_IMAGE.fullmatch(row["image"]):
            name = row["image"]
            paths[name] = paths.get(name) or folder.path(name, f"line {number}")
            captions[name].append(row["caption"].strip())
    return [CaptionedImage(paths[name], tuple(texts), name) for name, texts in captions.items()]
