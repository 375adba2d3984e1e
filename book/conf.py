"""How Sphinx builds the book; `python -m book` assembles the sources first."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project, for its package and this one

from cliplite_core import __version__

project, author, version = "cliplite", "The cliplite authors", __version__
copyright = "the cliplite authors; code under the MIT licence"
language = "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "book.code_of",
]
exclude_patterns = ["generated/*", "**/downloads/*"]

# Notebooks are shown as they were executed.
nb_execution_mode = "off"
nb_output_stderr = "remove"
nb_ipywidgets_js = {}
nb_merge_streams = True
myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "html_image",
]
myst_heading_anchors = 4
myst_dmath_double_inline = True
suppress_warnings = ["misc.highlighting_failure"]  # shell sessions and diagrams have no lexer

# The reference. Docstrings set code in single backticks, as Markdown does.
default_role = "code"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = True
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 100
nitpick_ignore_regex = [
    ("py:.*", r"(?!cliplite_core\.).*"),  # what other libraries define
    ("py:class", r"cliplite_core\..*\.(_\w+|Item|Read|Result)"),  # type variables, and validators of pydantic
]

html_theme = "sphinx_book_theme"
html_title = "cliplite"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_context = {"default_mode": "auto"}
html_favicon = "static/mark.svg"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "logo": {"image_light": "static/wordmark.svg", "image_dark": "static/wordmark-dark.svg", "alt_text": "cliplite"},
    "use_download_button": False,  # a notebook's page has its own, for the notebook as it was executed
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "github-dark-high-contrast",
}
math_eqref_format = "equation ({number})"
numfig = math_numfig = True  # one count of equations, in the order of the table of contents
mathjax3_config = {"options": {"enableMenu": False}, "chtml": {"displayAlign": "center"}}

# MathJax comes from the package django-static-mathjax and is served by the book itself.
_found = importlib.util.find_spec("mathjax")
MATHJAX = Path(*(_found.submodule_search_locations if _found else ())) / "static" / "mathjax" / "es5"
if not (MATHJAX / "tex-chtml.js").exists():
    raise ModuleNotFoundError(
        "the book: found no MathJax to serve, expected django-static-mathjax; pip install -e '.[book]'"
    )
mathjax_path = "mathjax/tex-chtml.js"


def escape_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep what is plain text in a docstring, such as `T*` or `|x|`, from being read as markup.

    Bars and lone stars outside of backticks and of examples are escaped; *words* stay emphasised.
    """
    for number, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        kept = r"(``[^`]*``|`[^`]*`|(?<![\w*])\*[^\s*](?:[^*]*[^\s*])?\*(?![\w*]))"
        pieces = re.split(kept, line)
        pieces[::2] = [re.sub(r"(?<!\\)([*|])", r"\\\1", piece) for piece in pieces[::2]]
        lines[number] = "".join(pieces)


def serve_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Copy the one script of MathJax and its fonts into the built book."""
    if exception is None and app.builder.name == "html":
        target, fonts = Path(app.outdir) / "_static" / "mathjax", Path("output", "chtml", "fonts", "woff-v2")
        shutil.copytree(MATHJAX / fonts, target / fonts, dirs_exist_ok=True)
        shutil.copy(MATHJAX / "tex-chtml.js", target)


def setup(app: Sphinx) -> None:
    """Register the two functions above."""
    app.connect("autodoc-process-docstring", escape_docstring, priority=100)
    app.connect("build-finished", serve_mathjax)
