"""Cells of maps: panels of coloured cells with words in them, and the edges of unlabelled cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from bpexp.figures.parts.factors import levels, panel_factors
from bpexp.figures.parts.legends import legend, note_colour
from bpexp.figures.parts.panels import Panels, make_panels

WIDEST = 14.0  # inches of the panels side by side, and of those above each other


def draw_word_map(
    rows: pd.DataFrame,
    down: str,
    across: str,
    cell: Callable[[pd.DataFrame], tuple[str, str]],
    colours: Mapping[str, str],
    *,
    size: tuple[float, float],
    margin: tuple[float, float],
    least: float,
    fontsize: float,
) -> Panels:
    """Draw a map over two factors: a cell's colour and words say what its rows have in common.

    Other settings divide the rows into panels. Cells without rows are white. Where a panel of cells
    of `size` would be larger than 14 inches, cells are smaller and a legend replaces the words.

    Args:
        rows: columns run, `down`, `across`, and what `cell` reads.
        down: the factor along the ordinate.
        across: the factor along the abscissa.
        cell: from the rows of a cell to a key of `colours` and the cell's words.
        colours: a colour for each kind of cell.
        size: width and height of a cell, in inches.
        margin: what a panel has beside its cells: width, and height for its title.
        least: width of a panel at least.
        fontsize: of the words, in points.
    """
    n_down, n_across = len(levels(rows, down)), len(levels(rows, across))
    width = max(n_across * size[0] + margin[0], least)
    height = max(n_down, 1) * size[1] + margin[1]
    legible = max(width, height) <= WIDEST
    width, height = min(width, WIDEST), min(height, WIDEST)
    columns = max(1, int(WIDEST / width))
    panels = make_panels(
        rows,
        panel_factors(rows, [across, down]),
        size=(width, height),
        columns=columns,
        most=columns * max(1, int(WIDEST / height)),
    )
    for panel, part in panels.parts:
        if not part.empty:
            codes = pd.DataFrame(np.nan, levels(rows, down), levels(rows, across))
            words = pd.DataFrame("", codes.index, codes.columns)
            for key, own in part.groupby([down, across], observed=True):
                kind, words.loc[key] = cell(own)
                codes.loc[key] = list(colours).index(kind)
            draw_cells(panel, codes, words if legible else None, [*colours.values()], fontsize)
    if not legible:
        legend(panels.figure, "", {}, notes=[note_colour(c, kind) for kind, c in colours.items()])
    return panels


def draw_cells(
    panel: Axes,
    codes: pd.DataFrame,
    words: pd.DataFrame | None,
    colours: Sequence[str],
    fontsize: float,
) -> None:
    """Colour cells and write words in them.

    Args:
        panel: the axes.
        codes: indices into `colours`, float64; cells that are NaN stay white.
        words: the words of each cell; None leaves them out, and thins the ticks.
        colours: the colours.
        fontsize: of the words, in points.
    """
    columns, index = ([_number(name) for name in axis] for axis in (codes.columns, codes.index))
    sns.heatmap(
        codes,
        annot=words,
        fmt="",
        annot_kws={"fontsize": fontsize, "color": "black"},
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        cbar=False,
        linewidths=1 if words is not None else 0,
        xticklabels="auto" if words is None else columns,
        yticklabels="auto" if words is None else index,
        ax=panel,
    )
    panel.set(xlabel="", ylabel="")
    panel.tick_params(length=0, labelrotation=0)


def _number(name: object) -> object:
    return f"{name:g}" if isinstance(name, float) else name


def cell_edges(centres: NDArray[np.float64], *, geometric: bool = False) -> NDArray[np.float64]:
    """Return the edges of cells about rising centres: halfway between neighbours.

    Args:
        centres: shape (n,), n >= 1.
        geometric: halfway between the logarithms.

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
