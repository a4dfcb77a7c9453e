"""The style of all figures: matplotlib's settings, and a colour and marker for each level."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import matplotlib.style
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from bpexp.palette import appearance

P = ParamSpec("P")
Palette = Mapping[Any, Any]

MEASURED: dict[str, Any] = {
    "linewidth": 1.6,
    "linestyle": "-",
    "zorder": 2,
    "markersize": 6,
    "markeredgecolor": "w",
    "markeredgewidth": 0.75,
}
BAND: dict[str, Any] = {"alpha": 0.2, "linewidth": 0}
SEED_DOTS: dict[str, Any] = {"s": 9, "alpha": 0.5, "linewidths": 0, "zorder": 2.2}
SEED_LINES: dict[str, Any] = {"alpha": 0.45, "linewidths": 0.6, "zorder": 1.8}
THEORY: dict[str, Any] = {"linewidth": 0.8, "linestyle": "--", "zorder": 2.5}
# Strokes fall to the right: they cross the line of a gradient that vanishes towards the input.
SIMULATED: dict[str, Any] = {
    "facecolor": "none", "hatch": "\\\\\\\\", "alpha": 0.35, "linewidth": 0, "zorder": 1.5
}  # fmt: skip
NEUTRAL = "0.35"  # of legend entries that hold for lines of any colour
GUESS: dict[str, Any] = {"color": NEUTRAL, "linestyle": ":", "linewidth": 1.2}
ZERO_LINE: dict[str, Any] = {"color": NEUTRAL, "linewidth": 0.6, "zorder": 1}

RC: dict[Any, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
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
    # matplotlib ships DejaVu Sans, so that figures are the same on every machine
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "svg.fonttype": "none",
    "svg.hashsalt": "bpexp",
}


@contextmanager
def in_style() -> Iterator[None]:
    """Set the style of all figures within a `with` block, then restore the caller's settings.

    The style is RC on top of matplotlib's own defaults. The user's matplotlibrc has no effect.
    """
    with matplotlib.style.context(["default", RC]):
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function that draws a figure, so that it draws in the style of all figures."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with in_style():
            return draw(*args, **kwargs)

    return drawn


def colours(frame: pd.DataFrame, factor: str) -> dict[Hashable, str]:
    """Return the colour of each level: an activation's own, else one by the level's position."""
    return {level: colour for level, (colour, _) in _appearances(frame, factor).items()}


def markers(frame: pd.DataFrame, factor: str) -> dict[Hashable, str]:
    """Return the marker of each level, chosen as `colours` are."""
    return {level: marker for level, (_, marker) in _appearances(frame, factor).items()}


def _appearances(frame: pd.DataFrame, factor: str) -> dict[Hashable, tuple[str, str]]:
    column = frame[factor]
    known = column.cat.categories if hasattr(column, "cat") else sorted(column.dropna().unique())
    return {level: appearance(factor, level, i) for i, level in enumerate(known)}


def shades(values: Sequence[Any]) -> dict[Any, Any]:
    """Return a colour for each of some ordered values, from light to dark."""
    return dict(zip(values, sns.color_palette("crest", len(values)), strict=True))
