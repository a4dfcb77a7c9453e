"""What all figures share: colours, markers, panels, ticks, legends."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

P = ParamSpec("P")
Palette = Mapping[Any, Any]

# One colour an activation in every figure. Chosen so that any two stay apart for normal sight and
# in simulated protanopia, deuteranopia and tritanopia (CIELAB distance at least 14; simulation of
# Machado, Oliveira and Fernandes 2009); the marker is a second cue.
ACTIVATIONS: dict[str, tuple[str, str]] = {
    "identity": ("#b0b0b0", "P"),
    "sigmoid": ("#d55e00", "o"),
    "tanh": ("#d55ca0", "s"),
    "softsign": ("#882255", "D"),
    "softplus": ("#7a5c1e", "X"),
    "relu": ("#0072b2", "^"),
    "leaky": ("#56b4e9", "v"),
    "elu": ("#009e73", "<"),
    "selu": ("#332288", ">"),
    "silu": ("#f0a400", "p"),
    "gelu": ("#000000", "h"),
}
VERDICTS: dict[str, str] = {
    "healthy": "#a6d8a8",
    "vanishing": "#9ecae1",
    "exploding": "#fdc27a",
    "saturated": "#cdb5de",
    "dead": "#c8c8c8",
    "diverged": "#f09a8c",
}
MEASURED: dict[str, Any] = {"linewidth": 1.6, "linestyle": "-", "zorder": 2}
THEORY: dict[str, Any] = {"linewidth": 0.8, "linestyle": "--", "zorder": 2.5}
NEUTRAL = "0.35"  # what the legend explains without regard to colour
GUESS: dict[str, Any] = {"color": NEUTRAL, "linestyle": ":", "linewidth": 1.2}

RC: Any = {
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8.5,
    "legend.frameon": False,
    "figure.titlesize": 11,
    "figure.labelsize": 9.5,
    # matplotlib ships this one: a figure looks the same on every machine
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "svg.fonttype": "none",
    "svg.hashsalt": "bpexp",
}


@contextmanager
def in_style() -> Iterator[None]:
    """Set the style of all figures, and restore the caller's."""
    with sns.axes_style("ticks"), sns.plotting_context("paper"), mpl.rc_context(RC):
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in the style of all figures."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with in_style():
            return draw(*args, **kwargs)

    return drawn


def colours(frame: pd.DataFrame, factor: str) -> dict[Hashable, str]:
    """Return each level's colour: an activation's own, else one by its place in the categories."""
    return {level: colour for level, (colour, _) in _looks(frame, factor).items()}


def markers(frame: pd.DataFrame, factor: str) -> dict[Hashable, str]:
    """Return each level's marker, chosen as `colours` are."""
    return {level: marker for level, (_, marker) in _looks(frame, factor).items()}


def _looks(frame: pd.DataFrame, factor: str) -> dict[Hashable, tuple[str, str]]:
    column = frame[factor]
    known = column.cat.categories if hasattr(column, "cat") else sorted(column.dropna().unique())
    cycle = list(ACTIVATIONS.values())
    by_place = {level: cycle[place % len(cycle)] for place, level in enumerate(known)}
    own = ACTIVATIONS if factor == "activation" else {}
    return {level: own.get(level, look) for level, look in by_place.items()}


def shades(values: Sequence[Any]) -> dict[Any, Any]:
    """Return a sequential colour for each of some ordered values, light to dark."""
    return dict(zip(values, sns.color_palette("crest", len(values)), strict=True))


def panels(
    n: int, *, columns: int, size: tuple[float, float], **share: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of n panels of a size (width, height in inches), in even rows."""
    rows = -(-n // columns)
    across = -(-n // rows)
    extent = (size[0] * across + 1.6, size[1] * rows + 0.7)  # legend, title and labels
    figure = Figure(figsize=extent, layout="constrained")
    axes = list(figure.subplots(rows, across, squeeze=False, **share).ravel())
    for spare in axes[n:]:
        spare.remove()
    for lowest in axes[max(n - across, 0) : n]:
        lowest.tick_params(labelbottom=True)
    return figure, axes[:n]


def folded(title: str, width: int) -> str:
    r"""Break a title of settings at commas only, so that a key stays with its value.

    >>> folded("depth 0, binary_cross_entropy, lr 0.05", 32)
    'depth 0, binary_cross_entropy,\nlr 0.05'
    """
    settled = title.replace(" ", "\xa0").replace(",\xa0", ", ")
    return textwrap.fill(settled, width).replace("\xa0", " ")


def whole(axis: Axis, values: Sequence[int] = (), *, most: int = 6) -> None:
    """Put an axis' ticks at whole numbers: at these values if they stand wide enough apart."""
    gaps = [after - before for before, after in pairwise(values)]
    if values and (not gaps or min(gaps) * 16 >= values[-1] - values[0]):
        axis.set_major_locator(FixedLocator(values))
    else:
        steps = [1, 2, 5, 10]
        axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1, steps=steps))


def ticks(axis: Axis, values: Sequence[float]) -> None:
    """Put an axis' ticks at whole numbers, or on a log scale if other values are spaced so."""
    if all(value == int(value) for value in values):
        whole(axis, [int(value) for value in values])
    elif is_geometric(values):
        axis.axes.set_xscale("log")
        plain(axis)


def is_geometric(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Tell whether rising values are spaced more evenly in their logarithms."""
    if len(values) < 3 or values[0] <= 0:
        return False
    logs, steps = np.diff(np.log(values)), np.diff(values)
    return bool(logs.std() / logs.mean() < steps.std() / steps.mean())


def thinned(values: Sequence[Any]) -> list[Any]:
    """Return the values that a legend names: all, or about six of many, both ends among them."""
    every = -(-len(values) // 6) if len(values) > 8 else 1
    return [*values[:-1:every], *values[-1:]]


def plain(axis: Axis, values: Sequence[float] = ()) -> None:
    """Label an axis with plain numbers: these, or on a short log axis 0.2, 0.5, 1 and the like."""
    axis.set_major_locator(FixedLocator(values) if len(values) else LogLocator(subs=(1, 2, 5)))
    if len(values):
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def draw_cells(
    panel: Axes, codes: pd.DataFrame, words: pd.DataFrame, colours: Sequence[str], fontsize: float
) -> None:
    """Colour and letter cells: codes are places in `colours`; cells without one stay white."""
    sns.heatmap(
        codes,
        annot=words,
        fmt="",
        annot_kws={"fontsize": fontsize, "color": "black"},
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        cbar=False,
        linewidths=1,
        xticklabels=[f"{name:g}" if isinstance(name, float) else name for name in codes.columns],
        yticklabels=[f"{name:g}" if isinstance(name, float) else name for name in codes.index],
        ax=panel,
    )
    panel.set(xlabel="", ylabel="")
    panel.tick_params(length=0, labelrotation=0)


def legend(
    figure: Figure,
    title: str,
    palette: Palette,
    shapes: Mapping[Any, str] | None = None,
    *,
    notes: Sequence[Artist] = (),
    **place: Any,
) -> None:
    """Explain colours and markers, then notes, outside of all panels: by default at the right."""
    entries: list[Artist] = [
        Line2D([], [], color=colour, marker=(shapes or {}).get(level, "o"), markersize=5)
        for level, colour in palette.items()
    ]
    for entry, level in zip(entries, palette, strict=True):
        entry.set_label(str(level))
    handles = [*entries, *notes]
    if handles:
        place = {"loc": "outside right center", **place}
        figure.legend(handles=handles, title=title, alignment="left", **place)


def note_theory() -> Artist:
    """Explain the lines that theory predicts."""
    return Line2D([], [], color=NEUTRAL, label="theory", **THEORY)


def note_zeros() -> Artist:
    """Explain the crosses at the lower edge."""
    return Line2D([], [], color=NEUTRAL, linestyle="", marker="x", markersize=5, label="exactly 0")


def note_guess() -> Artist:
    """Explain the dotted line."""
    return Line2D([], [], label="best constant\nguess", **GUESS)


def note_interval() -> Artist:
    """Explain the bands."""
    return Patch(facecolor=NEUTRAL, alpha=0.2, label="95 % interval\nover seeds")


def note_patch(colour: Any, label: str) -> Artist:
    """Explain a colour of cells."""
    return Patch(facecolor=colour, edgecolor="0.6", linewidth=0.5, label=label)
