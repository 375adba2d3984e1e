"""What of one's own data no split shows, or two do: counted, so that nothing is dropped or reported twice unsaid."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS

from cliplite_core.config import Config
from cliplite_core.data.apart import expect_apart
from cliplite_core.data.presence import shown
from cliplite_core.data.splits import captions_and_images, read_captions


def left_out(config: Config) -> list[str]:
    """Count captions and images that readers leave out, image files without a caption, and images in two splits.

    Files are looked for in the folders that hold an image of the list, and below them.

    Args:
        config: its `data` section names files and format.

    Returns:
        The lines of `expect_apart`, and one per caption file that something is left out of; none for composed scenes,
        which are whole, and for shards, whose reader says what is broken.

    Raises:
        FileNotFoundError, ValueError: as `read_captions` and `expect_apart`.
    """
    lines, named, counts = expect_apart(config), {}, {}
    if config.data.scenes_train or config.data.format == "webdataset":
        return lines
    for split in dict.fromkeys((config.data.train_split, config.data.val_split, config.data.test_split)):
        captions, _ = captions_and_images(config, split)
        if captions not in counts:
            counts[captions] = Counter()
            named[captions] = [image.path for image in read_captions(config, split, counts[captions])]
    unnamed = _images_below({path.parent for paths in named.values() for path in paths})
    unnamed -= {path for paths in named.values() for path in paths}
    for captions, kinds in counts.items():
        folders = {path.parent for path in named[captions]}
        mine = {path for path in unnamed if folders & {*path.parents}}
        unnamed -= mine
        kinds["image files without a caption"] = len(mine)
        if found := [f"{kind} ({count:,})" for kind, count in kinds.items() if count]:
            example = f", such as {shown(min(mine))}" if mine else ""
            lines.append(f"{shown(captions)}: left out: {', '.join(found)}{example}")
    return lines


def _images_below(folders: set[Path]) -> set[Path]:
    """Return the image files in folders and below; a folder within another is walked once."""
    tops = [folder for folder in folders if not folders & {*folder.parents}]
    walked = ((Path(at), names) for top in tops for at, _, names in os.walk(top))
    return {at / name for at, names in walked for name in names if Path(name).suffix.lower() in IMG_EXTENSIONS}
