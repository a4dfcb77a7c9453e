"""The style of all figures: matplotlib's settings, and a colour and marker for each level."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.style
import pandas as pd
from matplotlib.colors import Colormap, LinearSegmentedColormap

from bpexp.figures.parts.factors import levels
from bpexp.figures.parts.look import Look
from bpexp.palette import appearance

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
PALE_BAND: dict[str, Any] = {"alpha": 0.1, "linewidth": 0}
BARS: dict[str, Any] = {"alpha": 0.5, "linewidth": 1.5, "zorder": 1.9}
SEED_DOTS: dict[str, Any] = {"s": 9, "alpha": 0.5, "linewidths": 0, "zorder": 2.2}
SEED_LINES: dict[str, Any] = {"alpha": 0.45, "linewidths": 0.6, "zorder": 1.8}
THEORY: dict[str, Any] = {"linewidth": 0.8, "linestyle": "--", "zorder": 2.5}
# The strokes fall to the right, so that they cross lines of gradients that vanish towards the
# input.
SIMULATED: dict[str, Any] = {
    "facecolor": "none", "hatch": "\\\\\\\\", "alpha": 0.35, "linewidth": 0, "zorder": 1.5
}  # fmt: skip
NEUTRAL = "0.35"  # colour of legend entries for lines of all colours
GUESS: dict[str, Any] = {"color": NEUTRAL, "linestyle": ":", "linewidth": 1.2}
ZERO_LINE: dict[str, Any] = {"color": NEUTRAL, "linewidth": 0.6, "zorder": 1}

# From light to dark; close to seaborn's "crest".
SHADES = LinearSegmentedColormap.from_list(
    "shades",
    ["#a5cd90", "#76b791", "#509e90", "#33858d", "#1d6c8a", "#234f81", "#2c3172"],
)

RC: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), "0.15"),
    **dict.fromkeys(("xtick.color", "ytick.color"), "0.15"),
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "round",
    "xtick.major.size": 4,
    "ytick.major.size": 4,
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
    # DejaVu Sans ships with matplotlib, so figures are the same on every machine.
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType, which journals require
    "ps.fonttype": 42,
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


def colours(frame: pd.DataFrame, factor: str, look: Look) -> Palette:
    """Return the colour of each level, from the look's palette or else from `bpexp.palette`.

    Args:
        frame: a frame with the column `factor`.
        factor: the factor of the levels.
        look: the keywords of the figure.
    """
    own = {level: colour for level, (colour, _) in _appearances(frame, factor).items()}
    return chosen(own, look)


def markers(frame: pd.DataFrame, factor: str) -> dict[Hashable, str]:
    """Return the marker of each level."""
    return {level: marker for level, (_, marker) in _appearances(frame, factor).items()}


def _appearances(frame: pd.DataFrame, factor: str) -> dict[Hashable, tuple[str, str]]:
    """Return colour and marker of each level of a frame, by its place among all known levels."""
    column = frame[factor]
    known = column.cat.categories if hasattr(column, "cat") else sorted(column.dropna().unique())
    found = {level: appearance(factor, level, i) for i, level in enumerate(known)}
    return {level: found[level] for level in levels(frame, factor)}


def shades(values: Sequence[Any], look: Look) -> Palette:
    """Return a colour for each of some ordered values, from light to dark."""
    places = [(i + 1) / (len(values) + 1) for i in range(len(values))]
    return chosen(dict(zip(values, map(SHADES, places), strict=True)), look)


def chosen(own: Palette, look: Look) -> Palette:
    """Return the colours of the look's palette, or `own` for levels that it lacks."""
    palette = look.get("palette")
    if palette is None:
        return own
    if not isinstance(palette, Mapping):
        import seaborn as sns  # takes half a second

        palette = dict(zip(own, sns.color_palette(palette, len(own)), strict=False))
    return {level: palette.get(level, colour) for level, colour in own.items()}


def colour_map(look: Look, default: str = "viridis") -> Colormap:
    """Return the colour map of a map of numbers."""
    palette = look.get("palette", default)
    return palette if isinstance(palette, Colormap) else matplotlib.colormaps[str(palette)]
