"""The entry of a figure in the catalogue: its function and its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.scores import tasks_in
from bpexp.figures.parts.factors import panel_factors
from bpexp.figures.parts.look import Look

if TYPE_CHECKING:
    from bpexp.results import Tables

RUN = ("run", "name", "activation", "init", "depth", "seed")


def _all(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


class Draw(Protocol):
    """A figure function: from a frame to a figure."""

    def __call__(self, frame: pd.DataFrame, /, **look: Unpack[Look]) -> Figure:
        """Draw the frame."""


@dataclass(frozen=True)
class FigureSpec:
    """A figure and the data it is drawn from; a call with a study's tables draws it.

    Attributes:
        draw: draws the figure from a frame. The rows that `rows` returns give the same figure as
            the table.
        table: the study's table: runs, layers, curves, spectra, plane, or an instrument's name.
        columns: the columns drawn, in addition to those of the run. If the first one has no values,
            there is no figure. score/test and score/train stand for the primary metrics of the
            tasks in the table.
        rows: selects the rows to draw from the table. It returns no rows if the figure would show
            nothing.
    """

    draw: Draw
    table: str
    columns: tuple[str, ...]
    rows: Callable[[pd.DataFrame], pd.DataFrame] = _all

    def __call__(self, tables: Tables, **look: Unpack[Look]) -> Figure:
        """Draw the figure from a study's tables; the keywords are those of `Look`."""
        return self.draw(self.data(tables), **look)

    def data(self, tables: Tables) -> pd.DataFrame:
        """Return the rows and columns to draw; no rows if there is no figure."""
        frame = tables.table(self.table)
        if frame.empty:
            return frame
        rows = self.rows(frame)
        if not any(rows[name].notna().any() for name in _named(self.columns[0], rows)):
            return frame.head(0)
        columns = [*RUN, *panel_factors(rows, ["depth"]), *self.columns]
        return rows[[*dict.fromkeys(name for column in columns for name in _named(column, rows))]]


def _named(column: str, rows: pd.DataFrame) -> list[str]:
    """Return the column if the rows have it; for score/... the primary metrics of the rows."""
    what, _, split = column.partition("/")
    names = [f"{t.metric}/{split}" for t in tasks_in(rows, split)] if what == "score" else [column]
    return [name for name in names if name in rows]
