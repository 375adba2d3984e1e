"""`python -m cliplite_core.data ready scenes`: is the data of a profile there? The embedded scenes are composed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cliplite_core.config import ConfigError, load_profile
from cliplite_core.data.sources import read_split


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads every split a profile names and prints how many images and captions each has."""
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.data", description=__doc__)
    parser.add_argument("command", choices=["ready"], help="ready: compose or find the data, and count it")
    parser.add_argument("profile", help="name of a profile, or path of a .toml file")
    options = parser.parse_args(arguments)
    try:
        config = load_profile(options.profile)
        splits = (config.data.train_split, config.data.val_split, config.data.test_split)
        counts = {split: read_split(config, split) for split in dict.fromkeys(splits)}
    except (ConfigError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for split, images in counts.items():
        captions = sum(len(image.captions) for image in images)
        print(f"  {config.data.folder}/{split:<8} {len(images):>7,} images {captions:>9,} captions", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
