"""Image–caption pairs for training and evaluation, every random draw a function of (seed, epoch, index)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedTokenizerFast

from cliplite_core.config import DataConfig
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.images import read_image, upright_size
from cliplite_core.data.shards import shard_order
from cliplite_core.data.tokenizer import tokenize
from cliplite_core.data.transforms import TrainTransform, swap_sides
from cliplite_core.storage.tar_files import TarMember


class CaptionPairs(Dataset):
    """Augmented images, each with one of its captions drawn at random (paper, section 4.1).

    Items are asked for by (epoch, index): the crop, the flip and the caption of an item depend on nothing but
    (seed, epoch, index), so neither the number of workers nor a resume changes the data. A crop is drawn before its
    photo is decoded: a JPEG whose crop is at least twice as large as needed is shrunk while decoded (see `read_image`),
    unless photos are kept, which are kept whole.

    Args:
        images: the captioned images of one split.
        config: crop, jitter, flip, size and cache.
        seed: the run's seed.
    """

    def __init__(self, images: Sequence[CaptionedImage], config: DataConfig, seed: int) -> None:
        self.images, self.seed, self.flip = images, seed, config.flip
        self.transform = TrainTransform(config.image_size, config.crop_scale, config.color_jitter)
        self.cache: dict[Path | TarMember, Tensor] | None = {} if config.cache_images else None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, str]:
        epoch, index = key
        item = self.images[index]
        rng = np.random.default_rng([self.seed, epoch, index])
        caption = item.captions[rng.integers(len(item.captions))]
        mirrored = self.flip and rng.random() < 0.5
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the CPU's global generator: borrow it
            torch.default_generator.manual_seed(int(rng.integers(2**31)))  # torch.manual_seed takes half an item's time
            cut = self._cut(item.path, mirrored)
            return self.transform.finish(cut), swap_sides(caption) if mirrored else caption

    def _cut(self, path: Path | TarMember, mirrored: bool) -> Tensor:
        """Draw a crop of the picture, or of its mirror image, and cut it out: uint8 (3, h, w)."""
        if self.cache is not None and path not in self.cache:
            self.cache[path] = read_image(path)
        whole = None if self.cache is None else self.cache[path]
        height, width = upright_size(path) if whole is None else whole.shape[1:]
        crop = self.transform.draw(height, width)
        if mirrored:  # the same rectangle from the other side, so that only what is cut out need be mirrored
            crop = crop._replace(left=width - crop.left - crop.width)
        image = read_image(path, crop.shrink(self.transform.size)) if whole is None else whole
        cut = crop.of(image, (height, width))
        return cut.flip(-1) if mirrored else cut


class PairBatches(Sampler[list[tuple[int, int]]]):
    """The endless order of training: a fresh permutation each epoch, cut into batches, from any step on.

    Args:
        size: number of items of the split.
        batch_size: items per step over all processes.
        seed: the run's seed.
        start: the step to begin at, so that a resumed run sees what it would have seen.
        rank, world: this process takes every `world`-th item of each batch, from `rank` on.
        shard_sizes: where items lie in shards, how many each holds; few are then read from at once, by `shard_order`.

    Raises:
        ValueError: the split has fewer items than one batch, or the batch does not divide over the processes.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        shard_sizes: Sequence[int] | None = None,
    ) -> None:
        if size < batch_size:
            raise ValueError(f"batch_size: got {batch_size}, expected at most the {size} images of the training split")
        if batch_size % world:
            raise ValueError(f"batch_size: got {batch_size}, expected a multiple of the {world} processes")
        self.size, self.batch_size, self.seed, self.start = size, batch_size, seed, start
        self.rank, self.world, self.shard_sizes = rank, world, shard_sizes

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        per_epoch = self.size // self.batch_size
        epoch, batch = divmod(self.start, per_epoch)
        while True:
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(self.size) if self.shard_sizes is None else shard_order(self.shard_sizes, rng)
            for first in range(batch * self.batch_size, per_epoch * self.batch_size, self.batch_size):
                mine = order[first : first + self.batch_size][self.rank :: self.world]
                yield [(epoch, int(index)) for index in mine]
            epoch, batch = epoch + 1, 0


def pair_loader(
    pairs: CaptionPairs, batches: PairBatches, tokenizer: PreTrainedTokenizerFast, workers: int = 0
) -> DataLoader:
    """Return an endless loader of (images (B, 3, H, W) float32, tokens {input_ids, attention_mask} (B, L) int64)."""
    collate = partial(_collate, tokenizer)  # no closure: workers that are not forked receive it pickled
    return DataLoader(
        pairs, batch_sampler=batches, collate_fn=collate, num_workers=workers, pin_memory=torch.cuda.is_available()
    )


def _collate(tokenizer: PreTrainedTokenizerFast, items: list[tuple[Tensor, str]]) -> tuple[Tensor, dict[str, Tensor]]:
    images, captions = zip(*items, strict=True)
    return torch.stack(images), tokenize(tokenizer, captions)
