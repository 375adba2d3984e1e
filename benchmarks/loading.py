"""Photos a second that reach the training step, in one process: python benchmarks/loading.py PROFILE FOLDER [FOLDER …]

Each FOLDER is a data root with the profile's set, such as the original and one of smaller photos. They are timed in
turns, by processor time, and the fastest turn counts: other work on the machine only ever slows one down. The files are
in memory after the first turn; what a slow disk adds, the size of a photo tells.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.splits import read_split
from cliplite_core.data.tokenizer import train_wordpiece
from cliplite_core.profiles import load_profile


def items_below(config: Config, root: Path, images: int) -> list[CaptionedImage]:
    os.environ["CLIPLITE_DATA"] = str(root)
    return read_split(config, config.data.train_split)[:images]


def loading(config: Config, items: list[CaptionedImage]) -> Callable[[], None]:
    """One pass through the loader of training: decode, crop, jitter, tokenise, batch."""
    texts = [caption for item in items for caption in item.captions]
    tokenizer = train_wordpiece(texts, 500, config.data.max_tokens)
    size = min(config.train.batch_size, len(items))
    batches = iter(
        pair_loader(CaptionPairs(items, config.data, seed=0), PairBatches(len(items), size, seed=0), tokenizer)
    )
    return lambda: [next(batches) for _ in range(len(items) // size)] and None


def images_per_second(work: Callable[[], None], images: int) -> float:
    started = time.process_time()
    work()
    return images / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile")
    parser.add_argument("roots", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--images", type=int, default=512, help="at most this many (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args()
    config = load_profile(options.profile, cache_images=False, train_fraction=1.0, batch_size=16)
    sets = {root: items_below(config, root, options.images) for root in options.roots}
    works = {
        root: (lambda items=items: [read_image(item.path) for item in items] and None) for root, items in sets.items()
    }
    loaders = {root: loading(config, items) for root, items in sets.items()}
    decoded, loaded = dict.fromkeys(sets, 0.0), dict.fromkeys(sets, 0.0)
    for _ in range(options.turns):
        for root, items in sets.items():
            decoded[root] = max(decoded[root], images_per_second(works[root], len(items)))
            loaded[root] = max(loaded[root], images_per_second(loaders[root], len(items) // 16 * 16))
    first = options.roots[0]
    print("  kB a photo     decoded/s            loaded/s")
    for root, items in sets.items():
        size = sum(item.path.stat().st_size for item in items) / len(items) / 1e3
        ratios = (f"{speed[root]:9.1f} ({speed[root] / speed[first]:4.2f} x)" for speed in (decoded, loaded))
        print(f"{size:12.1f} {' '.join(ratios)}  {root}")


if __name__ == "__main__":
    main()
