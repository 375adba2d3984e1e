"""The version of what is installed, which comes from git's tags."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the installed version; "0+unknown" of a copy that was never installed."""
    try:
        return version("cliplite")
    except PackageNotFoundError:
        return "0+unknown"
