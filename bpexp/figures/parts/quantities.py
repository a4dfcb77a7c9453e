"""The ordinate of a figure: a column, its axis, and the mean over seeds that lines show."""

from __future__ import annotations

from dataclasses import dataclass

from bpexp.analysis.averages import UNBOUNDED, Interval, Mean


@dataclass(frozen=True)
class Quantity:
    """A column that lines show.

    Attributes:
        name: the column.
        mean: the mean over seeds that a line shows.
        log: whether the axis is logarithmic; exact zeros are then drawn apart.
        within: the least and the greatest possible value.
    """

    name: str
    mean: Mean = Mean.ARITHMETIC
    log: bool = False
    within: Interval = UNBOUNDED
