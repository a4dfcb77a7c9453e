"""A drawing: a figure's function, and what of a study's tables it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures.frames import settings

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
        table: which of the tables: runs, layers, curves, spectra or plane.
        columns: those drawn; the first is what must not be all missing.
        rows: picks or makes the rows drawn; none, where the figure would show nothing.
    """

    draw: Callable[[pd.DataFrame], Figure]
    table: Literal["runs", "layers", "curves", "spectra", "plane"]
    columns: tuple[str, ...]
    rows: Callable[[pd.DataFrame], pd.DataFrame] = _all

    def __call__(self, tables: Tables) -> Figure:
        """Draw the figure from tables."""
        return self.draw(self.data(tables))

    def data(self, tables: Tables) -> pd.DataFrame:
        """Return the rows and columns drawn; empty if there is nothing to draw."""
        frame: pd.DataFrame = getattr(tables, self.table)
        if frame.empty:
            return frame
        rows = self.rows(frame)
        if self.columns[0] not in rows or rows[self.columns[0]].isna().all():
            return frame.head(0)
        columns = dict.fromkeys([*RUN, *settings(rows, ["depth"]), *self.columns])
        return rows[[name for name in columns if name in rows]]
