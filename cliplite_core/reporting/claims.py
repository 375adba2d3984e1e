"""The paper's claims beside a profile's own measurements, and what these allow to say of each.

`data/paper_figures.csv` holds a claim, its source, the rows it is read from and what the comparison leaves open. The
verdict is the interval's: a claim holds where the 95 % interval of the difference, seed by seed, lies on its side of
zero; it does not where the interval lies on the other side; and it cannot be told where the interval holds zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cliplite_core.reporting.metrics import experiments_of, half_width, read_metrics, row
from cliplite_core.reporting.tables import interval
from cliplite_core.storage.places import definition

HOLDS, FAILS, OPEN = "holds here", "does not hold here", "cannot be told here"


def paper_claims() -> pd.DataFrame:
    """Reads `data/paper_figures.csv`.

    Returns:
        One line a claim: `claim`, `figure` as the paper has it ("–" without a source), `source`, the `experiment` with
        the queries `ours` and `against` of its rows, whether `better` is "higher" or "lower", the `spread` of its
        values ("seeds", or "none" for a quantity that repeats to the digit) and the sentence of its `limits`.
    """
    return pd.read_csv(definition("paper_figures.csv"), keep_default_na=False)


def weigh(differences: Sequence[float], spread: str = "seeds") -> str:
    """Says what differences allow to say of a claim that they are positive.

    Args:
        differences: one a seed, in any unit.
        spread: "seeds", or "none" if every seed would give the same value; then the sign decides.

    Returns:
        `HOLDS`, `FAILS` or `OPEN`; always `OPEN` for a single seed.

    Example:
        >>> weigh([3.0, 4.0, 5.0]), weigh([-1.0, 1.0]), weigh([7.0])
        ('holds here', 'cannot be told here', 'cannot be told here')
    """
    mean, half = float(np.mean(differences)), half_width(differences)
    if (spread == "seeds" and len(differences) == 1) or abs(mean) <= half:
        return OPEN
    return HOLDS if mean > 0 else FAILS


def weigh_claims(profile: str) -> pd.DataFrame:
    """Sets each of the paper's claims beside what a profile measured.

    Args:
        profile: the profile; a claim that it did not measure stays in the table.

    Returns:
        One line a claim, formatted: `claim`, `paper`, `CLIP-Lite here`, `against` (CLIP's value, unless the claim says
        otherwise), their `difference` seed by seed, the `verdict`, `profile`, `source` and the three sentences `said`.
    """
    experiments, lines = experiments_of(profile), []
    for claim in paper_claims().itertuples():
        found = read_metrics(claim.experiment, profile) if claim.experiment in experiments else None
        line = {"claim": claim.claim, "paper": claim.figure}
        line |= dict.fromkeys(("CLIP-Lite here", "against", "difference"), "–")
        verdict, numbers, reason = OPEN, f"The profile `{profile}` has no measurement of it.", "Without one"
        try:
            ours, against = (found.query(query).iloc[0] for query in (claim.ours, claim.against))
        except (AttributeError, IndexError, pd.errors.UndefinedVariableError):  # not measured, or not by this grid
            pass
        else:
            gaps = [mine - its for mine, its in zip(ours["values"], against["values"], strict=True)]
            verdict = weigh(gaps if claim.better == "higher" else [-gap for gap in gaps], claim.spread)
            measured = {"CLIP-Lite here": ours, "against": against, "difference": row("difference", gaps, n=ours["n"])}
            line |= {name: interval(of["mean"], of["ci95"]) for name, of in measured.items()}
            numbers = (
                f"CLIP-Lite has {line['CLIP-Lite here']}, what it is held against {line['against']}: a difference of"
                f" {line['difference']}{_of_seeds(len(gaps), claim.spread)}."
            )
            reason = _reason(verdict, len(gaps), claim.spread)
        said = f"{numbers} {reason} the claim **{verdict}**. {claim.limits}"
        lines.append(line | {"verdict": verdict, "profile": profile, "source": claim.source, "said": said})
    return pd.DataFrame(lines)


def claims_text(weighed: pd.DataFrame) -> str:
    """Returns three sentences on every claim, as a Markdown list.

    Args:
        weighed: from `weigh_claims`.
    """
    figures = [f"; the paper: {figure}" if figure != "–" else "" for figure in weighed["paper"]]
    entries = zip(weighed["claim"], weighed["source"], figures, weighed["said"], strict=True)
    return "\n".join(f"- *{claim}* ({source}{figure}). {said}" for claim, source, figure, said in entries)


def _of_seeds(count: int, spread: str) -> str:
    if spread == "none":
        return ""
    return f", seed by seed, over {count} seeds" if count > 1 else ", from one seed"


def _reason(verdict: str, count: int, spread: str) -> str:
    if spread == "none":
        return "The quantity repeats to the digit, so"
    if count == 1:
        return "One seed has no interval, so"
    return f"The 95 % interval {'holds zero' if verdict == OPEN else 'leaves zero out'}, so"
