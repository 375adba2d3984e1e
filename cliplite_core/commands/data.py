"""Is the data there, is it whole, can it be smaller? `python -m cliplite_core.data {ready,status,check,prepare}`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from cliplite_core.config import Config, ConfigError
from cliplite_core.data.inventory.check import Finding, check
from cliplite_core.data.inventory.prepare import prepare
from cliplite_core.data.inventory.status import FOUND, LEFT_OUT, advice, file_size, status, table
from cliplite_core.data.parallel import DEFAULT_WORKERS
from cliplite_core.data.splits import read_split
from cliplite_core.profiles import load_profile
from cliplite_core.scenes.generate import compose_scenes
from cliplite_core.storage.places import data_root

FINDINGS_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and runs one command; 0 = all is well, 1 = something is missing or broken, 2 = error."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a file name that the terminal cannot show must not end a scan
    options = _parser().parse_args(arguments)
    if options.root:
        os.environ["CLIPLITE_DATA"] = str(options.root.resolve())
    try:
        return options.run(options, load_profile(options.profile) if options.profile else None)
    except (ConfigError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
    except BrokenProcessPool:
        print("error: a worker was killed, perhaps for its memory; give fewer --workers", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return 2


def _ready(options: argparse.Namespace, config: Config) -> int:
    compose_scenes(config)
    splits = dict.fromkeys((config.data.train_split, config.data.val_split, config.data.test_split))
    for split, images in {split: read_split(config, split) for split in splits}.items():
        captions = sum(len(image.captions) for image in images)
        print(f"  {config.data.folder}/{split:<8} {len(images):>7,} images {captions:>9,} captions", flush=True)
    return 0


def _status(options: argparse.Namespace, config: Config | None) -> int:
    parts = status(config)
    print(f"{f'profile {config.profile}' if config else 'all known sets'} below {data_root()}\n\n{table(parts)}\n")
    if text := advice(parts):
        print(f"{text}\n")
    states = Counter(part.state for part in parts)
    print(f"{len(parts)} parts: {', '.join(f'{count} {state}' for state, count in states.most_common())}")
    return 0 if config is None or states.keys() <= {FOUND, LEFT_OUT} else 1


def _check(options: argparse.Namespace, config: Config) -> int:
    compose_scenes(config)
    started = time.perf_counter()
    findings, images = check(config, options.workers)
    seconds = time.perf_counter() - started
    print(f"{config.profile}: {images:,} images decoded in {seconds:.0f} s, {len(findings):,} things broken")
    if options.list:
        text = "".join(f"{finding.problem}\t{finding.file}\t{finding.detail}\n" for finding in findings)
        options.list.write_text(text, encoding="utf-8", errors="surrogateescape")
    if not findings:
        print(f"Nothing to do: `make results PROFILE={options.profile}` finds all it reads.")
        return 0
    for problem, count in Counter(finding.problem for finding in findings).most_common():
        print(f"  {count:>9,}  {problem}")
    print("\n".join(["", *map(_line, findings[:FINDINGS_SHOWN])]))
    if len(findings) > FINDINGS_SHOWN:
        print(f"… and {len(findings) - FINDINGS_SHOWN:,} more{'' if options.list else '; --list FILE writes all'}")
    print("\nTo do: fetch these files again or take them off their lists, then check again;")
    print(f"`python -m cliplite_core.data status {options.profile}` says where each set comes from.")
    return 1


def _line(finding: Finding) -> str:
    return f"{finding.file}: {finding.problem}{f' ({finding.detail})' if finding.detail else ''}"


def _prepare(options: argparse.Namespace, config: Config) -> int:
    compose_scenes(config)
    out = options.out or data_root() / "shards" / f"{config.profile}-{options.side}"
    made = prepare(config, out, options.side, options.quality, options.shard_mib, options.workers)
    print(f"{config.profile}: {made.photos:,} images, {file_size(made.before)} → {file_size(made.after)}")
    print(f"  {len(made.shards)} shards in {out}, checksums beside them")
    print("To use them, unpack them where reading is fast and name that folder:")
    print(f'  for shard in "{out}"/*.tar*; do tar xf "$shard" -C FOLDER; done')
    print(f"  make results PROFILE={options.profile} CLIPLITE_DATA=FOLDER")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cliplite_core.data", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="{ready,status,check,prepare}")

    def command(run: Callable[..., int], text: str, profile: str | None = None) -> argparse.ArgumentParser:
        added = commands.add_parser(run.__name__.removeprefix("_"), help=text, description=text)
        added.add_argument("profile", nargs=profile, help="name of a profile, or path of a .toml file")
        added.add_argument("--root", type=Path, help="folder of the data sets, in place of $CLIPLITE_DATA")
        added.set_defaults(run=run)
        return added

    def workers(added: argparse.ArgumentParser) -> None:
        added.add_argument("--workers", type=int, default=DEFAULT_WORKERS, help="processes (default: %(default)s)")

    command(_ready, "compose or find the data of a profile, and count it")
    command(
        _status,
        "what of a profile's data is there, what is not, and where to get it; exit status 1 when something is missing "
        "or incomplete. Without a profile: every known set, exit status 0",
        profile="?",
    )
    checked = command(_check, "decode every image and follow every reference; exit status 1 when something is broken")
    checked.add_argument("--list", type=Path, metavar="FILE", help="write all that is broken, tab-separated")
    workers(checked)
    prepared = command(_prepare, "shrink the photos and pack them into tar files; given again, it goes on where it was")
    prepared.add_argument("--side", type=int, default=256, help="shorter side in pixels (default: %(default)s)")
    prepared.add_argument("--quality", type=int, default=92, help="of JPEG (default: %(default)s)")
    prepared.add_argument("--shard-mib", type=int, default=64, help="largest shard in MiB (default: %(default)s)")
    prepared.add_argument("--out", type=Path, help="folder of the shards (default: shards/PROFILE-SIDE below the root)")
    workers(prepared)
    return parser


if __name__ == "__main__":
    sys.exit(main())
