"""Tables as people read them: formatted cells, written as CSV, Markdown and LaTeX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cliplite_core.storage.files import write_text
from cliplite_core.storage.places import results_directory


def save_table(table: pd.DataFrame, name: str, profile: str) -> pd.DataFrame:
    """Writes `results/PROFILE/tables/NAME` as .csv, .md and .tex and returns the table, for display.

    Args:
        table: one line a method, formatted cells; missing cells print as "–".
        name: file name without ending.
        profile: the profile.
    """
    folder, filled = results_directory(profile) / "tables", table.astype(object).fillna("–")
    write_text(folder / f"{name}.csv", filled.to_csv(index=False))
    write_text(folder / f"{name}.md", filled.to_markdown(index=False, disable_numparse=True) + "\n")
    latex = filled.rename(columns=_latex).map(_latex).to_latex(index=False, column_format="l" * filled.shape[1])
    write_text(folder / f"{name}.tex", latex)
    return filled


def interval(mean: float, ci95: float | None, digits: int = 1) -> str:
    """Formats a mean with its interval.

    Example:
        >>> interval(12.345, 0.61), interval(12.345, None)
        ('12.3 ± 0.6', '12.3')
    """
    return f"{mean:.{digits}f}" + ("" if ci95 is None or np.isnan(ci95) else f" ± {ci95:.{digits}f}")


def _latex(text: Any) -> str:
    return (
        str(text)
        .replace("\\", r"\textbackslash ")
        .replace("%", r"\%")
        .replace("_", r"\_")
        .replace("±", r"$\pm$")
        .replace("→", r"$\to$")
        .replace("&", r"\&")
    )
