"""CLIP-Lite, a function per equation: image–text pretraining with one negative pair per positive (AISTATS 2023).

Names are imported when they are first used, so that reading a configuration does not wait for torch.
"""

from importlib import import_module

_HOME = {
    "Config": "config",
    "ConfigError": "config",
    "load_profile": "profiles",
    "profile_names": "profiles",
    "ImageEncoder": "encoders",
    "TextEncoder": "encoders",
    "ConcatCritic": "critic",
    "DotCritic": "critic",
    "PriorDiscriminator": "critic",
    "infonce_bound": "objectives",
    "jsd_bound": "objectives",
    "prior_matching_loss": "objectives",
    "sigmoid_bound": "objectives",
    "CLIPLite": "model",
    "Pretraining": "loss",
    "Lookahead": "optim",
    "Trainer": "trainer",
    "load_run": "runs",
    "read_log": "storage.logs",
}
__all__ = sorted(_HOME)


def _version() -> str:
    """Return the version that was installed, which comes from git's tags; of a copy never installed, none is known."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cliplite")
    except PackageNotFoundError:
        return "0+unknown"


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name not in _HOME:
        raise AttributeError(f"module 'cliplite_core' has no attribute {name!r}")
    return getattr(import_module(f"cliplite_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
