"""Panels: a grid of bounded size with a title and rows for each panel."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec, SubplotSpec

from bpexp.figures.parts.arrangement import LEAST, Arrangement, arrange
from bpexp.figures.parts.drawing import Drawing
from bpexp.figures.parts.factors import panel_title, parts
from bpexp.figures.parts.look import Look, place_of_legend

Key = tuple[str, ...]
Shared = Literal[True, False, "row", "col"]
Parts = list[tuple[Key, pd.DataFrame]]

FORMULA = re.compile(r"\$[^$]*\$")
MOST_PANELS = 48
MANY = 8  # if there are more panels, those with zeros only are left out
LEGEND = 1.25  # inches beside the panels
MARGIN = 0.75, 0.75  # inches for the labels of the axes, and for the title as well


@dataclass(frozen=True)
class Panels:
    """A figure and its panels.

    Attributes:
        figure: the figure.
        stacks: the axes of each panel, from top to bottom; more than one if panels are stacked. The
            label of the axes (`Axes.get_label`) is the panel's full title.
        rows: the rows of each panel.
        note: a note on panels that were left out, or an empty string.
        look: the keywords of the figure.
        spare: free places of the grid.
    """

    figure: Drawing
    stacks: list[tuple[Axes, ...]]
    rows: list[pd.DataFrame]
    note: str
    look: Look
    spare: Sequence[SubplotSpec] = ()

    @property
    def axes(self) -> list[Axes]:
        """The axes of each panel; of stacked axes the top one."""
        return [stack[0] for stack in self.stacks]

    def hide_inner_axes(self) -> None:
        """Hide x and y axes that have no labels, with their ticks and grid lines."""
        for axes in (one for stack in self.stacks for one in stack):
            for axis, side in ((axes.xaxis, "labelbottom"), (axes.yaxis, "labelleft")):
                axis.set_visible(axis.get_tick_params()[side])

    @property
    def parts(self) -> list[tuple[Axes, pd.DataFrame]]:
        """The axes of each panel with its rows."""
        return [*zip(self.axes, self.rows, strict=True)]

    def label(self, title: str, *, x: str | None = None, y: str | None = None) -> None:
        """Set the title, with the note below it, and one label for each axis.

        A single panel has the labels; otherwise they are `supxlabel` and `supylabel`.
        """
        width, height = self.figure.get_size_inches()
        across, up = fold_words(x or "", width - 1), fold_words(y or "", height - 1)
        if len(self.stacks) == 1:
            (stack,) = self.stacks
            stack[-1].set_xlabel(across)
            if up:
                stack[0].set_ylabel(up)
        else:
            if across:
                self.figure.supxlabel(across)
            if up:
                self.figure.supylabel(up)
        wanted = self.look.get("title", True)
        text = title if wanted is True else wanted or ""
        folded = [fold_words(line, width - 0.2, 11) for line in (text, self.note) if line]
        if folded:
            self.figure.suptitle("\n".join(folded))


def make_panels(
    rows: pd.DataFrame,
    factors: Sequence[str],
    look: Look,
    *,
    size: tuple[float, float],
    alone: tuple[float, float] | None = None,
    columns: int = 3,
    most: int = MOST_PANELS,
    shows: Callable[[pd.DataFrame], bool] | None = None,
    stack: int = 1,
    sharex: Shared = True,
    sharey: Shared = True,
    legend: bool = True,
    least: float = LEAST,
) -> Panels:
    """Divide rows into panels by factors, and title each panel with the values of its factors.

    Two or more crossed factors are the columns and rows of the grid, which have titles at its
    edges; panels of one factor are in reading order. Panels are smaller than `size` if the figure
    would otherwise exceed its width, 12 inches of width or 17 inches of height. If there are more
    panels than `most`, only the first are drawn.

    Args:
        rows: the rows to draw.
        factors: columns of `rows`; without any there is one panel.
        look: the keywords of the figure.
        size: width and height of a panel, in inches.
        alone: width and height of the panel if there is only one.
        columns: the largest number of panels in a row, if they are in reading order.
        most: the largest number of panels.
        shows: returns whether rows contain anything but zeros. If there are more than eight panels,
            those with zeros only are left out.
        stack: the number of axes of a panel, one above the other, which share x.
        sharex: the panels with the same limits of x: all, those of a row or column, or none.
        sharey: the same for y.
        legend: whether the figure has a legend.
        least: the least scale of panels with which factors are rows and columns of the grid.
    """
    divided = [
        (tuple(map(panel_title, factors, values)), part) for values, part in parts(rows, factors)
    ]
    kept, note = fit(divided, most, shows)
    extent = alone if alone and len(kept) == 1 else size
    beside = LEGEND if legend and place_of_legend(look) == "right" else 0.0
    margin = MARGIN[0] + beside, MARGIN[1]
    plan = arrange([key for key, _ in kept], extent, columns, look.get("width"), margin, least)
    figure = Drawing(figsize=plan.size, layout="constrained")
    grid = figure.add_gridspec(plan.rows * stack, plan.columns)
    stacks = _subplots(figure, grid, plan, stack, sharex, sharey)
    for axes, (key, _) in zip(stacks, kept, strict=True):
        for one in axes:
            one.set_label(", ".join(key))
    _set_titles(plan, [axes[0] for axes in stacks])
    places = {(row, column) for row in range(plan.rows) for column in range(plan.columns)}
    spare = [
        grid[row * stack : (row + 1) * stack, column]
        for row, column in sorted(places - {*plan.places})
    ]
    return Panels(figure, stacks, [part for _, part in kept], note, look, spare)


def _subplots(
    figure: Drawing,
    grid: GridSpec,
    plan: Arrangement,
    stack: int,
    sharex: Shared,
    sharey: Shared,
) -> list[tuple[Axes, ...]]:
    """Add the axes of each panel; only those at the edges of the grid label shared axes."""
    taken, first = {*plan.places}, dict[Any, Axes]()
    found = []
    for row, column in plan.places:
        places = {True: None, "row": row, "col": column, False: (row, column)}
        stacked = []
        for level in range(stack):
            keys = ("x", places[sharex]), ("y", level, places[sharey])
            shared = {f"share{key[0]}": first.get(key) for key in keys}
            axes = figure.add_subplot(grid[row * stack + level, column], **shared)
            for key in keys:
                first.setdefault(key, axes)
            lowest = level == stack - 1 and not (sharex and (row + 1, column) in taken)
            leftmost = not (sharey in (True, "row") and (row, column - 1) in taken)
            axes.tick_params(which="both", labelbottom=lowest, labelleft=leftmost)
            for spine in axes.spines.values():
                spine.set_in_layout(False)  # the layout need not measure it, which takes long
            stacked.append(axes)
        found.append(tuple(stacked))
    return found


def _set_titles(plan: Arrangement, axes: Sequence[Axes]) -> None:
    """Set the titles of columns at the top and of rows at the right, or else of each panel."""
    width = int(12 * plan.panel[0])
    small = 8 if plan.panel[0] < 2 else None
    if not plan.crossed:
        for panel, title in zip(axes, plan.titles, strict=True):
            panel.set_title(fold(title, width), fontsize=small)
        return
    for column, title in enumerate(plan.heads):
        at = [i for i, place in enumerate(plan.places) if place[1] == column]
        top = min(at, key=lambda i: plan.places[i][0])
        axes[top].set_title(fold(title, width), fontsize=small)
    for row, title in enumerate(plan.sides):
        at = [i for i, place in enumerate(plan.places) if place[0] == row]
        last = max(at, key=lambda i: plan.places[i][1])
        turned: dict[str, Any] = {"rotation": 270, "ha": "left", "va": "center"}
        turned["fontsize"] = small or axes[last].title.get_fontsize()
        text = fold(title, int(12 * plan.panel[1]))
        axes[last].text(1.03, 0.5, text, transform=axes[last].transAxes, **turned)


def fit(
    divided: Parts, most: int, shows: Callable[[pd.DataFrame], bool] | None = None
) -> tuple[Parts, str]:
    """Return the parts to draw as panels, and a note on the others; arguments as `make_panels`."""
    notes = []
    kept = divided
    if shows and len(divided) > MANY:
        kept = [part for part in divided if shows(part[1])] or divided
        if len(kept) < len(divided):
            notes.append(f"left out: {len(divided) - len(kept)} of {len(divided)} panels, all 0")
    if len(kept) > most:
        notes.append(f"the first {most} of {len(kept)} panels")
    return kept[:most], "; ".join(notes)


def fold(title: str, width: int) -> str:
    r"""Break a title into lines at commas only, so that a key and its value are in one line.

    >>> fold("depth 0, binary_cross_entropy, lr 0.05", 32)
    'depth 0, binary_cross_entropy,\nlr 0.05'
    """
    unbroken = title.replace(" ", "\xa0").replace(",\xa0", ", ")
    return textwrap.fill(unbroken, max(width, 1), break_long_words=False).replace("\xa0", " ")


def fold_words(text: str, inches: float, points: float = 9.5) -> str:
    r"""Break lines of text at spaces so that they fit into a length; formulas are not broken.

    >>> fold_words("gradient norm of layer 1", 1.0)
    'gradient norm\nof layer 1'
    """
    most = max(inches * 72 / (0.56 * points), 8)
    folded = []
    for line in text.split("\n"):
        words = [word.replace("\xa0", " ") for word in FORMULA.sub(_unbroken, line).split(" ")]
        kept = words[0]
        for word in words[1:]:
            longer = f"{kept} {word}"
            if _letters(longer.rpartition("\n")[2]) <= most:
                kept = longer
            else:
                kept = f"{kept}\n{word}"
        folded.append(kept)
    return "\n".join(folded)


def _unbroken(formula: re.Match[str]) -> str:
    return formula[0].replace(" ", "\xa0")


def _letters(text: str) -> int:
    """Return the approximate width of a text in letters; a command of a formula is one letter."""
    return len(re.sub(r"[{}^_$]", "", re.sub(r"\\[a-zA-Z]+", "x", text)))
