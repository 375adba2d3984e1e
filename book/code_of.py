"""The directive `code-of`: what a function computes, as the core has it, and its name as a link above."""

from __future__ import annotations

import ast
import inspect
import textwrap
from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# Function = the equation that it computes; its page in the reference leads back there.
EQUATIONS = {
    "cliplite_core.objectives.jsd_bound": "jsd",
    "cliplite_core.objectives.infonce_bound": "infonce",
    "cliplite_core.objectives.sigmoid_bound": "sigmoid",
    "cliplite_core.objectives.prior_matching_loss": "prior",
    "cliplite_core.objectives.fooling_loss": "fooling",
    "cliplite_core.critic.DotCritic": "critic",
}


def source_without_docstring(name: str) -> str:
    """Return a function's source as it stands, but for its docstring.

    Args:
        name: its full name.

    Example:
        >>> print(source_without_docstring("cliplite_core.storage.places.results_directory"))
        def results_directory(profile: str) -> Path:
            return Path(os.environ.get("CLIPLITE_RESULTS") or PROJECT / "results" / "local") / _name(profile)
    """
    module, _, function = name.rpartition(".")
    lines = textwrap.dedent(inspect.getsource(getattr(import_module(module), function))).splitlines()
    first = ast.parse("\n".join(lines)).body[0].body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


class CodeOf(SphinxDirective):
    """`code-of` MODULE.FUNCTION."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a link to the function's reference and its code."""
        name = self.arguments[0]
        text = source_without_docstring(name)
        block = nodes.literal_block(text, text, language="python")
        return [*self.parse_text_to_nodes(f"{{py:obj}}`{name}`"), block]


def lead_back(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Add the equation to the docstring of a function that computes one."""
    if name in EQUATIONS:
        lines[1:1] = ["", f"In this book: :eq:`{EQUATIONS[name]}`.", ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and its way back."""
    app.add_directive("code-of", CodeOf)
    app.connect("autodoc-process-docstring", lead_back, priority=200)
    return {"parallel_read_safe": True}
