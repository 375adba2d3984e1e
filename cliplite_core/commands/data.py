"""Look for the data of a profile, check that it is whole, make it smaller, or compose it."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cliplite_core.commands.overrides import add_profile, configured, profile_and_values
from cliplite_core.storage.files import replacing
from cliplite_core.storage.places import data_root

if TYPE_CHECKING:
    from cliplite_core.config import Config
    from cliplite_core.data.inventory.check import Finding

FINDINGS_SHOWN = 20
EPILOG = """
example:
  cliplite data status coco"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the four actions, each with a profile, any of its fields, and options of its own."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(required=True, metavar="ACTION", title="actions")

    def action(function: Callable[..., int], text: str, example: str, optional: str = "") -> argparse.ArgumentParser:
        name = function.__name__.removeprefix("_")
        added = actions.add_parser(name, help=text.partition(";")[0], description=text)
        added.formatter_class, added.epilog = parser.formatter_class, f"example:\n  cliplite data {name} {example}"
        add_profile(added, optional)
        added.add_argument("--root", type=Path, help="folder of the data sets, in place of $CLIPLITE_DATA")
        added.set_defaults(act=function)
        return added

    def workers(added: argparse.ArgumentParser) -> None:
        added.add_argument("--workers", type=int, help="processes (default: one per core, at most 8)")

    action(
        _status,
        "what of a profile's data is there, what is not, and where to get it; exit status 1 when something is\n"
        "missing or incomplete. Without a profile: every known set, exit status 0",
        "coco",
        optional="every known set",
    )
    checked = action(
        _check,
        "decode every image and follow every reference; exit status 1 when something is broken",
        "coco --workers 4",
    )
    checked.add_argument("--list", type=Path, metavar="FILE", help="write all that is broken, tab-separated")
    workers(checked)
    prepared = action(
        _prepare,
        "write the pairs as WebDataset shards, photos shrunk; run again, it resumes where it was",
        "coco --side 256",
    )
    prepared.add_argument(
        "--side", type=int, default=256, help="shorter side in pixels, 0 = as it is (default: %(default)s)"
    )
    prepared.add_argument("--quality", type=int, default=92, help="of JPEG (default: %(default)s)")
    prepared.add_argument("--samples", type=int, default=1000, help="images in a shard (default: %(default)s)")
    prepared.add_argument("--out", type=Path, help="folder of the shards (default: PROFILE-SIDE below the root)")
    workers(prepared)
    ready = action(_ready, "compose or find the data of a profile, and count it", "scenes")
    ready.add_argument(
        "--record", nargs=2, metavar=("training|all", "FILE"), help="write digits that change when the data does"
    )


def run(options: argparse.Namespace) -> int:
    """Run one action; 0 = all is well, 1 = something is missing or broken."""
    if options.root:
        os.environ["CLIPLITE_DATA"] = str(options.root.resolve())
    profile, values = profile_and_values(options)
    if profile is None and (values or options.act is not _status):
        raise ValueError(f"{options.profile!r}: expected a profile before NAME=VALUE, such as coco")
    options.profile = profile
    return options.act(options, configured(profile, values) if profile else None)


def _ready(options: argparse.Namespace, config: Config) -> int:
    from cliplite_core.data.inventory.digests import read_record
    from cliplite_core.data.left_out import left_out
    from cliplite_core.data.presence import lost_images
    from cliplite_core.data.record import data_record
    from cliplite_core.data.shards import ShardedPairs
    from cliplite_core.data.splits import read_split
    from cliplite_core.scenes.generate import compose_scenes
    from cliplite_core.storage.files import write_text
    from cliplite_core.storage.notes import note

    compose_scenes(config)
    splits = dict.fromkeys((config.data.train_split, config.data.val_split, config.data.test_split))
    for split, images in {split: read_split(config, split) for split in splits}.items():
        sharded = isinstance(images, ShardedPairs)  # of millions no list is made, and no file is looked for
        captions = images.count_captions() if sharded else sum(len(image.captions) for image in images)
        print(f"  {config.data.folder}/{split:<8} {len(images):>7,} images {captions:>9,} captions", flush=True)
        if not sharded and (lost := lost_images([image.path for image in images])):
            raise FileNotFoundError(f"{config.data.folder}/{split}: {lost}")
    for line in left_out(config):
        note(line)
    if options.record:
        which, path = options.record
        record = data_record(config) if which == "training" else read_record(config)
        write_text(Path(path), json.dumps(record, indent=1) + "\n")
    return 0


def _status(options: argparse.Namespace, config: Config | None) -> int:
    from cliplite_core.data.inventory.status import FOUND, LEFT_OUT, advice, status, table

    parts = status(config)
    print(f"{f'profile {config.profile}' if config else 'all known sets'} below {data_root()}\n\n{table(parts)}\n")
    if text := advice(parts):
        print(f"{text}\n")
    for field, name in _asked_of_the_hub(config) if config else ():
        print(f"{field} = {name!r} is not here: the hub is asked for it once training begins\n")
    states = Counter(part.state for part in parts)
    print(f"{len(parts)} parts: {', '.join(f'{count} {state}' for state, count in states.most_common())}")
    return 0 if config is None or states.keys() <= {FOUND, LEFT_OUT} else 1


def _asked_of_the_hub(config: Config) -> list[tuple[str, str]]:
    from cliplite_core.storage.hub import is_here

    named = [("tokenizer", config.data.tokenizer), ("text_weights", config.model.text_weights)]
    return [(field, name) for field, name in named if name and not is_here(name)]


def _check(options: argparse.Namespace, config: Config) -> int:
    from cliplite_core.data.inventory.check import check
    from cliplite_core.scenes.generate import compose_scenes

    compose_scenes(config)
    started = time.perf_counter()
    findings, images = check(config, **_workers(options))
    seconds = time.perf_counter() - started
    print(f"{config.profile}: {images:,} images decoded in {seconds:.0f} s, {len(findings):,} things broken")
    if options.list:
        text = "".join(f"{finding.problem}\t{finding.file}\t{finding.detail}\n" for finding in findings)
        with replacing(options.list) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
    if not findings:
        print(f"Nothing to do: `make results PROFILE={options.profile}` finds all it reads.")
        return 0
    for problem, count in Counter(finding.problem for finding in findings).most_common():
        print(f"  {count:>9,}  {problem}")
    print("\n".join(["", *map(_line, findings[:FINDINGS_SHOWN])]))
    if len(findings) > FINDINGS_SHOWN:
        print(f"… and {len(findings) - FINDINGS_SHOWN:,} more{'' if options.list else '; --list FILE writes all'}")
    print("\nTo do: fetch these files again or take them off their lists, then check again;")
    print(f"`cliplite data status {options.profile}` says where each set comes from.")
    return 1


def _line(finding: Finding) -> str:
    return f"{finding.file}: {finding.problem}{f' ({finding.detail})' if finding.detail else ''}"


def _prepare(options: argparse.Namespace, config: Config) -> int:
    from cliplite_core.data.inventory.prepare import prepare
    from cliplite_core.data.inventory.status import file_size
    from cliplite_core.scenes.generate import compose_scenes

    compose_scenes(config)
    out = (options.out or data_root() / f"{config.profile}-{options.side}").resolve()
    settings = (options.side, options.quality, options.samples)
    made = prepare(config, out, *settings, extends=options.profile, **_workers(options))
    print(f"{config.profile}: {made.photos:,} images, {file_size(made.before)} → {file_size(made.after)}")
    print(f"  {len(made.shards)} shards in {out}, checksums beside them")
    if out.parent != data_root().resolve():
        print(f"Copy the folder to the data root, {data_root()}, or name the folder above it as CLIPLITE_DATA.")
    print(f"To train on them: make results PROFILE={made.profile}")
    return 0


def _workers(options: argparse.Namespace) -> dict[str, Any]:
    if options.workers is not None and options.workers < 0:
        raise ValueError(f"--workers: got {options.workers}, expected 0 or more processes")
    return {"workers": options.workers} if options.workers is not None else {}
