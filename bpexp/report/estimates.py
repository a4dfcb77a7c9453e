"""Means over seeds with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from bpexp.analysis.averages import UNBOUNDED, UNDEFINED, Interval, average, interval


@dataclass(frozen=True)
class Estimate:
    """An arithmetic mean of n draws and its 95 % interval.

    Attributes:
        mean: the mean; NaN if a draw has no value.
        low, high: the ends of the interval; NaN for fewer than three draws.
        n: the number of draws.
    """

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float], within: Interval = UNBOUNDED) -> Self:
        """Return the mean of values with its interval.

        Args:
            values: one for each draw.
            within: the least and the greatest possible value; see
                `bpexp.analysis.averages.interval`.
        """
        found = np.array([*values], float)
        is_whole = found.size > 0 and bool(np.isfinite(found).all())
        low, high = interval(found, within=within) if is_whole else UNDEFINED
        return cls(average(found) if is_whole else math.nan, low, high, len(found))

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low)
