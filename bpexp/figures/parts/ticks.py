"""Ticks of axes: at whole numbers, at given values, or at round numbers of a log axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import NDArray


def integer_ticks(axis: Axis, values: Sequence[int] = (), *, most: int = 6) -> None:
    """Set an axis' ticks to whole numbers: these values, or round ones if these are too close.

    Args:
        axis: the axis.
        values: rising values to put ticks at.
        most: how many intervals at most, where ticks are not at `values`.
    """
    gaps = [after - before for before, after in pairwise(values)]
    if values and (not gaps or min(gaps) * 16 >= values[-1] - values[0]):
        axis.set_major_locator(FixedLocator(values))
    else:
        steps = [1, 2, 5, 10]
        axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1, steps=steps))


def setting_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Set an axis' ticks for the values of a setting; scale it to log if they are geometric."""
    if all(value == int(value) for value in values):
        integer_ticks(axis, [int(value) for value in values])
    elif is_geometric(values):
        axis.axes.set_xscale("log")
        plain_ticks(axis)


def plain_ticks(axis: Axis, values: Sequence[float] = ()) -> None:
    """Label an axis with plain numbers: at these values, or on a log axis at round numbers.

    These are 1, 2 and 5 times powers of ten, or powers of ten alone if the limits, which must be
    set before, span more than three of them.
    """
    if len(values):
        axis.set_major_locator(FixedLocator(values))
        axis.set_minor_locator(NullLocator())
    else:
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high <= 1000 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def is_geometric(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Return whether rising values are spaced more evenly in their logarithms.

    >>> is_geometric([0.01, 0.1, 1.0]), is_geometric([1.0, 2.0, 3.0])
    (True, False)
    """
    if len(values) < 3 or values[0] <= 0:
        return False
    logs, steps = np.diff(np.log(values)), np.diff(values)
    return bool(logs.std() / logs.mean() < steps.std() / steps.mean())
