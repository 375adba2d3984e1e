"""Make one's own results of a profile the published ones, which readers see and compare theirs with."""

from __future__ import annotations

import argparse
import shutil

from cliplite_core.commands.one_name import claim
from cliplite_core.storage.files import replacing
from cliplite_core.storage.places import PROJECT, published_directory, published_run_directory, results_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `publish` takes: a profile."""
    parser.add_argument("profile", metavar="PROFILE", help="its results are below results/local/, or $CLIPLITE_RESULTS")
    parser.epilog = "example:\n  cliplite publish scenes"


def run(options: argparse.Namespace) -> int:
    """Copy the results whole, keep what else is published beside them, and set what README and notebooks show."""
    from cliplite_core.reporting.readme import SHOWN, VERDICTS, publish_findings, update_readme
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
        publish_findings(temporary / "README.md", published.name)
    print(f"published: {published}")
    if publish_model(options.profile):
        print(f"its model, for CLIPLite.load: {published / 'model'}")
    if published.name in VERDICTS:
        print("verdicts:", update_readme())
    if published.name == SHOWN:
        print("shown in:", ", ".join(show_outputs(published / "notebooks", PROJECT / "notebooks")))
    return 0


def publish_model(profile: str) -> bool:
    """Copy a published run's model to `results/PROFILE/model`, where readers look for one, and write its card.

    The run is that of the profile's own objective and its first seed. Git keeps equal files once. Where no such run is
    published, a model that lies there already stays, with a new card.

    Returns:
        Whether there is such a model, and its retrieval was measured.
    """
    from cliplite_core.profiles import load_profile
    from cliplite_core.reporting.published_card import write_card

    published, run = published_directory(profile), published_run_directory(load_profile(profile))
    if (run / "model").is_dir():
        with replacing(published / "model") as temporary:
            shutil.copytree(run / "model", temporary)
    needed = (published / "model" / "model.safetensors", published / "metrics" / "retrieval.json")
    if not all(path.is_file() for path in needed):
        return False
    write_card(published / "model", published / "metrics")
    return True
