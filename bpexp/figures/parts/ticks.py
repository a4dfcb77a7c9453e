"""Ticks of axes: at integers, at given values, or at round numbers of a log axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)
from numpy.typing import NDArray

from bpexp.figures.parts.numbers import number

APART = 0.2  # least distance of ticks at integers, in inches


def integer_ticks(axis: Axis, values: Sequence[int] = (), *, most: int = 6) -> None:
    """Set the ticks of an axis to integers: the values, or round numbers if they are too close.

    Args:
        axis: the axis.
        values: ascending values of the ticks.
        most: the largest number of intervals if ticks are not at `values`.
    """
    gaps = [after - before for before, after in pairwise(values)]
    room = _inches(axis) / APART
    if values and (not gaps or min(gaps) * min(16, room) >= values[-1] - values[0]):
        axis.set_major_locator(FixedLocator(values))
    else:
        steps, most = [1, 2, 5, 10], max(1, min(most, int(room)))
        axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1, steps=steps))


def _inches(axis: Axis) -> float:
    """Return the approximate length of an axis."""
    panel = axis.axes
    box = panel.get_window_extent()
    return (box.width if axis is panel.xaxis else box.height) / panel.get_figure(root=True).dpi  # type: ignore[union-attr]


def setting_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Set the ticks of an axis for values of a setting, on a log scale if they are geometric."""
    if all(value == int(value) for value in values):
        integer_ticks(axis, [int(value) for value in values])
    elif is_geometric(values):
        axis.axes.set_xscale("log")
        log_ticks(axis)
    else:
        axis.set_major_formatter(FuncFormatter(_text))


def at_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Set the ticks of an axis to values, labelled with plain numbers."""
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_text))
    axis.set_minor_formatter(NullFormatter())


def log_ticks(axis: Axis, floor: float = 0.0) -> None:
    """Label a log axis at round numbers: 0.01, 0.1, 1; or 10⁻⁶, 10⁻³.

    These are 1, 2 and 5 times powers of ten, or powers of ten only if the limits span more than two
    of them. The limits must be set before.

    Args:
        axis: the axis.
        floor: ticks below it are left out.
    """
    low, high = axis.get_view_interval()
    low = max(low, floor)
    wide = high > 100 * low
    axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    if not wide or high > 1e4 * low:
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_text))
    axis.set_minor_formatter(NullFormatter())
    if floor:
        for minor in (False, True):
            ticks = np.asarray(axis.get_ticklocs(minor=minor))
            axis.set_ticks(ticks[(ticks >= floor) & (ticks <= high)], minor=minor)
        axis.set_major_formatter(FuncFormatter(_text))
        axis.set_minor_formatter(NullFormatter())


def _text(value: float, _position: int | None) -> str:
    return number(value).replace("-", "\N{MINUS SIGN}", 1 if value < 0 else 0)


def is_geometric(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Return whether ascending values are spaced more evenly in their logarithms.

    >>> is_geometric([0.01, 0.1, 1.0]), is_geometric([1.0, 2.0, 3.0])
    (True, False)
    """
    if len(values) < 3 or values[0] <= 0:
        return False
    logs, steps = np.diff(np.log(values)), np.diff(values)
    return bool(logs.std() / logs.mean() < steps.std() / steps.mean())
