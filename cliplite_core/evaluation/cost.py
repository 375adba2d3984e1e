"""What the objective alone costs: time and memory of scores, bound and their gradients, against the batch size.

The encoders are left out on purpose; they cost the same for every objective and grow with B. The numbers are those of
one machine and one implementation: the exponents carry over, the seconds do not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from tqdm.auto import tqdm

from cliplite_core.config import ObjectiveConfig
from cliplite_core.critic import DotCritic
from cliplite_core.objectives import OBJECTIVE_STARTS, objective_bound

TIME, MEMORY = "time of one pass (s)", "peak memory (MiB)"
UNITS = {TIME: "s", MEMORY: "MiB"}
EXPONENTS = {TIME: "exponent of seconds", MEMORY: "exponent of mib"}


def objective_cost(objective: str, batch_size: int, units: int = 512, least: float = 0.3) -> dict[str, float]:
    """Measure forward and backward pass from normalised embeddings to their gradients.

    Args:
        objective: "jsd" (one negative), "infonce" or "sigmoid".
        batch_size: pairs B, >= 2.
        units: width of the joint space.
        least: passes are repeated for so long, in seconds; the fastest counts, being the least disturbed.

    Returns:
        `seconds` of one pass; `mib`, the most memory it held at once beside the embeddings and their gradients, in MiB.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    start = OBJECTIVE_STARTS[objective]
    critic = DotCritic(1, 1, units, start.score_scale, start.score_bias).to(device)
    generator = torch.Generator().manual_seed(0)
    a, b = (
        F.normalize(torch.randn(batch_size, units, generator=generator), dim=-1).to(device).requires_grad_()
        for _ in range(2)
    )

    def once() -> None:
        bound, _, _ = objective_bound(critic, a, b, ObjectiveConfig(objective=objective))
        bound.backward()

    a.grad, b.grad = torch.zeros_like(a), torch.zeros_like(b)  # every objective has these
    memory = _peak_bytes(once, device)  # warms up, too
    seconds = [_seconds(once, device)]
    while sum(seconds) < least:
        seconds.append(_seconds(once, device))
    return {"seconds": min(seconds), "mib": memory / 2**20}


def objective_costs(
    batch_sizes: Sequence[int], objectives: Sequence[str] = ("jsd", "infonce", "sigmoid")
) -> pd.DataFrame:
    """Measure what each objective costs for each batch size.

    Args:
        batch_sizes: pairs per batch, ascending, each >= 2.
        objectives: which of them.

    Returns:
        One line per objective and batch size, indexed by `objective` and `batch_size`, with the columns `TIME` in
        seconds and `MEMORY` in MiB.
    """
    settings = pd.MultiIndex.from_product([objectives, batch_sizes], names=["objective", "batch_size"])
    measured = [objective_cost(*setting) for setting in tqdm(settings, desc="cost of the objectives", leave=False)]
    return pd.DataFrame(measured, index=settings).rename(columns={"seconds": TIME, "mib": MEMORY})


def exponents(costs: pd.DataFrame) -> pd.DataFrame:
    """Fit cost = c · B^p for each objective and each kind of cost.

    Args:
        costs: from `objective_costs`, with at least two batch sizes.

    Returns:
        One line per objective with its exponents p, in the columns `EXPONENTS`.
    """
    sizes = costs.index.unique("batch_size")
    fitted = costs.groupby(level="objective", sort=False).agg(lambda taken: fit_exponent(sizes, taken))
    return fitted.rename(columns=EXPONENTS)


def fit_exponent(batch_sizes: Sequence[int], values: Sequence[float], points: int = 3) -> float:
    """Fit value = c · B^p to the largest batches, where fixed costs no longer show.

    Args:
        batch_sizes: ascending.
        values: one each, > 0.
        points: how many of the largest are fitted, >= 2.

    Returns:
        The exponent p: the slope of a least-squares line in log-log coordinates.

    Example:
        >>> round(fit_exponent([8, 16, 32, 64], [5.0, 10.0, 40.0, 160.0]), 3)
        2.0
    """
    x, y = np.log(np.asarray(batch_sizes, float)[-points:]), np.log(np.asarray(values, float)[-points:])
    return float(np.polyfit(x, y, 1)[0])


def _seconds(once: Callable[[], None], device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    once()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_bytes(once: Callable[[], None], device: torch.device) -> float:
    """Return the most memory a pass holds at once beyond what was held before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        once()
        return torch.cuda.max_memory_allocated() - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it would report every start and stop on stderr
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        once()
    with TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        record.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    events = sorted((e for e in events if e.get("name") == "[memory]"), key=lambda event: event["ts"])
    changes = [event["args"]["Bytes"] for event in events]  # negative where memory is given back
    return float(np.cumsum(changes).max())
