"""What `import cliplite_core` offers, and that reading a configuration does not wait for torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cliplite_core

PROMISED = {
    "load_profile", "Config", "ImageEncoder", "TextEncoder", "DotCritic", "ConcatCritic", "jsd_bound", "infonce_bound",
    "sigmoid_bound", "prior_matching_loss", "CLIPLite", "Trainer",
}  # fmt: skip


def test_every_public_name_can_be_imported_and_is_listed():
    assert set(cliplite_core.__all__) >= PROMISED
    for name in cliplite_core.__all__:
        assert getattr(cliplite_core, name).__name__ == name
        assert name in dir(cliplite_core)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'cliplite_core' has no attribute 'CLIPlite'"):
        cliplite_core.CLIPlite  # noqa: B018


def test_reading_a_configuration_does_not_import_torch():
    source = "import sys, cliplite_core; cliplite_core.load_profile('scenes'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True)
