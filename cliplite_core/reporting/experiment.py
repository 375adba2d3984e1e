"""What every notebook repeats around its measurement: the profile, the trained models, rows, table, figure and file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partialmethod
from typing import Any, Literal, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from tqdm.auto import tqdm
from transformers.utils.logging import disable_progress_bar

from cliplite_core.config import Config
from cliplite_core.data.captions import CaptionedImage
from cliplite_core.data.inventory.needs import available
from cliplite_core.data.splits import read_split
from cliplite_core.model import CLIPLite
from cliplite_core.profiles import load_profile
from cliplite_core.reporting.figures import save_figure, shows_photographs, use_style
from cliplite_core.reporting.messages import explain_errors
from cliplite_core.reporting.metrics import row, write_metrics
from cliplite_core.reporting.parameters import ParameterError, check_injected
from cliplite_core.reporting.tables import SETTINGS, WORDS, in_order, interval, number, save_table, with_units
from cliplite_core.runs import load_run
from cliplite_core.scenes.generate import compose_scenes
from cliplite_core.storage.places import data_root

DIGITS = {"cosine": 2, "nats": 2, "MiB": 2, "pairs": 0}  # behind the point, by unit; others have one
OBJECTIVES = ("jsd", "infonce", "sigmoid")  # in the order of every table and figure
Result = TypeVar("Result")
if os.environ.get("TQDM_DISABLE"):  # which tqdm obeys everywhere but in a notebook
    tqdm.__init__ = partialmethod(tqdm.__init__, disable=True)


class Experiment:
    """One notebook's measurement of all objectives, from the profile to the metrics file.

    Args:
        name: of the metrics file, its table and its figure, e.g. "retrieval".
        profile: name of a profile, or path of a .toml file.
        seeds: trainings per objective, >= 1; None for a notebook that trains nothing.
        **parameters: further parameters of the notebook; they are kept in the metrics file.

    Attributes:
        config: the profile's configuration, its data composed if need be.
        where: its `evaluation` section, without what is missing and may be skipped.
        root: the folder of the data sets.
        rows: what was recorded so far, see `reporting.metrics.row`.

    Raises:
        ParameterError: papermill injected a parameter that the notebook does not have, or of another type.
        ConfigError: unknown profile, or a wrong value in it.
    """

    def __init__(self, name: str, profile: str, seeds: int | None = 1, **parameters: Any) -> None:
        explain_errors()
        check_injected()
        if seeds is not None and (type(seeds) is not int or seeds < 1):
            raise ParameterError(f"seeds: got {seeds!r}, expected a whole number of at least 1")
        self.name, self.seeds, self.parameters = name, seeds, parameters
        self.started, self.rows = time.perf_counter(), []
        self.config = load_profile(profile)
        compose_scenes(self.config)
        self.where, self.root = available(self.config).evaluation, data_root()
        use_style()
        disable_progress_bar()  # of transformers, which draws one while it reads weights from the disk
        pd.set_option("display.max_colwidth", None)  # a sentence in a table is shown whole

    def runs(self) -> Iterator[tuple[str, int, Config]]:
        """Yield objective, seed and configuration of each training, objectives in the order of the tables."""
        for objective in OBJECTIVES:
            for seed in range(self.seeds):
                yield objective, seed, self.config.override(objective=objective, seed=seed)

    def models(self) -> Iterator[tuple[str, int, CLIPLite]]:
        """Yield objective, seed and trained model; a model that is not there yet is trained first."""
        for objective, seed, config in tqdm(list(self.runs()), desc=self.name, unit="model", leave=False):
            yield objective, seed, load_run(config)

    def measure(self, function: Callable[[CLIPLite], Result]) -> dict[str, list[Result]]:
        """Apply a measurement to every trained model.

        Args:
            function: model -> what was found.

        Returns:
            Objective -> one result per seed.
        """
        found: dict[str, list[Result]] = {objective: [] for objective in OBJECTIVES}
        for objective, _, model in self.models():
            found[objective].append(function(model))
        return found

    def read_split(self, split: str) -> list[CaptionedImage]:
        """Read the captioned images of "train", "val" or "test", by the profile's own name of that split."""
        return read_split(self.config, getattr(self.config.data, f"{split}_split"))

    def add(self, metric: str, values: Sequence[float], *, n: int, **labels: Any) -> dict:
        """Record one quantity, a value per seed; arguments as `reporting.metrics.row`.

        Returns:
            The row.
        """
        self.rows.append(row(metric, values, n=n, **labels))
        return self.rows[-1]

    def add_all(self, results: Sequence[Mapping[str, Any]], metrics: Sequence[str], **labels: Any) -> None:
        """Record several metrics of the same results; shares become percent, ranks stay.

        Args:
            results: one per seed, each with the metrics, `n` and `chance`, as the functions of `evaluation` return.
            metrics: which of them, e.g. ("R@1", "median_rank").
            **labels: what the rows are about, e.g. `objective="jsd"`.
        """
        for metric in metrics:
            unit, scale = ("rank", 1) if metric.endswith("rank") else ("%", 100)
            chance = round(scale * results[0]["chance"][metric], 2)
            values = [scale * result[metric] for result in results]
            self.add(metric, values, n=results[0]["n"], unit=unit, chance=chance, **labels)

    def add_each(
        self, results: Sequence[Mapping[str, Any]], facts: Mapping[str, Mapping[str, Any]], **labels: Any
    ) -> None:
        """Record every metric that the results have, as it is, in the order of the facts.

        Args:
            results: one per seed: metric = a number, or an array of which the mean is recorded. A metric that only some
                seeds have is recorded for those.
            facts: metric = its `n`, and `unit` and `chance` where they are not "%" and None.
            **labels: what the rows are about, e.g. `objective="jsd"`.
        """
        for metric, about in facts.items():
            values = [float(np.mean(result[metric])) for result in results if metric in result]
            if values:
                self.add(metric, values, **about, **labels)

    def add_frame(self, frame: pd.DataFrame, counts: Mapping[str, int], unit: str = "%", **labels: Any) -> None:
        """Record columns of a table that has one line per training, such as `quality.measure_runs` returns.

        Args:
            frame: its index holds the labels of a row, and `seed` where there are several trainings per setting.
            counts: which columns, and how many test items stand behind each.
            unit: of the values.
            **labels: what the rows are about, beside the index.
        """
        by = [name for name in frame.index.names if name != "seed"]
        for _, group in frame.groupby(level=by, sort=False):
            setting = {name: group.index.unique(name).tolist()[0] for name in by}  # Python's own numbers
            for metric, n in counts.items():
                self.add(metric, group[metric], n=n, unit=unit, **labels, **setting)

    def add_hits(self, metric: str, hits: Sequence[Any], **labels: Any) -> dict:
        """Record the share of hits in percent, as the functions of `evaluation.grounding` return them.

        Args:
            metric: its name, e.g. "pointing game".
            hits: one tensor or array (n,) per seed, each hit 0 or 1 or a part of one.
            **labels: what the row is about, as for `add`.

        Returns:
            The row.
        """
        return self.add(metric, [100 * float(of_seed.mean()) for of_seed in hits], n=len(hits[0]), **labels)

    def print_missing(self, *fields: str) -> None:
        """Print which data the `evaluation` section of the profile names that is not there.

        Args:
            *fields: of that section, e.g. "refs".
        """
        for field in fields:
            named, there = getattr(self.config.evaluation, field), getattr(self.where, field)
            if named != there:
                print(f"{field}: the profile names {named}; found below the data root: {there or 'nothing'}")

    def frame(self, query: str = "") -> pd.DataFrame:
        """Return the recorded rows as a table with a column `cell`, "mean ± half the 95 % interval".

        Args:
            query: which rows, in pandas' words, e.g. "metric == 'R@5'". "" = all.
        """
        frame = pd.DataFrame(self.rows)
        frame["ci95"] = frame["ci95"].astype(float)
        cells = zip(frame["mean"], frame["ci95"], frame["unit"].map(DIGITS).fillna(1).astype(int), strict=True)
        frame["cell"] = [interval(*cell) for cell in cells]
        return frame.query(query) if query else frame

    def table(
        self,
        index: Sequence[str],
        columns: str | Sequence[str],
        query: str = "",
        name: str = "",
        names: Mapping[str, str] | None = None,
        chance: bool = True,
    ) -> pd.DataFrame:
        """Set the recorded rows out as a table of mean and interval, with a line of chance, and save it.

        Args:
            index: labels that name a line, e.g. ["direction", "objective"]; lines of one group stand together.
            columns: the label that names a column, e.g. "metric"; several name it together, "top1, ensemble".
                One that a row does not have is left out of that name.
            query: which rows. "" = all.
            name: of the table's files. "" = that of the experiment.
            names: what lines and columns are called, beside the objectives' names; columns of one name become one.
            chance: whether guessing has a line in each group.

        Returns:
            The table as saved, for display; objectives in the order of all tables, all else as it was recorded.
            Metrics carry their unit.
        """
        called, by = WORDS | dict(names or {}), [columns] if isinstance(columns, str) else list(columns)
        frame = in_order(self.frame(query))
        parts = frame[by].replace(called)
        column = parts.agg(lambda part: ", ".join(map(number, part.dropna())), axis=1).replace(called)
        frame = frame.assign(column=with_units(column, frame["unit"]) if "metric" in by else column)
        if "metric" in index:
            frame["metric"] = with_units(frame["metric"].replace(called), frame["unit"])
        known = frame.dropna(subset="chance")[: None if chance else 0].drop_duplicates([*index[:-1], "column"])
        guessing = known.assign(**{index[-1]: "chance"}, cell=known["chance"].map("{:.1f}".format))
        cells = pd.concat([frame, guessing]).set_index([*index, "column"])["cell"]
        cells = cells[~cells.index.duplicated()].unstack(sort=False).reset_index().rename_axis(columns=None)
        place = {name: number for number, name in enumerate(cells[index[0]].unique())}  # groups as recorded
        cells = cells.sort_values(index[0], kind="stable", key=lambda key: key.map(place), ignore_index=True)
        numbers = [label for label in index if pd.api.types.is_numeric_dtype(cells[label])]
        cells[numbers] = cells[numbers].map(number)
        cells = cells.rename(columns=SETTINGS | called).replace(called).replace("_", " ", regex=True)
        return self.save_table(cells, name)

    def save_table(self, table: pd.DataFrame, name: str = "") -> pd.DataFrame:
        """Save any table as CSV, Markdown and LaTeX below the results, and return it for display."""
        return save_table(table, name or self.name, self.config.profile)

    def show(self, figure: Figure, name: str = "") -> None:
        """Save a figure as PNG and PDF below the results, and show it; what shows photographs says so, for `photos`."""
        name = name or self.name
        save_figure(figure, name, self.config.profile)
        display(figure, metadata={"figure": name, "photographs": shows_photographs(figure)})
        plt.close(figure)

    def write(self, folder: Literal["metrics", "timings"] = "metrics", **parameters: Any) -> None:
        """Write the metrics file and print its name.

        Args:
            folder: "timings" for measured times, which two equal runs do not repeat.
            **parameters: what else belongs to the numbers, beside the notebook's parameters.
        """
        seconds, given = time.perf_counter() - self.started, self.parameters | parameters
        given = given if self.seeds is None else {"seeds": self.seeds} | given
        path = write_metrics(self.name, self.config, self.rows, seconds, folder, **given)
        print("written:", path.name)
