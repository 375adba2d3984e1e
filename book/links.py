"""What a text says of other texts: names of functions and fields become links, and linked files come along."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from book import PROJECT
from cliplite_core.config import SECTION_OF

FENCED = re.compile(r"(^ *(```+|~~~+|\$\$).*?^ *\2[^\n]*$|<!--.*?-->)", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(?<![`}\[])`([A-Za-z_][\w.]*)(?:\(\))?`(?!`)")
LINK = re.compile(r"(!?\[[^\]]*\])\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


@dataclass(frozen=True)
class Names:
    """The public names of the package, each with the one module that defines it.

    Attributes:
        modules: module = the first line of its docstring, packages and modules alike, in the order of reading.
        home: name = its full name; a name that two modules define is left out.
    """

    modules: dict[str, str]
    home: dict[str, str]

    @classmethod
    def of_package(cls) -> Names:
        """Read the sources of `cliplite_core`, which imports nothing."""
        modules, found = {}, {}
        for path in sorted((PROJECT / "cliplite_core").rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            modules[module] = (ast.get_docstring(tree) or "").partition("\n")[0]
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    found.setdefault(node.name, []).append(f"{module}.{node.name}")
        return cls(modules, {name: homes[0] for name, homes in found.items() if len(homes) == 1})

    def link(self, text: str) -> str:
        """Link the names of functions, classes and fields that a Markdown text sets as code.

        Only names that cannot be mistaken for a word are linked: with an underscore, or with an inner capital.

        Example:
            >>> Names({}, {"jsd_bound": "cliplite_core.objectives.jsd_bound"}).link("the bound is `jsd_bound`")
            'the bound is {py:obj}`jsd_bound <cliplite_core.objectives.jsd_bound>`'
        """
        return _outside_code(text, lambda part: CODE.sub(self._linked, part))

    def _linked(self, match: re.Match) -> str:
        name = match[1]
        first, _, rest = name.partition(".")
        is_a_name = re.search(r"_|[a-z0-9][A-Z]|[A-Z]{2}[a-z]", first) and not re.search(
            r"\.(json|csv|md|py|toml|txt)$", name
        )
        if is_a_name and first in self.home:
            shown = match[0].strip("`")
            return f"{{py:obj}}`{shown} <{self.home[first]}{'.' + rest if rest else ''}>`"
        if "_" in name and name in SECTION_OF:
            return f"[{match[0]}](#field-{name})"
        return match[0]


def settle(source: Path, names: Names) -> None:
    """Give every text of the assembled tree its links; see `Names.link` and `bring_files`.

    Args:
        source: the root of the tree, which mirrors the project.
        names: what can be linked to.
    """
    for path in sorted(source.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        path.write_text(names.link(bring_files(_kept_together(text), path.parent, source)), encoding="utf-8")
    for path in sorted(source.rglob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = _kept_together("".join(cell["source"]))
                cell["source"] = names.link(bring_files(text, path.parent, source))
        path.write_text(json.dumps(notebook), encoding="utf-8")


def _kept_together(text: str) -> str:
    """Keep a number on one line with its interval and its percent sign.

    Example:
        >>> _kept_together("12.0 ± 0.5, 95 % of it").replace("\xa0", "_")
        '12.0_±_0.5, 95_% of it'
    """
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"))


def bring_files(text: str, folder: Path, source: Path) -> str:
    """Make every relative link of a text lead to what the tree has, and return the text.

    A link to a folder or its README leads to the page made of it, and another file of the project is copied into the
    tree. What is in neither, such as a notebook that was not published, keeps its words and loses its link.

    Args:
        text: Markdown.
        folder: of the page in the tree; the project has a folder of the same place.
        source: the root of the tree.
    """

    def led(match: re.Match) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        for candidate in (target, re.sub(r"README\.md$", "index.md", target), target.rstrip("/") + "/index.md"):
            if (folder / candidate).is_file():
                return f"{label}({candidate}{anchor})"
        original = (PROJECT / folder.relative_to(source) / target).resolve()
        if not original.is_file() or not original.is_relative_to(PROJECT) or original.suffix in (".md", ".ipynb"):
            return label.lstrip("!")[1:-1]
        copied = source / original.relative_to(PROJECT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, copied)
        return match[0]

    return _outside_code(text, lambda part: LINK.sub(led, part))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Apply a change to what stands outside of code blocks, displayed equations and comments."""
    parts, last = [], 0
    for block in FENCED.finditer(text):
        parts += [change(text[last : block.start()]), block[0]]
        last = block.end()
    return "".join([*parts, change(text[last:])])
