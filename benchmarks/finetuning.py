"""Does `cliplite fit finetune=true` pay? python benchmarks/finetuning.py [--seeds 0 1 2] [--epochs 3]

Flickr8k's training photos by the recipe of `fit`: the critic on frozen encoders, then all weights from there on, by
small steps. Both are measured on dev, where the first also chose its step; the second takes its last.
Recall is that of fit_objectives.py.

Writes results/benchmarks/finetuning.md. A killed run resumes.
"""

from __future__ import annotations

import argparse

import numpy as np
from fit_objectives import FLICKR8K, recall

from cliplite_core.commands.fit import EPOCHS, FINETUNING, FINETUNING_BATCH
from cliplite_core.data.own import with_length
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.metrics import half_width
from cliplite_core.reporting.tables import interval
from cliplite_core.runs import train
from cliplite_core.storage.allocator import keep_freed_memory
from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import PROJECT, run_directory


def both(seed: int, epochs: float) -> dict[str, dict[str, float]]:
    """R@k of the frozen and of the finetuned model of a seed."""
    frozen = with_length(load_profile("own", **FLICKR8K, seed=seed), EPOCHS["own"])
    finetuned = with_length(frozen.override(**FINETUNING), epochs, batch_size=FINETUNING_BATCH)
    start = train(frozen) / "model"
    directory = run_directory(finetuned)
    found = {"frozen": recall(CLIPLite.load(start), frozen)}
    model = CLIPLite.load(train(finetuned, directory.with_name(f"from-frozen-{directory.name}"), start=start))
    return found | {"finetuned": recall(model, finetuned)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--epochs", type=float, default=3, help="of finetuning (default: %(default)s)")
    options = parser.parse_args()
    keep_freed_memory()
    found = [both(seed, options.epochs) for seed in options.seeds]
    measures = list(found[0]["frozen"])
    columns = {
        "frozen": [one["frozen"] for one in found],
        "finetuned": [one["finetuned"] for one in found],
        "difference": [{name: one["finetuned"][name] - one["frozen"][name] for name in measures} for one in found],
    }
    lines = [f"| | {' | '.join(f'{name} (%)' for name in measures)} |", f"|:--|{'--:|' * len(measures)}"]
    for name, runs in columns.items():
        values = [[one[measure] for one in runs] for measure in measures]
        cells = [interval(np.mean(each), half_width(each) or None) for each in values]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"{options.epochs:g} epochs, seeds {', '.join(map(str, options.seeds))}; 95 % intervals over seeds."]
    print("\n".join(lines))
    what = __doc__.split("\n\n")[1]
    text = f"# Finetuning\n\n{what}\n\n"
    write_text(PROJECT / "results" / "benchmarks" / "finetuning.md", text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
