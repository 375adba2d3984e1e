"""One look for every figure: sizes, fonts, colour-blind-safe colours, and how figures are saved."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from cliplite_core.storage.places import results_directory

# Okabe and Ito's colours, distinguishable with every kind of colour vision (https://jfly.uni-koeln.de/color/).
COLORS = {"jsd": "#0072B2", "infonce": "#D55E00", "sigmoid": "#009E73"}
GREY = "#6B6B6B"
MARKERS = {"jsd": "o", "infonce": "s", "sigmoid": "^"}  # for prints without colour, and where lines nearly coincide
LABELS = {"jsd": "CLIP-Lite (JSD)", "infonce": "CLIP (InfoNCE)", "sigmoid": "SigLIP (sigmoid)"}
COLUMN, PAGE = 3.35, 7.0  # inches: one column and the full width of a two-column paper; a figure is drawn as it is used
SMALLEST = 7  # points of the smallest text


def use_style() -> None:
    """Set fonts, lines and grid for all figures that follow, in points of the printed page."""
    sns.set_theme(context="paper", style="ticks", palette=list(COLORS.values()))
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "legend.fontsize": 8,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E6E6E6",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.6,
            "pdf.fonttype": 42,
        }
    )


def save_figure(figure: Figure, name: str, profile: str) -> Path:
    """Write `results/PROFILE/figures/NAME` as .png and .pdf, the same bytes for the same figure.

    Args:
        figure: the finished figure.
        name: file name without ending.
        profile: the profile.

    Returns:
        The path of the PNG.
    """
    path = results_directory(profile) / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return path


def shows_photographs(figure: Figure) -> bool:
    """Whether a figure shows image files, which some data sets forbid to pass on: they alone are colour in bytes."""
    arrays = [np.asarray(image.get_array()) for image in figure.findobj(AxesImage)]
    return any(array.ndim == 3 and array.dtype == np.uint8 for array in arrays)
