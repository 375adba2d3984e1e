"""End-to-end finetuning of an image encoder on labelled images (paper, iNaturalist 2018 protocol).

The number says how good a start the pretrained weights are for this recipe; with many labels and epochs it
says little about what pretraining had learned, since a random start catches up.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import Dataset
from torchvision.transforms import v2

from cliplite_core.config import Config
from cliplite_core.data.labelled.labels import LabelledImages
from cliplite_core.data.labelled.read import Labelled
from cliplite_core.data.transforms import TrainTransform, eval_transform
from cliplite_core.evaluation.classifier import batches, classification_metrics, fit, new_layer, predict
from cliplite_core.evaluation.features import device_of


def finetune(
    encoder: nn.Module,
    train: Dataset,
    test: Dataset,
    classes: int,
    epochs: int = 100,
    batch_size: int = 256,
    lr: float = 0.025,
    weight_decay: float = 1e-4,
    seed: int = 0,
    num_workers: int = 0,
) -> dict:
    """Train a copy of an image encoder with a new linear layer end to end (iNaturalist protocol).

    SGD with momentum 0.9; the rate falls to a tenth after 70 % of the steps and again after 90 %.

    Args:
        encoder: images (B, 3, H, W) -> features (B, D); the one passed in is left as it was.
        train, test, classes, seed, num_workers: as for `linear_probe.sgd_probe`.
        epochs, batch_size, lr, weight_decay: the paper's by default.

    Returns:
        As `classification_metrics`, and `train_loss`, the mean of each epoch in nats.

    Raises:
        ValueError: the loss is no longer finite.
    """
    device = device_of(encoder)
    encoder = copy.deepcopy(encoder).requires_grad_(True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(encoder, new_layer(encoder.eval(), train, classes, device)).train()
        loader = batches(train, batch_size, num_workers, shuffle=True)
        optimizer = torch.optim.SGD(network.parameters(), lr, momentum=0.9, weight_decay=weight_decay)
        steps = epochs * len(loader)
        schedule = MultiStepLR(optimizer, [round(0.7 * steps), round(0.9 * steps)], gamma=0.1)
        losses = fit(network, loader, optimizer, schedule, epochs, device)
        scores, labels = predict(network.eval(), batches(test, batch_size, num_workers), device)
    return {**classification_metrics(scores, labels), "train_loss": losses}


def finetuning_views(splits: Mapping[str, Labelled], config: Config) -> tuple[LabelledImages, LabelledImages]:
    """Return labelled images as finetuning sees them: of train random crops and flips, of test the whole image.

    Args:
        splits: "train" and "test", as from `read_probe_splits`.
        config: the profile, for the size of the images and the strength of the augmentation.

    Returns:
        Pairs (image (3, S, S), class index) of train, augmented differently each time, and of test.
    """
    data = config.data
    crop = TrainTransform(data.image_size, data.crop_scale, data.color_jitter)
    augmented = v2.Compose([v2.RandomHorizontalFlip(), crop])
    views = {"train": augmented, "test": eval_transform(data.image_size)}
    train, test = (LabelledImages(*splits[name][:2], view) for name, view in views.items())
    return train, test
