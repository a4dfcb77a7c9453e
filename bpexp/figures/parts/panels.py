"""Panels: rows divided over a grid of bounded size, each panel with its title."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpexp.figures.parts.factors import split

Parts = list[tuple[str, pd.DataFrame]]

MOST_PANELS = 48
MANY = 8  # of more panels than these, those that are 0 throughout are left out
HEIGHT = 16.0  # inches: the height from which panels become small
SMALL_SIZE, SMALL_COLUMNS = (1.75, 1.6), 8
MARGIN = 1.6, 0.7  # inches for the legend, the title and the labels


@dataclass(frozen=True)
class Panels:
    """A figure, its panels with the rows of each, and a note on what was left out."""

    figure: Figure
    parts: list[tuple[Axes, pd.DataFrame]]
    note: str

    def label(self, title: str, *, x: str, y: str | None = None) -> None:
        """Set the figure's title, with the note below it, and the labels of its axes."""
        self.figure.supxlabel(x)
        if y is not None:
            self.figure.supylabel(y)
        self.figure.suptitle("\n".join(filter(None, [title, self.note])))


def make_panels(
    rows: pd.DataFrame,
    factors: Sequence[str],
    *,
    size: tuple[float, float],
    alone: tuple[float, float] | None = None,
    columns: int = 4,
    most: int = MOST_PANELS,
    shows: Callable[[pd.DataFrame], bool] | None = None,
    sharex: bool = True,
    sharey: bool = True,
) -> Panels:
    """Divide rows into panels by factors, and title each panel with the values of its factors.

    The panels together are at most 16 inches high, and so the figure at most 17: where panels of
    `size` would be higher together, they are smaller and stand in rows of eight. Of more panels
    than `most` the first are drawn.

    Args:
        rows: what is drawn.
        factors: columns of `rows`; without any there is one panel.
        size: width and height of a panel, in inches.
        alone: the same if there is one panel.
        columns: panels in a row at most.
        most: how many panels there are at most.
        shows: whether a panel of these rows shows anything but zeros. Of more than eight panels
            those that do not are left out.
        sharex: whether all panels have the same limits of x.
        sharey: the same of y.
    """
    parts, note = fit(split(rows, factors), most, shows)
    extent = alone if alone and len(parts) == 1 else size
    small = -(-len(parts) // columns) * extent[1] > HEIGHT
    extent, columns = (SMALL_SIZE, SMALL_COLUMNS) if small else (extent, columns)
    figure, axes = grid(len(parts), columns=columns, size=extent, sharex=sharex, sharey=sharey)
    for panel, (title, _) in zip(axes, parts, strict=True):
        panel.set_title(fold(title, int(14 * extent[0])))
        if small:
            panel.title.set_fontsize(8)
    return Panels(
        figure, [(panel, part) for panel, (_, part) in zip(axes, parts, strict=True)], note
    )


def fit(
    parts: Parts, most: int, shows: Callable[[pd.DataFrame], bool] | None = None
) -> tuple[Parts, str]:
    """Return the parts that become panels, and a note on the others; arguments as `make_panels`."""
    notes = []
    kept = parts
    if shows and len(parts) > MANY:
        kept = [part for part in parts if shows(part[1])] or parts
        if len(kept) < len(parts):
            notes.append(f"left out: {len(parts) - len(kept)} of {len(parts)} panels, all 0")
    if len(kept) > most:
        notes.append(f"the first {most} of {len(kept)} panels")
    return kept[:most], "; ".join(notes)


def grid(
    n: int, *, columns: int, size: tuple[float, float], **share: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of n panels of a size (width, height in inches), in rows of equal length."""
    rows = -(-n // columns)
    across = -(-n // rows)
    figure = Figure(
        figsize=(size[0] * across + MARGIN[0], size[1] * rows + MARGIN[1]), layout="constrained"
    )
    axes = list(figure.subplots(rows, across, squeeze=False, **share).ravel())
    for spare in axes[n:]:
        spare.remove()
    for lowest in axes[max(n - across, 0) : n]:
        lowest.tick_params(labelbottom=True)
    return figure, axes[:n]


def fold(title: str, width: int) -> str:
    r"""Break a title into lines at commas only, so that a key stays beside its value.

    >>> fold("depth 0, binary_cross_entropy, lr 0.05", 32)
    'depth 0, binary_cross_entropy,\nlr 0.05'
    """
    unbroken = title.replace(" ", "\xa0").replace(",\xa0", ", ")
    return textwrap.fill(unbroken, width).replace("\xa0", " ")
