"""What lies where in WebDataset shards: found by reading each shard once, kept in one file that processes share.

Why not `wids`, WebDataset's own indexed reader: it left the package with version 1.0, and where it still is (0.2) a
shard that is cut short, a name beyond 100 letters and two members of one name all pass unsaid; each process reads every
header of a shard again whenever it comes back to it; and its index is a Python object for each member.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm.auto import tqdm

from cliplite_core.data.images import BrokenImage, read_image
from cliplite_core.data.inventory.workers import WORKERS, parallel_map
from cliplite_core.storage.files import replacing
from cliplite_core.storage.packed_texts import PackedTexts
from cliplite_core.storage.tar_files import TarMember

FORMAT = "1"  # raise it when an index would be built differently
IMAGES = ("jpg", "jpeg", "png", "webp")  # what img2dataset writes
BLOCK = 512  # bytes that tar counts in
WORTH_PROCESSES = 2**30  # bytes of shards from which on several processes are started
# How a whole file of each kind ends; any other ending makes it worth decoding to find out.
ENDINGS = (b"\xff\xd9", b"IEND\xaeB`\x82")

LeftOut = dict[str, tuple[int, str]]  # reason: how often, and the first


@dataclass
class Scanned:
    """What was found in one shard, sample by sample."""

    names: list[str] = field(default_factory=list)  # of the image members
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # a sample's captions, with NUL between them
    left_out: LeftOut = field(default_factory=dict)


@dataclass(frozen=True)
class ShardIndex:
    """All samples of a list of shards, in the order of the shards; arrays are memory-mapped from the index file.

    Attributes:
        path: of the index file.
        shards: the tar files.
        counts: (S,) int64, samples of each.
        offsets, sizes: (N,) int64, where in its shard each sample's image lies, in bytes.
        names: N names of image members.
        texts: N texts, each a sample's captions with NUL between them.
        left_out: samples that are broken: reason -> (how many, the first of them).
    """

    path: Path
    shards: tuple[Path, ...]
    counts: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    names: PackedTexts
    texts: PackedTexts
    left_out: LeftOut


def shard_index(shards: Sequence[Path], path: Path) -> ShardIndex:
    """Open the index of shards; a line on stderr says so where it has to be built first, as the shards are new.

    Args:
        shards: tar files, not compressed, in the order of their samples.
        path: the index file.

    Returns:
        The index.

    Raises:
        ValueError: a shard is no tar file or is cut short, or no sample of any is whole.
        OSError: the index cannot be written.
    """
    state = json.dumps([[str(shard), shard.stat().st_size, shard.stat().st_mtime_ns] for shard in shards])
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):  # of several processes one builds it
        if reason := _stale(path, state):
            print(f"note: {shards[0].parent}: indexing {len(shards):,} shards ({reason})", file=sys.stderr, flush=True)
            _build(shards, path, state)
    return _open(shards, path)


def scan(shard: Path) -> Scanned:
    """Read a shard from end to end and group its members as WebDataset does: by name up to the first dot.

    Args:
        shard: a tar file, not compressed.

    Returns:
        Its whole samples, and what is wrong with the others.

    Raises:
        ValueError: no tar file, or cut short.
    """
    found, number = Scanned(), 0
    try:
        with tarfile.open(shard, "r:") as tar:
            members = (member for member in tar if member.isfile() and not Path(member.name).name.startswith("__"))
            for key, group in groupby(members, lambda member: _split_name(member.name)[0]):
                _add_sample(found, shard, key, [(member, tar.extractfile(member).read()) for member in group])
                number += 1
                tar.members.clear()  # else tarfile keeps them all
            end = tar.offset  # `tarfile` ends without a word at a header that it cannot read
        with shard.open("rb") as file:
            file.seek(end)
            if file.read(BLOCK) != bytes(BLOCK):
                raise tarfile.ReadError("no end of archive")
    except tarfile.ReadError as error:
        reason = f"cut short or damaged after {number:,} samples" if number else "no tar file, or a compressed one"
        raise ValueError(
            f"{shard}: {reason} ({error}), expected a whole uncompressed tar; fetch or write it again"
        ) from error
    return found


def _split_name(name: str) -> tuple[str, str]:
    """Key and ending, as WebDataset's `base_plus_ext` splits them; all of it is the key where there is no dot."""
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending.lower()


def _add_sample(found: Scanned, shard: Path, key: str, group: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    parts = {_split_name(member.name)[1]: (member, content) for member, content in group}
    image = next((parts[ending] for ending in IMAGES if ending in parts), None)
    texts: list[str] = []
    if len(parts) < len(group):
        problem = "two members of one name"
    elif image is None:
        problem = f"no image ({', '.join(IMAGES)})"
    elif not _whole(TarMember(shard, image[0].name, image[0].offset_data, image[0].size), image[1]):
        problem = "an image that cannot be decoded"
    else:
        try:
            texts = _captions({ending: content for ending, (_, content) in parts.items()})
            problem = "" if texts else "no caption"
        except (ValueError, RecursionError):
            problem = "a caption that is no UTF-8 text or no JSON"
    if problem:
        count, first = found.left_out.get(problem, (0, f"{shard.name}/{key}"))
        found.left_out[problem] = count + 1, first
        return
    member = image[0]
    found.names.append(member.name)
    found.offsets.append(member.offset_data)
    found.sizes.append(member.size)
    found.texts.append("\0".join(texts))


def _captions(contents: dict[str, bytes]) -> list[str]:
    """Captions of a sample: the list `captions` of its .json, else its .txt, else the `caption` of its .json."""
    about = json.loads(contents["json"]) if "json" in contents else {}
    about = about if isinstance(about, dict) else {}
    told = about.get("captions")
    if not isinstance(told, list):
        told = [contents["txt"].decode("utf-8-sig")] if "txt" in contents else [about.get("caption")]
    return [text for text in (str(text or "").replace("\0", " ").strip() for text in told) if text]


def _whole(member: TarMember, content: bytes) -> bool:
    """Whether an image can be decoded; what begins and ends as its kind does is believed, as decoding takes hours."""
    try:
        with Image.open(io.BytesIO(content)):
            if not content.rstrip(b"\0").endswith(ENDINGS):
                read_image(member)
    except (BrokenImage, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def _stale(path: Path, state: str) -> str:
    """Why an index has to be built; "" if it is there and of just these shards."""
    if not path.exists():
        return "no index yet"
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
    except (SafetensorError, OSError):
        return "the index is cut short or broken"
    return "" if about.get("format") == FORMAT and about.get("state") == state else "the shards changed"


def _build(shards: Sequence[Path], path: Path, state: str) -> None:
    large = sum(shard.stat().st_size for shard in shards) > WORTH_PROCESSES
    scanned = parallel_map(scan, shards, WORKERS if large and len(shards) > 1 else 1)
    found = list(tqdm(scanned, total=len(shards), desc="indexing", unit="shard", leave=False))
    left_out: LeftOut = {}
    for problem, (count, first) in (entry for part in found for entry in part.left_out.items()):
        before, earliest = left_out.get(problem, (0, first))
        left_out[problem] = before + count, earliest
    names, texts = (
        PackedTexts.packed([text for part in found for text in getattr(part, of)]) for of in ("names", "texts")
    )
    if not len(names[1]):
        raise ValueError(f"{shards[0].parent}: found {_told(left_out)}, expected samples of .jpg and .txt or .json")
    arrays = {
        "counts": np.array([len(part.names) for part in found], dtype=np.int64),
        "offsets": np.array([offset for part in found for offset in part.offsets], dtype=np.int64),
        "sizes": np.array([size for part in found for size in part.sizes], dtype=np.int64),
        "names": names[0], "name_ends": names[1], "texts": texts[0], "text_ends": texts[1],
    }  # fmt: skip
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in arrays.items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"format": FORMAT, "state": state, "left_out": json.dumps(left_out)})


def _open(shards: Sequence[Path], path: Path) -> ShardIndex:
    with safe_open(path, "pt") as file:
        arrays = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118, it is no dictionary
        left_out = {problem: tuple(found) for problem, found in json.loads(file.metadata()["left_out"]).items()}
    strings = (PackedTexts(arrays[of], arrays[f"{of[:-1]}_ends"]) for of in ("names", "texts"))
    columns = (arrays[of] for of in ("counts", "offsets", "sizes"))
    return ShardIndex(path, tuple(shards), *columns, *strings, left_out)


def _told(left_out: LeftOut) -> str:
    told = (f"{count:,} with {problem} (such as {first})" for problem, (count, first) in left_out.items())
    return ", ".join(told).replace("with no ", "without ") or "the shards are empty"


def left_out_line(index: ShardIndex) -> str:
    """Return how many samples are left out and why, in one line; "" if none is."""
    lost, kept = sum(count for count, _ in index.left_out.values()), len(index.names)
    where = index.shards[0].parent
    return f"{where}: {lost:,} of {lost + kept:,} samples left out: {_told(index.left_out)}" if lost else ""
