"""The page of notebook 11: type a sentence and see pictures; click one and see its sentences, the heat of words, names.

Widgets and nothing else: what is asked of the model is `explorer`'s, how it looks is `page.css`.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from PIL import Image

from cliplite_core.explore.explorer import Explorer, Found, heated, thumbnail

TILE, LARGE = 320, 800  # pixels of a picture in the grid, and of the one that was clicked
SENTENCES = 5
# The picture opens above the grid: whoever clicked far down is taken there.
LOOK_HERE = " onload=\"this.scrollIntoView({behavior: 'smooth', block: 'nearest'})\""
_numbers = count()  # two pages may stand in one notebook


class Page:
    """A page of widgets over an `Explorer`; as the last value of a cell it is shown.

    Args:
        explorer: what it asks.
        examples: sentences that can be clicked instead of typing; the first is searched for at the start.
        names: what a picture is named by at first, with commas between them.
        k: pictures per search.

    Attributes:
        words, where, names: the text fields for a search, for a heat map and for names, separated by commas.
        tiles: the k pictures, as buttons.
        found: the pictures they show.
        opened: the picture that was clicked, None at first.
        status: one line about the last thing done.
        root: the widget that holds all.
    """

    def __init__(self, explorer: Explorer, examples: Sequence[str], names: str, k: int = 12) -> None:
        self.explorer, self.k = explorer, k
        self.found: list[Found] = []
        self.opened: Path | None = None
        self._name = f"explore-{next(_numbers)}"
        field = {"continuous_update": False, "layout": widgets.Layout(width="auto")}
        self.words = widgets.Text(placeholder="two dogs on a beach", **field)
        self.where = widgets.Text(placeholder="where is … ?  a dog", **field)
        self.names = widgets.Text(value=names, placeholder="cat, dog, bicycle", **field)
        self.status, self._thumbnails = widgets.HTML(), widgets.HTML()
        self.tiles = [widgets.Button() for _ in range(k)]
        self.picture, self.described, self.named = widgets.HTML(), widgets.HTML(), widgets.HTML()
        go, like = widgets.Button(description="Search"), widgets.Button(description="More like this")
        chips = [widgets.Button(description=example, tooltip=f"search for: {example}") for example in examples]

        self._when(self.words, lambda _: self.search(self.words.value))
        self._when(self.where, lambda _: self.show_heat(self.where.value))
        self._when(self.names, lambda _: self.show_names(self.names.value))
        for tile, place in zip(self.tiles, range(k), strict=True):
            tile.add_class("explore-tile").add_class(f"{self._name}-{place}")
            self._when(tile, lambda _, place=place: self.open(self.found[place][0]))
        for chip in chips:
            chip.add_class("explore-chip")
            self._when(chip, lambda chip: setattr(self.words, "value", chip.description))
        self._when(go.add_class("explore-go"), lambda _: self.search(self.words.value))
        self._when(like.add_class("explore-chip"), lambda _: self.search_like(self.opened))

        heading = f"{len(explorer.index):,} pictures, found by what they show. Say what you are looking for."
        searched = widgets.HBox([self.words.add_class("explore-field"), go]).add_class("explore-row")
        self.grid = widgets.Box(self.tiles).add_class("explore-grid")
        answers = widgets.VBox(
            [
                _titled("Nearest sentences", self.described),
                _titled("Where is it?", self.where.add_class("explore-field")),
                _titled("Which of these is it?", self.names.add_class("explore-field"), self.named),
                like,
            ]
        ).add_class("explore-answers")
        self.detail = widgets.Box([self.picture.add_class("explore-picture"), answers]).add_class("explore-detail")
        self.detail.layout.display = "none"
        style = files("cliplite_core.explore").joinpath("page.css").read_text(encoding="utf-8")
        self.root = widgets.VBox(
            [
                widgets.HTML(f"<style>{style}</style><h1>Explore</h1><p>{heading}</p>").add_class("explore-head"),
                self._thumbnails,
                searched,
                widgets.Box(chips).add_class("explore-chips"),
                self.status.add_class("explore-status"),
                self.detail,
                self.grid,
            ]
        ).add_class("explore")
        if examples:
            self.words.value = examples[0]

    def search(self, words: str) -> None:
        """Show the pictures nearest to words; nothing for no words."""
        if words.strip():
            self._show(lambda: self.explorer.pictures(words, self.k), f"nearest to “{words.strip()}”")

    def search_like(self, path: Path) -> None:
        """Show the pictures nearest to a picture."""
        self._show(lambda: self.explorer.pictures_like(path, self.k), f"like {path.name}")

    def open(self, path: Path) -> None:
        """Show one picture large, with its nearest sentences and its names; the heat of former words is gone."""
        self.opened, self.where.value = path, ""
        self.picture.value = _image(thumbnail(path, LARGE), path.name, LOOK_HERE)
        self.described.value = _bars(self.explorer.describe(path, SENTENCES))
        self.detail.layout.display = None
        self.show_names(self.names.value)
        self.status.value = escape(path.name)

    def show_heat(self, words: str) -> None:
        """Lay over the picture where the score with these words comes from; without words, show it plain."""
        if self.opened is None:
            return
        image, words = thumbnail(self.opened, LARGE), words.strip()
        if words:
            heat = self.explorer.heat(self.opened, words)
            image = heated(image, heat)
            place = "bright where the score comes from" if heat.any() else "no place in the picture raises the score"
            self.status.value = f"“{escape(words)}”: {place}"
        self.picture.value = _image(image, f"{self.opened.name} {words}")

    def show_names(self, names: str) -> None:
        """Rank names for the picture; fewer than two are no choice."""
        several = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
        if self.opened is None or len(several) < 2:
            self.named.value = "<p>Two names or more, with commas between them.</p>"
            return
        try:
            self.named.value = _bars(self.explorer.name(self.opened, several))
        except ValueError as error:  # names that the model does not know; the picture and its sentences stay
            self.named.value = f"<p>{escape(str(error))}</p>"

    def _show(self, find: Callable[[], list[Found]], what: str) -> None:
        started = time.perf_counter()
        self.found = find()
        rules = [
            f".explore .explore-tile.{self._name}-{place}{{background-image:url({_data(thumbnail(path, TILE))})}}"
            for place, (path, _) in enumerate(self.found)
        ]
        self._thumbnails.value = f"<style>{''.join(rules)}</style>"
        for place, tile in enumerate(self.tiles):
            shown = place < len(self.found)
            tile.layout.display = None if shown else "none"
            if shown:
                path, cosine = self.found[place]
                tile.description, tile.tooltip = f"{cosine:.2f}", path.name
        seconds = time.perf_counter() - started
        self.status.value = f"{len(self.found)} of {len(self.explorer.index):,}, {escape(what)} · {seconds:.2f} s"

    def _when(self, widget: widgets.Widget, act: Callable[[Any], None]) -> None:
        """Call a function at a click or a new value; what goes wrong is said on the page, not lost in a log."""

        def guarded(given: Any) -> None:
            try:
                act(given)
            except (OSError, ValueError) as error:
                self.status.value = f"<b>{escape(str(error))}</b>"

        if isinstance(widget, widgets.Button):
            widget.on_click(guarded)
        else:
            widget.observe(guarded, names="value")

    def _repr_mimebundle_(self, **given: Any) -> dict[str, Any]:
        """Show the widgets; where none can be shown, say what to do."""
        shown = self.root._repr_mimebundle_(**given)
        shown["text/plain"] = "[the page: run this notebook, or `make demo`]"
        return shown


def _titled(title: str, *parts: widgets.Widget) -> widgets.VBox:
    return widgets.VBox([widgets.HTML(f"<h2>{title}</h2>"), *parts]).add_class("explore-part")


def _bars(ranked: Sequence[tuple[str, float]]) -> str:
    """Return ranked texts as a list, each with its cosine and a bar as long as it, from the lowest to the highest."""
    low, high = ranked[-1][1], ranked[0][1]
    lengths = [100 * (cosine - low) / max(high - low, 1e-6) for _, cosine in ranked]
    rows = [
        f'<li style="--length:{15 + 0.85 * length:.0f}%"><span>{escape(text)}</span><b>{cosine:.2f}</b></li>'
        for (text, cosine), length in zip(ranked, lengths, strict=True)
    ]
    return f'<ol class="explore-bars">{"".join(rows)}</ol>'


def _image(image: Image.Image, name: str, more: str = "") -> str:
    return f'<img src="{_data(image)}" alt="{escape(name, quote=True)}"{more}>'


def _data(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
