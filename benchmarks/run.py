"""One table of how fast each part is beside what one would use instead: make benchmark

All parts run one after the other on an otherwise idle machine; what is compared takes turns. Ratios carry over to other
machines better than times: they are taken within each repetition, and given as medians with quartiles.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path

import pandas as pd
import torch
from timing import Options, Row

from cliplite_core.storage.files import write_text

PARTS = ("training", "objectives", "frozen", "loading", "allocator", "retrieval", "voc", "startup")
PACKAGES = ("torch", "torchvision", "transformers", "numpy", "pillow", "scikit-learn", "open_clip_torch")
RESULTS = Path(__file__).resolve().parents[1] / "results"


def machine() -> dict[str, object]:
    """What the figures are figures of."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "packages": versions,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """Format the rows of one part for people, a line for each thing: medians with quartiles in brackets.

    Where everything is slower than the reference, the table says how many times as long it takes.
    """
    reference = next((row.reference for row in rows if row.reference), "")
    slower = all(row.times_as_fast[1] < 1 for row in rows if row.times_as_fast)
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        line = lines.setdefault(row.what, {})
        unit, by = ("ms", 1000) if row.unit == "s" and row.value[1] < 0.1 else (row.unit, 1)
        found = f"{spread([by * value for value in row.value])} {unit}"
        line["measured"] = f"{line['measured']}; {found}" if line else found
        if row.times_as_fast:
            ratio = [1 / fast for fast in reversed(row.times_as_fast)] if slower else row.times_as_fast
            line[f"times as {'long' if slower else 'fast'} as {reference}"] = spread(ratio)
    return pd.DataFrame(lines.values(), index=pd.Index(lines, name="")).fillna("–").reset_index()


def spread(values: Sequence[float]) -> str:
    low, middle, high = (f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" for value in values)
    return middle if low == high else f"{middle} [{low}, {high}]"


def run(parts: Sequence[str], options: Options, folder: Path) -> list[Row]:
    """Measure parts and write `benchmarks.json` and `benchmarks.md` into the folder."""
    of_machine, rows = machine(), []
    for part in parts:
        print(f"{part} …", flush=True)
        rows += import_module(part).measure(options)
    content = {"machine": of_machine, "quick": options.quick, "rows": [asdict(row) for row in rows]}
    write_text(folder / "benchmarks.json", json.dumps(content, indent=1) + "\n")
    write_text(folder / "benchmarks.md", page(of_machine, rows, options.quick))
    return rows


def page(of_machine: dict[str, object], rows: Sequence[Row], quick: bool) -> str:
    """The table with what it was measured on, as Markdown."""
    packages = ", ".join(f"{name} {found}" for name, found in of_machine["packages"].items())
    threads = "one thread" if of_machine["threads"] == 1 else f"{of_machine['threads']} threads"
    lines = [
        "# Benchmarks",
        "",
        f"{of_machine['processor']}, {of_machine['cores']} cores, {threads} used, load of "
        f"{of_machine['load before']} before; Python {of_machine['python']}, {packages}; {of_machine['date'][:10]}.",
        "Medians [quartiles] over repetitions; ratios are taken within each. Processor time where one thread works.",
    ]
    if quick:
        lines.append("**A trial of seconds: these figures mean nothing.**")
    for part, mine in groupby(rows, lambda row: row.part):
        markdown = table(list(mine)).to_markdown(index=False, disable_numparse=True)
        lines += ["", f"## {part[0].upper()}{part[1:]}", "", markdown]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small shapes, to see that it runs")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="of JPEGs, for `loading`")
    parser.add_argument("--out", type=Path, help="folder (default: results/benchmarks, or results/local/benchmarks)")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"PART: found {', '.join(sorted(unknown))}, expected some of {', '.join(PARTS)}")
    partial = given.quick or given.parts
    folder = given.out or RESULTS / ("local/benchmarks" if partial else "benchmarks")
    run(given.parts or PARTS, Options(given.quick, [given.photos] if given.photos else ()), folder)
    print((folder / "benchmarks.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
