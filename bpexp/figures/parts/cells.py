"""Cells of maps: panels of coloured cells with text in them, and the edges of cells of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray

from bpexp.figures.parts.factors import levels, panel_factors, shown, varies
from bpexp.figures.parts.legends import legend, note_colour
from bpexp.figures.parts.look import Look, place_of_legend
from bpexp.figures.parts.panels import LEGEND, MARGIN, Panels, make_panels
from bpexp.figures.parts.style import chosen

WIDEST, HIGHEST = 10.5, 14.0  # inches of the panels side by side, and above each other
BESIDE = 0.3, 0.35  # inches for the labels of a panel's ticks, and its title
HEIGHT = 0.62  # inches of a cell
NARROWEST, FLATTEST = 0.5, 0.85  # least share of a cell's own width and height that has text


@dataclass(frozen=True)
class Cell:
    """A cell of a map.

    Attributes:
        kinds: the number of its runs of each kind, the most frequent kind first.
        words: its text.
    """

    kinds: Mapping[str, int]
    words: str


def ordinate(rows: pd.DataFrame, across: str) -> str:
    """Return the factor along the ordinate of a map: depth, or another if depth does not vary."""
    others = panel_factors(rows, [across])
    return "depth" if varies(rows, "depth") or not others else others[0]


def draw_word_map(
    rows: pd.DataFrame,
    down: str,
    across: str,
    cell: Callable[[pd.DataFrame], Cell],
    colours: Mapping[str, str],
    look: Look,
    *,
    least: float,
    width: float = 1.15,
    fontsize: float = 7.0,
    explained: bool = False,
) -> Panels:
    """Draw a map over two factors: the colour and text of a cell summarise its rows.

    Other settings divide the rows into panels. If the runs of a cell are of several kinds, their
    shares divide its width. Cells without rows are white. If cells are too small for their text, a
    legend of the colours replaces it.

    Args:
        rows: columns run, `down`, `across`, and those that `cell` reads.
        down: the factor along the ordinate.
        across: the factor along the abscissa.
        cell: makes a cell from its rows; its kinds are keys of `colours`.
        colours: a colour for each kind of cell.
        look: the keywords of the figure.
        least: the least width of a panel, in inches, if the figure has no given width.
        width: width of a cell, in inches.
        fontsize: size of the text, in points.
        explained: whether a legend of the colours is always drawn.
    """
    size = width, HEIGHT
    n_down, n_across = max(len(levels(rows, down)), 1), max(len(levels(rows, across)), 1)
    room = look.get("width", WIDEST + MARGIN[0]) - MARGIN[0] - BESIDE[0]
    room -= LEGEND if explained and place_of_legend(look) == "right" else 0
    scale, flat = min(1.0, room / (n_across * size[0])), min(1.0, HIGHEST / (n_down * size[1]))
    legible = scale >= NARROWEST and flat >= FLATTEST
    wide = min(max(n_across * size[0] + BESIDE[0], least), WIDEST)
    high = min(n_down * size[1] + BESIDE[1], HIGHEST)
    columns = max(1, int(WIDEST / wide))
    panels = make_panels(
        rows,
        panel_factors(rows, [across, down]),
        look,
        size=(wide, high),
        columns=columns,
        most=columns * max(1, int(HIGHEST / high)),
        legend=explained or not legible,
        least=0.8,
    )
    colours = chosen(colours, look)
    found: dict[str, None] = {}
    for panel, part in panels.parts:
        keys = levels(rows, down), levels(rows, across)
        cells = {key: cell(own) for key, own in part.groupby([down, across], observed=True)}
        if scale < 0.9:
            cells = {key: replace(one, words=_narrow(one.words)) for key, one in cells.items()}
        draw_cells(panel, *keys, cells, colours, fontsize * max(scale, 0.8) if legible else 0)
        found |= {kind: None for one in cells.values() for kind in one.kinds}
    if explained or not legible:
        notes = [note_colour(colours[kind], kind) for kind in colours if kind in found]
        legend(panels, "", {}, notes=notes)
    return panels


def draw_cells(
    panel: Axes,
    down: Sequence[Any],
    across: Sequence[Any],
    cells: Mapping[Any, Cell],
    colours: Mapping[str, str],
    fontsize: float,
) -> None:
    """Draw coloured cells and their text.

    Args:
        panel: the axes.
        down: the levels along the ordinate, the first at the top.
        across: the levels along the abscissa.
        cells: the cells by their levels (down, across).
        colours: the colour of each kind.
        fontsize: size of the text, in points; 0 leaves out the text and some of the ticks.
    """
    gap = 0.02 if fontsize else 0.0
    for (row, column), one in cells.items():
        x, y = float(across.index(column)), float(down.index(row))
        n = sum(one.kinds.values())
        for kind, count in one.kinds.items():
            part = (1 - 2 * gap) * count / n
            corner = x + gap, y + gap
            panel.add_patch(
                Rectangle(corner, part, 1 - 2 * gap, color=colours[kind], linewidth=0, gid=kind)
            )
            x += part
        if fontsize:
            middle = across.index(column) + 0.5, down.index(row) + 0.5
            panel.text(*middle, one.words, ha="center", va="center", fontsize=fontsize)
    panel.set(xlim=(0, max(len(across), 1)), ylim=(max(len(down), 1), 0))
    panel.grid(False)
    panel.tick_params(length=0)
    for side in panel.spines.values():
        side.set_visible(False)
    for axis, values in ((panel.xaxis, across), (panel.yaxis, down)):
        every = 1 if fontsize else -(-len(values) // 10)
        places = [i + 0.5 for i in range(0, len(values), every)]
        axis.set_major_locator(FixedLocator(places))
        axis.set_major_formatter(FixedFormatter([shown(value) for value in values[::every]]))


def _narrow(words: str) -> str:
    return words.replace(" → ", " →\n")


def cell_edges(centres: NDArray[np.float64], *, geometric: bool = False) -> NDArray[np.float64]:
    """Return the edges of cells about rising centres: halfway between neighbours.

    Args:
        centres: shape (n,), n >= 1.
        geometric: whether edges are halfway between the logarithms.

    Returns:
        Shape (n + 1,). The outermost cells are symmetric about their centres. A single centre c has
        edges at c - h and c + h, where h = 0.1 + 0.1 |c|.

    >>> cell_edges(np.array([1.0, 2.0, 4.0])).tolist()
    [0.5, 1.5, 3.0, 5.0]
    """
    if len(centres) == 1:
        half = 0.1 + 0.1 * abs(centres[0])
        return np.array([centres[0] - half, centres[0] + half])
    places = np.log(centres) if geometric else centres
    inner = (places[1:] + places[:-1]) / 2
    edges: NDArray[np.float64] = np.concatenate(
        [[2 * places[0] - inner[0]], inner, [2 * places[-1] - inner[-1]]]
    )
    return np.exp(edges) if geometric else edges
