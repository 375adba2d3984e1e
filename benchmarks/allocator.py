"""What page faults cost an image encoder on one core: freed memory kept, as the command line does, or given back.

Each turn is a process of its own, which runs an encoder a few times and says what that took: processor time, and the
peak of its memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np
import torch
from timing import Options, Row, quartiles

from cliplite_core.encoders import ImageEncoder
from cliplite_core.storage.allocator import OPTIONS, keep_freed_memory
from cliplite_core.storage.memory import peak_memory_gib

KEPT, GIVEN_BACK = "freed memory kept", "glibc's default"
PASSES = 3


def encode(side: int, images: int, learns: bool) -> dict[str, float]:
    """Run MobileNetV2 on a batch: seconds of `PASSES` passes after one that warms up, and GiB at the peak."""
    encoder = ImageEncoder("mobilenet_v2").to(memory_format=torch.channels_last).train(learns)
    pixels = torch.zeros(images, 3, side, side).contiguous(memory_format=torch.channels_last)
    for number in range(1 + PASSES):
        if number == 1:
            started = time.process_time()
        with torch.set_grad_enabled(learns):
            features = encoder(pixels)
        if learns:
            features.mean().backward()
            encoder.zero_grad()
    return {"seconds": time.process_time() - started, "gib": peak_memory_gib()}


def in_a_process(name: str, *what: object) -> dict[str, float]:
    """The same, in a process of its own, with the allocator as it is named."""
    clean = {option: value for option, value in os.environ.items() if option not in OPTIONS}
    command = [sys.executable, __file__, json.dumps([name, *what])]
    done = subprocess.run(command, env=clean | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(options: Options) -> list[Row]:
    rows, turns, side = [], 1 if options.quick else 5, 32 if options.quick else 224
    for images, learns in ((8, False), (32, True)):
        found = {KEPT: [], GIVEN_BACK: []}
        for _ in range(turns):
            for name, runs in found.items():
                runs.append(in_a_process(name, side, images, learns))
        seconds = {name: np.array([run["seconds"] for run in runs]) for name, runs in found.items()}
        part = f"MobileNetV2 at {side} px, {images} images, {'forward and backward' if learns else 'forward'}"
        for name, runs in found.items():
            faster = quartiles(seconds[GIVEN_BACK] / seconds[KEPT]) if name == KEPT else None
            reference = GIVEN_BACK if name == KEPT else ""
            rows.append(Row(part, name, quartiles(PASSES * images / seconds[name]), "images/s", faster, reference))
            rows.append(Row(part, name, quartiles(np.array([run["gib"] for run in runs])), "GiB"))
    return rows


if __name__ == "__main__":
    if len(sys.argv) > 1:
        name, *what = json.loads(sys.argv[1])
        if name == KEPT:
            keep_freed_memory()
        print(json.dumps(encode(*what)))
    else:
        for row in measure(Options()):
            print(row)
