"""What all figures share: colours, axes, panels, and the averaging over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter
from scipy.stats import t as student

# One colour an activation in every figure; a marker as second cue for those who see few colours.
COLOURS = {
    "identity": "#7f7f7f",
    "sigmoid": "#d55e00",
    "tanh": "#cc79a7",
    "softsign": "#8c564b",
    "softplus": "#b8860b",
    "relu": "#0072b2",
    "leaky": "#009e73",
    "elu": "#56b4e9",
    "selu": "#6a3d9a",
    "silu": "#1b9e9e",
    "gelu": "#e69f00",
}
MARKERS = dict(zip(COLOURS, "osD^vPXp*hd", strict=True))
# Near relatives often coincide (leaky on relu): dashed lines let the one below be seen.
DASHED = {"leaky", "softsign", "selu", "gelu", "identity"}
VERDICT_COLOURS = {
    "healthy": "#a6dba0",
    "vanishing": "#fdb863",
    "exploding": "#f4a582",
    "saturated": "#b2abd2",
    "dead": "#bdbdbd",
    "diverged": "#d6604d",
}
PANEL = (3.4, 2.9)  # inches
COLUMNS = 8  # panels in a row, at most


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the project's style, and leave the user's as it was."""
    with (
        sns.axes_style("ticks", {"axes.grid": True, "grid.color": "0.92", "axes.axisbelow": True}),
        sns.plotting_context("paper", rc={"axes.titlesize": 10, "axes.labelsize": 9.5}),
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bpexp", "legend.frameon": False}),
    ):
        yield


def panels(n: int, *, columns: int = COLUMNS, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of n panels with shared axes, in rows as even as can be."""
    rows = -(-n // columns)
    across = -(-n // rows)
    size = (PANEL[0] * max(across, 1.2) + 1.2, PANEL[1] * rows + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    kwargs = {"sharex": True, "sharey": True, **kwargs}
    grid = figure.subplots(rows, across, squeeze=False, **kwargs)
    axes = list(grid.ravel())
    for spare in axes[n:]:
        spare.remove()
    for above in axes[max(n - across, 0) : n]:
        above.tick_params(labelbottom=True)
    return figure, axes[:n]


def averaged(
    frame: pd.DataFrame, by: Sequence[str], value: str, *, log: bool = False
) -> pd.DataFrame:
    """Average a column over seeds: mean and 95 % interval (Student's t), of logarithms if `log`.

    Args:
        frame: rows to average; it is not changed.
        by: the columns that tell the points apart.
        value: the column to average; what is not finite (or, if `log`, not positive) is left out.
        log: average logarithms, giving the geometric mean and its interval.

    Returns:
        Columns `by`, mean, low, high and n, sorted by `by`.
    """
    rows = frame[[*by, value]].copy()
    rows[value] = rows[value].where(np.isfinite(rows[value]))
    if log:
        rows[value] = np.log(rows[value].where(rows[value] > 0))
    grouped = rows.dropna(subset=[value]).groupby(list(by), observed=True)[value]
    points = grouped.agg(["mean", "std", "count"]).reset_index()
    spread = student.ppf(0.975, (points["count"] - 1).clip(lower=1))
    half = (spread * points["std"] / np.sqrt(points["count"])).fillna(0.0)
    points["low"], points["high"] = points["mean"] - half, points["mean"] + half
    if log:
        points[["mean", "low", "high"]] = np.exp(points[["mean", "low", "high"]])
    return points.drop(columns="std").rename(columns={"count": "n"})


def draw_line(axes: Axes, points: pd.DataFrame, x: str, **style: Any) -> None:
    """Draw averaged points as a line, with its interval as a band where there are several seeds."""
    axes.plot(points[x], points["mean"], **style)
    if (points["n"] > 1).any():
        axes.fill_between(
            points[x].to_numpy(float),
            points["low"],
            points["high"],
            color=style.get("color"),
            alpha=0.18,
            linewidth=0,
        )


def look(activation: str) -> dict[str, Any]:
    """Return the colour, marker and dashes that an activation has in every figure."""
    return {
        "color": COLOURS[activation],
        "marker": MARKERS[activation],
        "linestyle": (0, (4, 1.5)) if activation in DASHED else "-",
    }


def mark_zeros(axes: Axes, x: Sequence[float], colour: Any) -> None:
    """Mark exact zeros, which a log axis cannot hold, by crosses on its lower edge."""
    if len(x):
        axes.plot(
            x,
            np.zeros(len(x)),
            "x",
            color=colour,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            label="_zeros",
        )


def whole(axis: Any, values: Sequence[int] | None = None) -> None:
    """Put ticks of an axis at whole numbers only, or at these values."""
    axis.set_major_locator(
        FixedLocator(values) if values is not None else MaxNLocator(6, integer=True, min_n_ticks=1)
    )
    axis.set_minor_formatter(NullFormatter())


def shades(values: Sequence[Any], palette: str = "flare") -> dict[Any, Any]:
    """Return a sequential colour for each value, light to dark."""
    return dict(zip(values, sns.color_palette(palette, len(values)), strict=True))


def legend(figure: Figure, axes: Sequence[Axes], title: str) -> None:
    """Put one legend for all panels at the right, outside of the data."""
    entries: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            if not label.startswith("_"):
                entries.setdefault(label, handle)
    if entries:
        figure.legend(
            list(entries.values()), list(entries), title=title, loc="outside right center"
        )
