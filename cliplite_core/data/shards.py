"""Pairs in WebDataset shards, as img2dataset writes them, read at random without being unpacked."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import overload

import numpy as np

from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.shard_index import ShardIndex, left_out_line, shard_index
from cliplite_core.storage.fingerprint import fingerprint_files
from cliplite_core.storage.places import runs_root
from cliplite_core.storage.tar_files import TarMember, find_shards

LANES = 64  # places in the shards that are read from at once; a power of two, to be split over 1, 2, 4, … processes


def read_shards(where: Path) -> ShardedPairs:
    """Read the pairs of a folder of WebDataset shards.

    A sample is the members of one name up to its first dot: an image (.jpg, .jpeg, .png, .webp), and its caption in
    .txt, or several in the list `captions` of a .json. The shards are read through once, when they are new: the index
    of what lies where is kept in `indexes/` beside the runs.

    Args:
        where: a folder, whose *.tar are read in the order of their names; or tar files by name in WebDataset's
            notation, such as `cc3m/{00000..00331}.tar`, of which none may be missing.

    Returns:
        A sequence of `CaptionedImage`, whose `path` is a `TarMember` and whose `image_id` is the sample's key. Samples
        that are broken are left out; one line on stderr says how many, and why.

    Raises:
        FileNotFoundError: there is no shard, or one that was named is missing.
        ValueError: a shard is no tar file or is cut short, or no sample of any is whole.

    Example:
        >>> pairs = read_shards(Path("cc3m/train"))  # doctest: +SKIP
        >>> pairs[0].captions, read_image(pairs[0].path).shape  # doctest: +SKIP
        (('a dog on the grass',), torch.Size([3, 256, 256]))
    """
    shards = find_shards(where)
    index = shard_index(shards, _index_path(where))
    if line := left_out_line(index):
        _note(line)
    return ShardedPairs(index)


class ShardedPairs(Sequence[CaptionedImage]):
    """Samples of WebDataset shards, in the order of the shards; items are made when they are asked for.

    Millions of pairs take a hundred bytes each, shared by all processes of a machine: the index is memory-mapped.

    Args:
        index: of the shards.
        rows: which of its samples, ascending. None = all.

    Attributes:
        shard_sizes: (S,) int64, how many of the samples each shard holds; those that hold none are left out.
    """

    def __init__(self, index: ShardIndex, rows: np.ndarray | None = None) -> None:
        self.index, self.rows = index, rows
        self._ends = np.cumsum(index.counts)
        of_each = np.bincount(self._shard(rows), minlength=1) if rows is not None else index.counts
        self.shard_sizes = of_each[of_each > 0]

    def __len__(self) -> int:
        return len(self.index.offsets) if self.rows is None else len(self.rows)

    @overload
    def __getitem__(self, at: int) -> CaptionedImage: ...
    @overload
    def __getitem__(self, at: slice) -> list[CaptionedImage]: ...
    def __getitem__(self, at: int | slice) -> CaptionedImage | list[CaptionedImage]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        row = int(at % len(self) if self.rows is None else self.rows[at])
        index, name = self.index, self.index.names[row]
        member = TarMember(index.shards[self._shard(row)], name, int(index.offsets[row]), int(index.sizes[row]))
        return CaptionedImage(member, tuple(index.texts[row].split("\0")), _key(name))

    def take(self, at: Sequence[int]) -> ShardedPairs:
        """Return some of the samples, in the order of the shards."""
        at = np.sort(np.asarray(at, dtype=np.int64))
        return ShardedPairs(self.index, at if self.rows is None else self.rows[at])

    def keys(self) -> Iterator[str]:
        """Yield the key of each sample: the name of its members up to the first dot."""
        return (_key(self.index.names[int(row)]) for row in (range(len(self)) if self.rows is None else self.rows))

    def count_captions(self) -> int:
        """Return how many captions the samples have."""
        if self.rows is None:
            return len(self) + int(np.count_nonzero(self.index.texts.letters == 0))
        return sum(len(self[i].captions) for i in range(len(self)))

    def describe(self) -> dict[str, str]:
        """Return digits that change when the samples do, as `data_record` keeps them: of "images" and "captions"."""
        index, digest = self.index, hashlib.sha256(b"" if self.rows is None else self.rows.tobytes())
        texts = hashlib.sha256(digest.digest())
        for column in (index.sizes, index.names.letters, index.names.ends):
            digest.update(np.ascontiguousarray(column))
        for column in (index.texts.letters, index.texts.ends):
            texts.update(np.ascontiguousarray(column))
        digest.update(fingerprint_files([self[i].path for i in range(0, len(self), max(1, len(self) // 256))]).encode())
        return {
            "images": f"{len(self):,}, {digest.hexdigest()[:12]}",
            "captions": f"{self.count_captions():,}, {texts.hexdigest()[:12]}",
        }

    def __reduce__(self) -> tuple:
        return _reopened, (self.index.path, self.index.shards, self.rows)  # a loader process maps the file itself

    def _shard(self, rows: int | np.ndarray) -> np.ndarray:
        return np.searchsorted(self._ends, rows, side="right")


def shard_order(sizes: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Permute samples such that few shards are read from at any time, and each process reads its own.

    Shards are shuffled, and samples within each; the sequence is cut into 64 lanes of equal length (fewer if there are
    fewer shards), which take turns. So long as lanes and batch divide by the number of processes, the share of
    `PairBatches`, every `world`-th item, is every `world`-th lane; the order itself knows nothing of processes, and the
    number of shards need not divide by anything.

    Args:
        sizes: (S,) samples of each shard.
        rng: of this epoch.

    Returns:
        (N,) int64, every sample once.

    Example:
        >>> sorted(shard_order([2, 3, 1], np.random.default_rng(0)).tolist())
        [0, 1, 2, 3, 4, 5]
    """
    sizes = np.asarray(sizes)
    first = np.cumsum(sizes) - sizes
    order = np.concatenate([first[shard] + rng.permutation(sizes[shard]) for shard in rng.permutation(len(sizes))])
    lanes = min(LANES, 2 ** (len(sizes).bit_length() - 1))
    depth = len(order) // lanes
    taking_turns = order[: lanes * depth].reshape(lanes, depth).T.ravel()  # shape: (lanes, depth) -> (depth · lanes,)
    return np.concatenate([taking_turns, order[lanes * depth :]])


def _reopened(path: Path, shards: tuple[Path, ...], rows: np.ndarray | None) -> ShardedPairs:
    return ShardedPairs(shard_index(shards, path), rows)


def _index_path(where: Path) -> Path:
    """Beside the runs: data may lie where nothing can be written, and is told changed by any new file."""
    digest = hashlib.sha256(str(where.absolute()).encode()).hexdigest()[:12]
    return runs_root() / "indexes" / f"{where.parent.name}-{where.stem}-{digest}.safetensors"


def _key(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


@cache
def _note(line: str) -> None:
    if os.environ.get("RANK", "0") == "0":  # of the processes of one training, one speaks
        print(f"note: {line}", file=sys.stderr, flush=True)
