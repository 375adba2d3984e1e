"""Make one's own results of a profile the published ones, which readers see and compare theirs with."""

from __future__ import annotations

import argparse
import shutil

from cliplite_core.commands.one_name import claim
from cliplite_core.storage.files import replacing
from cliplite_core.storage.places import PROJECT, published_directory, results_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `publish` takes: a profile."""
    parser.add_argument("profile", metavar="PROFILE", help="its results are below results/local/, or $CLIPLITE_RESULTS")
    parser.epilog = "example:\n  cliplite publish scenes"


def run(options: argparse.Namespace) -> int:
    """Copy the results whole, keep what else is published beside them, and set what README and notebooks show."""
    from cliplite_core.reporting.readme import SHOWN, VERDICTS, update_readme
    from cliplite_core.reporting.shown import show_outputs

    claim(options.profile)  # else results of another file of this name would be published
    mine, published = results_directory(options.profile), published_directory(options.profile)
    if not (mine / "metrics").is_dir():
        raise FileNotFoundError(f"{mine / 'metrics'} not found; make it with: make results PROFILE={options.profile}")
    with replacing(published) as temporary:
        if published.is_dir():
            made = [path.name for path in mine.iterdir()]
            shutil.copytree(published, temporary, ignore=lambda folder, _: made if folder == str(published) else [])
        # What compares with the former published results stays with whoever made it.
        shutil.copytree(mine, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns("reproduction.*"))
    print(f"published: {published}")
    if published.name in VERDICTS:
        print("verdicts:", update_readme())
    if published.name == SHOWN:
        print("shown in:", ", ".join(show_outputs(published / "notebooks", PROJECT / "notebooks")))
    return 0
