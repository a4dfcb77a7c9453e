"""Lines through tidy rows: means over seeds with their intervals, theory, and exact zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy.special import stdtrit  # type: ignore[import-untyped]

from bpexp.figures.parts import legends, style
from bpexp.figures.parts.factors import levels


def draw_lines(
    parts: Sequence[tuple[Axes, pd.DataFrame]],
    x: str,
    y: str,
    hue: str,
    palette: style.Palette,
    *,
    markers: Mapping[Any, str] | None = None,
    log: bool = False,
    least: float = 100.0,
    **kwargs: Any,
) -> None:
    """Draw y against x, a line for each level of hue, in panels that share their axes.

    Where several rows have the same x and hue, such as one for each seed, a point is their mean and
    the band its 95 % Student t interval, from three rows on. On a linear axis the mean is
    arithmetic; on a log axis it is geometric and the interval is that of the mean logarithm. A
    point of one row is the value of one network.

    Values that are not finite are left out of both. So are exact zeros on a log axis; they are
    crosses in a grey strip at the lower edge, a row of crosses for each line. Rows whose `source`
    is "theory" are thin dashed lines in the same colours. Where they have columns y_lower and
    y_upper, quantiles over simulated draws, the area between these is hatched.

    Args:
        parts: each panel with its rows: columns x, y, hue, and if known seed, source, y_lower and
            y_upper.
        x: column of the abscissa.
        y: column of the ordinate.
        hue: column whose levels are lines.
        palette: the colour of each level.
        markers: the marker of each level; circles if None.
        log: draw y on a log axis.
        least: ratio of the limits of a log axis at least, so that noise about a constant does not
            fill the panel.
        kwargs: style of the measured lines, as `Line2D` takes it.
    """
    for panel, rows in parts:
        panel.set_yscale("log" if log else "linear")
        _draw(panel, rows, x, y, hue, palette, markers, kwargs)
    if log:
        zeros = [(panel, rows[rows[y] == 0]) for panel, rows in parts]
        n = max((rows[hue].nunique() for _, rows in zeros), default=0)
        _make_room(parts[0][0], n * _height(n), least)
        for panel, rows in zeros:
            _mark_zeros(panel, rows, x, hue, palette, n)


def _draw(
    panel: Axes,
    rows: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    palette: style.Palette,
    markers: Mapping[Any, str] | None,
    kwargs: dict[str, Any],
) -> None:
    drawable = rows[np.isfinite(rows[y]) & ((rows[y] > 0) | (panel.get_yscale() == "linear"))]
    theory = drawable.get("source", pd.Series("measured", drawable.index)) == "theory"
    order = levels(rows, hue)
    panel.set(xlabel=" ", ylabel=" ")  # seaborn draws a panel without labels once to lay it out
    common: dict[str, Any] = {"x": x, "y": y, "hue": hue, "hue_order": order, "ax": panel}
    common |= {"palette": dict(palette), "legend": False}
    shapes: dict[str, Any] = {"marker": "o"}
    if markers is not None:
        shapes = {"style": hue, "style_order": order, "markers": dict(markers), "dashes": False}
    if not drawable[~theory].empty:
        band = interval if has_interval(rows) else None
        look = {**common, **shapes, **style.MEASURED, **kwargs}
        before = len(panel.lines)
        sns.lineplot(drawable[~theory], errorbar=band, **look)
        if markers is not None:
            _taper(panel.lines[before:])
    if not drawable[theory].empty:
        if has_simulated(rows, y):
            _fill(panel, drawable[theory], x, y, hue, palette)
        before = len(panel.lines)
        sns.lineplot(drawable[theory], errorbar=None, **common, **style.THEORY)
        for line in panel.lines[before:]:
            if np.size(line.get_xdata()) == 1:  # a line through one point is invisible
                line.set(marker="_", markersize=12, markeredgecolor=line.get_color())
    panel.set(xlabel="", ylabel="")


def _fill(
    panel: Axes, theory: pd.DataFrame, x: str, y: str, hue: str, palette: style.Palette
) -> None:
    """Shade between the columns y_lower and y_upper of theory's rows, which all seeds share."""
    ends = [f"{y}_lower", f"{y}_upper"]
    for level, rows in theory.dropna(subset=ends).groupby(hue, observed=True):
        limits = rows.groupby(x, observed=True)[ends].first()
        look = {**style.SIMULATED, "edgecolor": palette[level]}
        panel.fill_between(limits.index, limits[ends[0]], limits[ends[1]], **look)


def _taper(lines: Sequence[Line2D]) -> None:
    """Make earlier lines thicker, so that a line below another one shows at both of its sides."""
    for position, line in enumerate(reversed(lines)):
        extra = position / max(len(lines) - 1, 1)
        line.set_linewidth(line.get_linewidth() + extra)
        line.set_markersize(line.get_markersize() * (1 + 0.3 * extra))


def interval(values: pd.Series[float]) -> tuple[float, float]:
    """Return the 95 % Student t interval of the arithmetic mean of independent values.

    A bootstrap over three seeds would be far too narrow. Two values have no interval (NaN): it
    would be 13 times as wide as their distance and fill the panel.

    >>> low, high = interval(pd.Series([1.0, 2.0, 3.0]))
    >>> f"{low:.3f} {high:.3f}"
    '-0.484 4.484'
    """
    if len(values) < 3:
        return float("nan"), float("nan")
    half = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def has_interval(rows: pd.DataFrame) -> bool:
    """Return whether there are at least three seeds, so that means over seeds have intervals."""
    return "seed" in rows and rows["seed"].nunique() >= 3


def has_simulated(rows: pd.DataFrame, y: str) -> bool:
    """Return whether rows of theory say between what simulated draws of y lie."""
    return f"{y}_lower" in rows and bool(rows[f"{y}_lower"].notna().any())


def line_notes(rows: pd.DataFrame, y: str, *, log: bool = False) -> list[Artist]:
    """Return the legend's notes on what `draw_lines` draws from these rows."""
    found: list[Artist] = []
    if has_interval(rows):
        found.append(legends.note_interval())
    if "source" in rows and (rows["source"] == "theory").any():
        found.append(legends.note_theory())
        if has_simulated(rows, y):
            found.append(legends.note_simulated())
    if log and (rows[y] == 0).any():
        found.append(legends.note_zeros())
    return found


def _height(n: int) -> float:
    """Return the height of each of n rows of crosses, as a share of the panel's height."""
    return min(0.035, 0.4 / max(n, 1))


def _make_room(panel: Axes, strip: float, least: float) -> None:
    """Widen the limits of a log axis to a ratio of `least`, and add a strip below the data."""
    low, high = np.log10(panel.get_ylim())
    lacking = max(np.log10(least) - (high - low), 0.0)
    low, high = low - lacking / 2, high + lacking / 2
    floor = low
    low -= (high - low) * strip / (1 - strip)
    limits = 10.0 ** max(low, -307.0), 10.0**high
    panel.set_ylim(limits)
    if strip:  # no ticks beside the strip: its crosses are not on the scale
        for minor in (False, True):
            ticks = panel.get_yticks(minor=minor)
            panel.set_yticks(ticks[(ticks >= 10.0**floor) & (ticks <= limits[1])], minor=minor)


def _mark_zeros(
    panel: Axes, zeros: pd.DataFrame, x: str, hue: str, palette: style.Palette, n: int
) -> None:
    """Draw crosses in n rows at the lower edge, on a grey strip that separates them from data."""
    if zeros.empty:
        return
    height = _height(n)
    panel.add_patch(
        Rectangle((0, 0), 1, n * height, transform=panel.transAxes, color="0.92", zorder=0)
    )
    for row, level in enumerate(levels(zeros, hue)):
        positions = levels(zeros[zeros[hue] == level], x)
        panel.plot(
            positions,
            np.full(len(positions), (row + 0.5) * height),
            "x",
            color=palette[level],
            markersize=3.5,
            transform=panel.get_xaxis_transform(),
        )
