"""A drawing: a figure's function, and what of a study's tables it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures.frames import settings
from bpexp.figures.scores import tasks_in

if TYPE_CHECKING:
    from bpexp.results import Tables

RUN = ("run", "name", "activation", "init", "depth", "seed")


def _all(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class Drawing:
    """A figure and what it is drawn from; called with tables, it draws.

    Attributes:
        draw: from a frame to a figure.
        table: which of the tables: runs, layers, curves, spectra, plane, or an instrument's name.
        columns: those drawn; the first is what must not be all missing. score/test and score/train
            stand for the primary metrics of the tasks that there are.
        rows: picks or makes the rows drawn; none, where the figure would show nothing.
    """

    draw: Callable[[pd.DataFrame], Figure]
    table: str
    columns: tuple[str, ...]
    rows: Callable[[pd.DataFrame], pd.DataFrame] = _all

    def __call__(self, tables: Tables) -> Figure:
        """Draw the figure from tables."""
        return self.draw(self.data(tables))

    def data(self, tables: Tables) -> pd.DataFrame:
        """Return the rows and columns drawn; empty if there is nothing to draw."""
        frame = tables.table(self.table)
        if frame.empty:
            return frame
        rows = self.rows(frame)
        drawn = [column for name in self.columns for column in _columns(name, rows)]
        first = _columns(self.columns[0], rows)
        if not any(rows[column].notna().any() for column in first if column in rows):
            return frame.head(0)
        columns = dict.fromkeys([*RUN, *settings(rows, ["depth"]), *drawn])
        return rows[[name for name in columns if name in rows]]


def _columns(name: str, rows: pd.DataFrame) -> list[str]:
    """Return the column of this name, or those of scores."""
    what, _, split = name.partition("/")
    return [f"{t.metric}/{split}" for t in tasks_in(rows, split)] if what == "score" else [name]
