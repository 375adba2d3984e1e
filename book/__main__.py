"""Build the book: `python -m book`, which `make book` calls."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from book import PROJECT, api, commands, configuration, notebooks, pages, results
from book.links import Names, settle


def assemble(source: Path) -> None:
    """Write the tree that Sphinx reads, which mirrors the project's, so that relative links hold in both.

    Args:
        source: the folder to fill; what a former build left there goes.
    """
    shutil.rmtree(source, ignore_errors=True)
    names = Names.of_package()
    profiles = results.write_results(source)
    chapters = notebooks.write_notebooks(source, profiles)
    api.write_api(source / "api", names)
    (source / "commands.md").write_text(commands.commands_page(), encoding="utf-8")
    (source / "configuration.md").write_text(configuration.configuration_page(), encoding="utf-8")
    pages.write_pages(source, chapters)
    settle(source, names)


def build(out: Path) -> int:
    """Assemble the sources in `out/source` and build `out/html`; every warning is an error, a dead link among them.

    Args:
        out: a folder of its own.

    Returns:
        Sphinx's exit status, 0 = built.
    """
    from sphinx.cmd.build import build_main

    assemble(out / "source")
    strict = ["-W", "--keep-going", "-n", "-q"]
    folders = ["-c", str(PROJECT / "book"), "-d", str(out / "doctrees"), str(out / "source"), str(out / "html")]
    return build_main(["-b", "html", *strict, *folders])


def main() -> int:
    """Read the words of the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m book", description=sys.modules["book"].__doc__)
    parser.add_argument("--out", type=Path, default=PROJECT / "book" / "_build", help="default: book/_build")
    options = parser.parse_args()
    status = build(options.out.resolve())
    if status == 0:
        print(f"built: {options.out / 'html' / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
