"""Every figure can be read at the width it is printed at: nothing too small, cut off, covered or named two ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from gallery import every_figure
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text

from cliplite_core.reporting.figures import COLORS, COLUMN, LABELS, MARKERS, PAGE, SMALLEST, use_style
from cliplite_core.storage.places import PROJECT


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Figure]]:
    """All figures by name, laid out as they are printed."""
    with pytest.MonkeyPatch.context() as patch, plt.rc_context():
        patch.setenv("CLIPLITE_RESULTS", str(PROJECT / "results"))
        use_style()
        plt.rcParams["figure.max_open_warning"] = 0
        drawn = {name: draw() for name, draw in every_figure(tmp_path_factory.mktemp("photos"))}
        for figure in drawn.values():
            figure.draw_without_rendering()
        yield drawn
        plt.close("all")


def found(figures: dict[str, Figure], look: Callable[[Figure], Iterator[object]]) -> list[str]:
    return [f"{name}: {offender}" for name, figure in figures.items() for offender in look(figure)]


def test_all_are_there(figures):
    assert len(figures) > 40
    assert {"scenes: overview", "flickr8k: bias_removal", "own_data_sizes"} <= set(figures)


def test_a_figure_is_drawn_as_wide_as_a_column_or_a_page(figures):
    def look(figure: Figure) -> Iterator[object]:
        if not COLUMN <= figure.get_figwidth() <= PAGE:
            yield figure.get_figwidth()

    assert found(figures, look) == []


def test_no_text_is_smaller_than_seven_points(figures):
    def look(figure: Figure) -> Iterator[object]:
        for text in written(figure):
            if text.get_fontsize() < SMALLEST or (text.get_text().count("$") == 2 and text.get_parse_math()):
                yield text.get_text(), text.get_fontsize()  # a formula's exponents are smaller than its letters

    assert found(figures, look) == []


def test_no_text_leaves_the_figure(figures):
    def look(figure: Figure) -> Iterator[object]:
        for text in written(figure):
            box, page = text.get_window_extent(), figure.bbox
            if min(box.x0, box.y0) < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1:
                yield text.get_text(), box.extents.round()

    assert found(figures, look) == []


def test_no_label_of_an_axis_runs_into_the_next(figures):
    def look(figure: Figure) -> Iterator[object]:
        seen = written(figure)
        for axes in figure.findobj(Axes):
            for axis in (axes.xaxis, axes.yaxis):
                labels = [label for label in axis.get_ticklabels() if label in seen]
                boxes = [label.get_window_extent() for label in labels]
                if any(one.overlaps(other) for one, other in pairwise(boxes)):
                    yield [label.get_text() for label in labels]

    assert found(figures, look) == []


def test_no_marker_and_no_whisker_is_cut_off(figures):
    def look(figure: Figure) -> Iterator[object]:
        for axes in figure.findobj(Axes):
            room = axes.get_window_extent()
            for line in axes.lines:
                if line.get_clip_on() and line.get_marker() not in ("", "None", None) and line.get_visible():
                    radius = line.get_markersize() / 2 * figure.dpi / 72
                    yield from outside(line.get_transform().transform(line.get_xydata()), room, radius - 0.5)
            for whiskers in axes.findobj(LineCollection):
                for ends in whiskers.get_segments() if whiskers.get_clip_on() else ():
                    yield from outside(whiskers.get_transform().transform(ends), room, 0)

    def outside(points: np.ndarray, room: object, radius: float) -> Iterator[object]:
        points = points[np.isfinite(points).all(axis=1)]
        beyond = (points < np.array([room.x0, room.y0]) + radius - 1) | (points > room.max - radius + 1)
        if beyond.any():
            yield points[beyond.any(axis=1)][0].round(), room.extents.round()

    assert found(figures, look) == []


def test_no_legend_covers_data(figures):
    def look(figure: Figure) -> Iterator[object]:
        for axes in figure.findobj(Axes):
            if legend := axes.get_legend():
                box = legend.get_window_extent()
                for line in (line for line in axes.lines if len(line.get_xdata())):
                    way = line.get_transform().transform_path(line.get_path()).interpolated(20)
                    if box.count_contains(way.vertices):
                        yield line.get_label()
                if any(box.overlaps(patch.get_window_extent()) for patch in axes.patches):
                    yield "bars"

    assert found(figures, look) == []


def test_an_objective_has_one_colour_and_one_marker_and_its_entry_in_a_legend_shows_no_interval(figures):
    colours, markers = ({LABELS[name]: of[name] for name in LABELS} for of in (COLORS, MARKERS))

    def look(figure: Figure) -> Iterator[object]:
        for legend in figure.findobj(Legend):
            for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
                name = text.get_text().split(":")[0].split(",")[0]
                if name in colours and isinstance(handle, LineCollection):
                    yield name, "with whiskers"
                elif name in colours:
                    shown = handle.get_color() if isinstance(handle, Line2D) else handle.get_facecolor()
                    marker = handle.get_marker() if isinstance(handle, Line2D) else "None"
                    if to_hex(shown) != colours[name].lower() or marker not in ("None", markers[name]):
                        yield text.get_text(), to_hex(shown), marker

    assert found(figures, look) == []


def written(figure: Figure) -> list[Text]:
    """Text that is seen; axes that are switched off have labels, too, and so have ticks beyond an end of an axis."""
    unseen = set()
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            beyond = [tick for tick in ticks if not low <= tick.get_loc() <= high]
            unseen |= {id(text) for hidden in (beyond if axes.axison else [axis]) for text in hidden.findobj(Text)}
    texts = (text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible())
    return [text for text in texts if id(text) not in unseen]
