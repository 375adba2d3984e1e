"""What notebook 10 says of one's own pairs: the state of the files, the recall, and what to try next."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cliplite_core.data.inventory.survey import Survey

SHOWN = 10  # broken files that are named


def survey_text(seen: Mapping[str, Survey], images: int, side: int) -> str:
    """Say how many images were opened, which cannot be read, and how large they are.

    Args:
        seen: split -> what was opened of it.
        images: in all splits.
        side: of the square the encoder sees, in pixels.
    """
    opened = pd.concat([looked.table for looked in seen.values()])
    broken, sound = opened[opened["problem"] != ""], opened[opened["problem"] == ""]
    shorter = sound[["width", "height"]].min(axis=1)
    small = 100 * (shorter < side).mean()
    return "\n".join(
        [
            f"{len(opened):,} of {images:,} images opened, {len(broken)} cannot be read",
            *(f"  {name}: {problem}" for name, problem in broken[["image_id", "problem"]].head(SHOWN).to_numpy()),
            f"median of the shorter side: {shorter.median():.0f} px; {small:.0f} % are below the encoder's {side} px",
        ]
    )


def recall_table(recall: pd.DataFrame) -> pd.DataFrame:
    """Format the recall on held-out images with its interval, beside guessing and the recall on training images.

    Args:
        recall: of `bootstrap_recall`, with a further column `training`, in percent.
    """
    return pd.DataFrame(
        {
            "direction": recall["direction"].str.replace("_", " "),
            "measure": recall["metric"] + " (%)",
            "held out": recall["recall"].map("{:.1f}".format),
            "95 % interval": [f"{low:.1f} to {high:.1f}" for low, high in recall[["low", "high"]].to_numpy()],
            "chance": recall["chance"].map("{:.1f}".format),
            "on training images": recall["training"].map("{:.1f}".format),
            "queries": recall["n"].map("{:,}".format),
        }
    )


def advice(recall: pd.DataFrame, curve: pd.DataFrame, images: int, keep: str = "last") -> str:
    """Compare the recalls at 5, means of both directions, and say what to try next.

    Args:
        recall: of the test split, as for `recall_table`.
        curve: recall on validation images over training, from `read_log(run, "retrieval")`.
        images: in the test split.
        keep: "last" or "best", which step is the model.

    Returns:
        Three lines.
    """
    held_out, gallery = 100 * curve["R@5"], curve["gallery"].iloc[-1]
    best, last = held_out.max(), held_out.iloc[-1]
    error = np.sqrt(best * (100 - best) / gallery)
    test = recall[recall["metric"] == "R@5"].mean(numeric_only=True)
    if test["low"] <= test["chance"]:
        verdict = (
            "Hardly better than guessing: too few steps, too high a rate, or captions that say little of the images."
        )
    elif keep == "last" and best - last > 2 * error:
        verdict = (
            "It was better before: it learns the images by heart. Keep the best step, image_weights, or more images."
        )
    elif test["training"] > test["high"]:
        verdict = "It knows its training images better than others: more images or image_weights, not more steps."
    else:
        verdict = "It knows its training images hardly better than others: more steps, or a larger network, will help."
    return "\n".join(
        [
            f"validation R@5 among {gallery} images: best {best:.1f} % at step {held_out.idxmax():,}, "
            f"last {last:.1f} %, standard error {error:.1f}",
            f"test R@5 among {images} images: {test['recall']:.1f} %, among as many training images "
            f"{test['training']:.1f} %, guessing {test['chance']:.1f} %",
            f"→ {verdict}",
        ]
    )
