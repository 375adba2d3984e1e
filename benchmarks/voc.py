"""The 20 SVMs of the VOC07 protocol on all cores against one."""

from __future__ import annotations

import os
import time

import numpy as np
from timing import Options, Row, compare

from cliplite_core.evaluation.voc_probe import voc_linear_classification


def measure(options: Options) -> list[Row]:
    images, width, classes, turns = (60, 8, 2, 1) if options.quick else (1000, 512, 20, 3)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((images, classes)) < 0.2, 1, -1)
    features = labels @ rng.normal(size=(classes, width)) + 3 * rng.normal(size=(images, width))
    half = images // 2

    def fit(jobs: int) -> None:
        voc_linear_classification(features[:half], labels[:half], features[half:], labels[half:], n_jobs=jobs)

    works = {f"{os.cpu_count()} cores": lambda: fit(-1), "one core": lambda: fit(1)}
    return compare(f"VOC07 SVMs, {classes} classes", works, turns, clock=time.perf_counter)


if __name__ == "__main__":
    for row in measure(Options()):
        print(row)
