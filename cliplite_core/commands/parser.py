"""The verbs and their words; only the module of the verb that was asked for is imported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from cliplite_core import __version__

VERBS = {
    "fit": "fit a model to pairs of your own: captions and a folder of images",
    "evaluate": "measure a model on given pairs, without training",
    "results": "make every table and figure of a profile",
    "train": "pretrain one model",
    "notebook": "run a numbered notebook headlessly",
    "lab": "open copies of the notebooks in JupyterLab",
    "study": "train and measure one run of an ablation study",
    "plan": "say what a profile's trainings cost, before any data is there",
    "data": "look for, check, shrink or compose the data of a profile",
    "index": "embed the images of a folder, so that they can be searched",
    "search": "find images by words, or by another image",
    "name": "name an image by one of several words (zero-shot)",
    "demo": "serve a page to try a model on, with one's own pictures",
    "export": "write a trained encoder for torchvision, Detectron2, transformers or ONNX Runtime",
    "photos": "take photographs out of a profile's results",
    "publish": "make one's own results of a profile the published ones",
    "status": "say which runs and results of a profile are stale, and why",
    "summary": "list what was made of a profile, with seconds and peak memory",
}
EXAMPLE = """
Fields and parameters are set by NAME=VALUE behind the verb. `cliplite VERB --help` explains a verb.

example:
  cliplite train scenes objective=infonce seed=1
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes leave by the same door as all others."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see `{self.prog} --help`")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line, with `run`, the function to call with them.

    Args:
        arguments: the words behind `cliplite`.

    Raises:
        ValueError: a word is unknown or missing, or an option is given twice.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="cliplite", description="CLIP-Lite, from data to tables.", epilog=EXAMPLE, formatter_class=formatter
    )
    parser.add_argument("--version", action="version", version=f"cliplite {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB", title="verbs")
    for verb, text in VERBS.items():
        added = verbs.add_parser(verb, help=text, formatter_class=formatter)
        if verb in arguments[:1]:
            module = import_module(f"cliplite_core.commands.{verb}")
            added.description = module.__doc__
            module.add_arguments(added)
            added.set_defaults(run=module.run)
    given = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    if twice := [name for name in given if given.count(name) > 1]:
        raise ValueError(f"{twice[0]}: given twice, expected each option once")
    options, rest = parser.parse_known_args(arguments)
    # What argparse leaves over are assignments that stand behind an option, and mistakes.
    if wrong := [word for word in rest if word.startswith("-") or not hasattr(options, "assignments")]:
        verbs.choices[arguments[0]].error(f"unknown argument {wrong[0]!r}")
    if rest:
        options.assignments = [*options.assignments, *rest]
    return options
