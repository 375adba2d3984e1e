"""Photos a second that reach the training step, in one process: python benchmarks/loading.py PROFILE FOLDER [FOLDER …]

Each FOLDER is a data root with the profile's set, such as the original and what `prepare` made of it. They are timed in
turns and the fastest turn counts: other work on the machine only ever slows one down.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from cliplite_core.config import Config, load_profile
from cliplite_core.data.pairs import CaptionPairs, PairBatches, pair_loader
from cliplite_core.data.sources import read_split
from cliplite_core.data.tokenizer import train_wordpiece


def images_per_second(config: Config, root: Path, images: int, batch_size: int) -> float:
    os.environ["CLIPLITE_DATA"] = str(root)
    items = read_split(config, config.data.train_split)[:images]
    tokenizer = train_wordpiece([caption for item in items for caption in item.captions], 500, config.data.max_tokens)
    pairs = CaptionPairs(items, config.data, seed=0)
    batches = iter(pair_loader(pairs, PairBatches(len(items), batch_size, seed=0), tokenizer))
    next(batches)  # the first batch pays for imports
    started = time.process_time(), time.perf_counter()
    steps = max(1, len(items) // batch_size)
    for _ in range(steps):
        next(batches)
    processor, wall = time.process_time() - started[0], time.perf_counter() - started[1]
    done = steps * batch_size
    print(f"    {done / wall:8.1f} images/s by the clock, {done / processor:8.1f} by processor time")
    return done / processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile")
    parser.add_argument("roots", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--images", type=int, default=512, help="at most this many (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    config = load_profile(options.profile, cache_images=False, train_fraction=1.0)
    best = dict.fromkeys(options.roots, 0.0)
    for turn in range(options.turns):
        for root in options.roots:
            print(f"  turn {turn + 1}, {root}")
            best[root] = max(best[root], images_per_second(config, root, options.images, options.batch_size))
    first = best[options.roots[0]]
    for root, speed in best.items():
        print(f"{speed:8.1f} images/s  {speed / first:5.2f} x  {root}")


if __name__ == "__main__":
    main()
