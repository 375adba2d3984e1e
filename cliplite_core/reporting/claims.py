"""The paper's claims beside a profile's own measurements, with a verdict on each.

`data/paper_figures.csv` holds each claim, its source, the rows that test it and what the comparison leaves open. The
95 % interval of the difference, paired by seed, gives the verdict: the claim holds if the whole interval lies on the
claimed side of zero, it does not hold if it lies on the other side, and it cannot be decided if it contains zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cliplite_core.reporting.metrics import experiments_of, half_width, read_metrics, row
from cliplite_core.reporting.tables import interval
from cliplite_core.storage.places import definition

NAMES = {"jsd": "CLIP-Lite", "infonce": "CLIP", "sigmoid": "SigLIP"}  # in a sentence
HOLDS, FAILS, OPEN = "holds here", "does not hold here", "cannot be decided here"


def paper_claims() -> pd.DataFrame:
    """Read `data/paper_figures.csv`.

    Returns:
        One line per claim: `claim`, `figure` as the paper has it ("–" without a source), `source`, the `experiment`
        with the queries `ours` and `against` for its rows, whether `better` is "higher" or "lower", the `spread` of
        its values ("seeds", or "none" for a quantity that is the same for every seed) and its `limits`, a sentence.
    """
    return pd.read_csv(definition("paper_figures.csv"), keep_default_na=False)


def weigh(differences: Sequence[float], spread: str = "seeds") -> str:
    """Decide whether differences support the claim that they are positive.

    Args:
        differences: one per seed, in any unit.
        spread: "seeds", or "none" if every seed gives the same value; then the sign decides.

    Returns:
        `HOLDS`, `FAILS` or `OPEN`; always `OPEN` for a single seed.

    Example:
        >>> weigh([3.0, 4.0, 5.0]), weigh([-1.0, 1.0]), weigh([7.0])
        ('holds here', 'cannot be decided here', 'cannot be decided here')
    """
    mean, half = float(np.mean(differences)), half_width(differences)
    if (spread == "seeds" and len(differences) == 1) or abs(mean) <= half:
        return OPEN
    return HOLDS if mean > 0 else FAILS


def weigh_claims(profile: str) -> pd.DataFrame:
    """Compare each of the paper's claims with what a profile measured.

    Args:
        profile: the profile; a claim that it did not measure stays in the table.

    Returns:
        One line per claim, formatted: `claim`, `paper`, `CLIP-Lite here`, `against` (CLIP's value), their `difference`
        paired by seed, the `verdict`, `profile`, `source` and the sentences `said` about it.
    """
    experiments, lines = experiments_of(profile), []
    for claim in paper_claims().itertuples():
        found = read_metrics(claim.experiment, profile) if claim.experiment in experiments else None
        line = {"claim": claim.claim, "paper": claim.figure}
        line |= dict.fromkeys(("CLIP-Lite here", "against", "difference"), "–")
        verdict, numbers, reason = OPEN, f"The profile `{profile}` does not measure it.", "Without a measurement"
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
                f"CLIP-Lite has {line['CLIP-Lite here']} and {NAMES[against['objective']]} {line['against']}, a"
                f" difference of {line['difference']}{_of_seeds(len(gaps), claim.spread)}."
            )
            reason = _reason(verdict, gaps, claim.spread)
        said = f"{numbers} {reason} the claim **{verdict}**. {claim.limits}"
        lines.append(line | {"verdict": verdict, "profile": profile, "source": claim.source, "said": said})
    return pd.DataFrame(lines)


def claims_text(weighed: pd.DataFrame) -> str:
    """Return a few sentences on every claim, as a Markdown list.

    Args:
        weighed: from `weigh_claims`.
    """
    figures = [f"; the paper: {figure}" if figure != "–" else "" for figure in weighed["paper"]]
    entries = zip(weighed["claim"], weighed["source"], figures, weighed["said"], strict=True)
    return "\n".join(f"- *{claim}* ({source}{figure}). {said}" for claim, source, figure, said in entries)


def _of_seeds(count: int, spread: str) -> str:
    if spread == "none":
        return ""
    return f" (paired by seed, {count} seeds)" if count > 1 else " (one seed)"


def _reason(verdict: str, gaps: Sequence[float], spread: str) -> str:
    if spread == "none":
        return "The two are equal, so" if verdict == OPEN else "Every seed gives the same values, so"
    if len(gaps) == 1:
        return "A single seed has no interval, so"
    where = "contains" if verdict == OPEN else "lies above" if np.mean(gaps) > 0 else "lies below"
    return f"The 95 % interval of the difference {where} zero, so"
