"""What papermill injected into the notebook that is running, held against the parameters the notebook has."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

INJECTED = "# Parameters"  # papermill's first line of the cell it injects behind the one tagged `parameters`


class ParameterError(ValueError):
    """A parameter the notebook does not have, or a value of another type than its default."""


def check_injected(cells: Sequence[str] | None = None) -> None:
    """Stop a notebook whose injected parameters it does not have; papermill itself would only warn, and run it.

    Args:
        cells: sources of the cells executed so far. None = those of the running kernel, if this runs in one.

    Raises:
        ParameterError: an unknown name, or a value of another type than the default; the message names it.

    Example:
        >>> check_injected(['profile = "smoke"', "# Parameters\\nsedes = 3"])
        Traceback (most recent call last):
        cliplite_core.reporting.parameters.ParameterError: unknown parameter 'sedes'; this notebook has: profile
    """
    if cells is None:
        try:
            cells = get_ipython().user_ns["In"]  # type: ignore[name-defined]
        except NameError:
            return
    cells = list(cells)
    for number, cell in enumerate(cells[1:], start=1):
        if cell.lstrip().startswith(INJECTED):
            defaults = next(found for source in reversed(cells[:number]) if (found := literals(source)))
            check_parameters(defaults, literals(cell))


def check_parameters(defaults: Mapping[str, Any], given: Mapping[str, Any], where: str = "this notebook") -> dict:
    """Compare parameters with those a notebook has.

    Args:
        defaults: name = default, which says the type; a whole number may stand for a float.
        given: name = value.
        where: the notebook, as the error calls it.

    Returns:
        The values, whole numbers made floats where the default is one.

    Raises:
        ParameterError: an unknown name or a wrong type; the message names it and what was expected.
    """
    checked = {}
    for name, value in given.items():
        if name not in defaults:
            raise ParameterError(f"unknown parameter {name!r}; {where} has: {', '.join(defaults)}")
        expected = type(defaults[name])
        value = float(value) if expected is float and type(value) is int else value
        if type(value) is not expected:
            raise ParameterError(f"{where}: parameter {name!r} got {value!r}, expected {expected.__name__}")
        checked[name] = value
    return checked


def literals(source: str) -> dict[str, Any]:
    """Return the names a cell assigns literals to, with their values; {} for a cell that is no plain Python.

    Example:
        >>> literals('profile = "smoke"  # or scenes' + chr(10) + "seeds = 1")
        {'profile': 'smoke', 'seeds': 1}
    """
    try:
        assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
        return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned}
    except (SyntaxError, ValueError, AttributeError):  # not Python, no literal, no plain name
        return {}
