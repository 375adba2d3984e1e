"""The API reference: a page for each module of the core, in the order of reading, and one for each wing."""

from __future__ import annotations

from pathlib import Path

from book.links import Names

CORE = (
    "encoders", "critic", "objectives", "model", "loss", "optim", "trainer", "callbacks", "runs", "frozen",
)  # fmt: skip
WINGS = (
    "config", "profiles", "evaluation", "reporting", "data", "data.labelled", "data.inventory", "scenes", "storage",
    "commands",
)  # fmt: skip


def write_api(folder: Path, names: Names) -> None:
    """Write the index and the pages.

    Args:
        folder: `api/` of the book's tree.
        names: the public names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = {name: _modules_of(names, name) for name in (*CORE, *WINGS)}
    (folder / "index.md").write_text(_index(names, pages), encoding="utf-8")
    for name, modules in pages.items():
        parts = [_automodule(module, "#" if module == modules[0] else "##") for module in modules]
        (folder / f"{name}.md").write_text("\n".join(parts), encoding="utf-8")


def _modules_of(names: Names, page: str) -> list[str]:
    """Return the modules of a page: a module of the core, or a wing and what lies in it but has no page of its own."""
    wing = f"cliplite_core.{page}"
    below = [module for module in names.modules if f"{module}.".startswith(f"{wing}.")]
    others = [f"cliplite_core.{other}." for other in WINGS if other.startswith(f"{page}.")]
    return [module for module in below if not any(f"{module}.".startswith(other) for other in others)]


def _automodule(module: str, level: str) -> str:
    """Return a section with everything public of a module, in the order of its source."""
    title = module.removeprefix("cliplite_core.")
    directive = f".. automodule:: {module}\n   :members:\n   :member-order: bysource\n"
    return f"{level} {title}\n\n```{{eval-rst}}\n{directive}```\n"


def _index(names: Names, pages: dict[str, list[str]]) -> str:
    """Return the index: the names that `import cliplite_core` offers, and every page with what it is about."""
    import cliplite_core

    offered = "\n".join(f"- {{py:obj}}`~{names.home[name]}`" for name in cliplite_core.__all__ if name in names.home)
    rows = "\n".join(f"| {{doc}}`{name}` | {names.modules[modules[0]]} |" for name, modules in pages.items())
    toctree = "```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```"
    return f"""# API reference

`from cliplite_core import …` offers:

{offered}

## Everything

The core in the order of reading, then the wings around it.

| module | what it holds |
|:---|:---|
{rows}

{toctree}
"""
