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


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("cliplite_core.storage.version").installed_version()
    if name not in _HOME:
        raise AttributeError(f"module 'cliplite_core' has no attribute {name!r}")
    return getattr(import_module(f"cliplite_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
