"""What a figure draws upwards: a column, its axis, and the mean over seeds that lines show."""

from __future__ import annotations

from dataclasses import dataclass

from bpexp.analysis.averages import UNBOUNDED, Interval, Mean


@dataclass(frozen=True)
class Quantity:
    """A column that lines show.

    Attributes:
        name: of the column.
        mean: which mean over seeds a line is.
        log: whether the axis is logarithmic; an exact zero is then no value.
        within: the least and the greatest value that there can be.
    """

    name: str
    mean: Mean = Mean.ARITHMETIC
    log: bool = False
    within: Interval = UNBOUNDED
