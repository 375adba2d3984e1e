"""Time and memory of the objectives alone, from embeddings to their gradients, for 64 … 16,384 pairs."""

from __future__ import annotations

import numpy as np
from timing import Options, Row, quartiles

from cliplite_core.evaluation.cost import objective_cost
from cliplite_core.reporting.figures import LABELS


def measure(options: Options) -> list[Row]:
    sizes, turns = ((8, 16), 1) if options.quick else ((64, 256, 1024, 4096, 16_384), 3)
    rows = []
    for pairs in sizes:
        costs = {name: [] for name in LABELS}
        for _ in range(turns):
            for name, found in costs.items():
                found.append(objective_cost(name, pairs, least=0.0 if options.quick else 0.1))
        seconds = {name: np.array([cost["seconds"] for cost in found]) for name, found in costs.items()}
        for name, found in costs.items():
            part, others = f"objective alone, {pairs:,} pairs", name != "infonce"
            faster = quartiles(seconds["infonce"] / seconds[name]) if others else None
            reference = LABELS["infonce"] if others else ""
            rows.append(Row(part, LABELS[name], quartiles(seconds[name]), "s", faster, reference))
            rows.append(Row(part, LABELS[name], quartiles(np.array([cost["mib"] for cost in found])), "MiB"))
    return rows


if __name__ == "__main__":
    for row in measure(Options()):
        print(row)
