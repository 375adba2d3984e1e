"""Parameters that a notebook does not have stop it before any work; papermill itself would only warn."""

from __future__ import annotations

import pytest

from cliplite_core.reporting.parameters import ParameterError, check_injected, check_parameters, literals

OWN = 'profile = "smoke"  # smoke | scenes\nseeds = 1\nrate = 0.5'


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ("sedes = 3", "unknown parameter 'sedes'; this notebook has: profile, seeds, rate"),
        ('seeds = "three"', "'seeds' got 'three', expected int"),
        ("seeds = 1.5", "'seeds' got 1.5, expected int"),
        ("seeds = True", "'seeds' got True, expected int"),
        ('rate = "1e-4"', "'rate' got '1e-4', expected float"),  # as papermill reads -f YAML
        ("profile = None", "'profile' got None, expected str"),
    ],
)
def test_what_papermill_injected_wrongly_is_named(injected, message):
    with pytest.raises(ParameterError, match=message):
        check_injected([OWN, f"# Parameters\n{injected}\n", "import torch"])


@pytest.mark.parametrize("injected", ["seeds = 3", 'profile = "scenes"\nseeds = 3', "rate = 1", ""])
def test_what_papermill_injected_rightly_passes(injected):
    check_injected(["", OWN, f"# Parameters\n{injected}\n"])


def test_without_papermill_nothing_is_checked_whatever_else_was_run():
    check_injected([OWN, "sedes = 3", "for x in range(3): pass", "%matplotlib inline"])
    check_injected()  # outside a kernel


def test_a_whole_number_stands_for_a_float():
    checked = check_parameters({"rate": 0.5}, {"rate": 1})
    assert checked == {"rate": 1.0} and isinstance(checked["rate"], float)


def test_only_literals_count_as_parameters():
    assert literals("a = 1\nb = [1, 'x']\n") == {"a": 1, "b": [1, "x"]}
    assert literals("%matplotlib inline") == literals("a = f(1)") == literals("a, b = 1, 2") == {}
