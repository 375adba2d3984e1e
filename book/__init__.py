"""The book: written pages, executed notebooks, results and reference, assembled into one tree and built by Sphinx.

`python -m book` builds it. Nothing here executes a notebook or measures anything: what a page says in numbers is read
from what was published below `results/`.
"""

from pathlib import Path

from cliplite_core.reporting.planned import TITLES as TITLES  # what a profile's results are called

PROJECT = Path(__file__).resolve().parent.parent
PAGES = PROJECT / "book" / "pages"
RESULTS = PROJECT / "results"
SHOWN = "scenes"  # the profile whose notebooks are chapters of the book
