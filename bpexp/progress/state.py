"""The state of work, and the protocol of screens that show it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

LATEST = 6  # number of results that are shown


@dataclass(frozen=True)
class Result:
    """The result of a part of the work, such as a run that ended.

    Attributes:
        cells: texts to show, such as name, accuracy and verdict.
        good: whether the result is good, which decides its colour; None for no colour.
    """

    cells: tuple[str, ...]
    good: bool | None = None


@dataclass
class State:
    """The state of work.

    Attributes:
        label: a description of the work, such as "training 9 runs".
        total: the number of units.
        unit: the name of a unit.
        done: the number of units that are done.
        results: the latest results.
        begun: the time of the beginning, from `time.monotonic`.
    """

    label: str
    total: int
    unit: str
    done: float = 0.0
    results: deque[Result] = field(default_factory=lambda: deque(maxlen=LATEST))
    begun: float = field(default_factory=lambda: time.monotonic())

    @property
    def share(self) -> float:
        """The share of units that are done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 1.0

    @property
    def count(self) -> str:
        """The number of units that are done, in words."""
        return f"{self.done:g} of {self.total} {self.unit}s"

    @property
    def taken(self) -> str:
        """The elapsed time, as text."""
        return clock(time.monotonic() - self.begun)

    @property
    def left(self) -> str:
        """The expected time left if all units take equally long; empty if it is not known."""
        if not 0 < self.share < 1:
            return ""
        return clock((time.monotonic() - self.begun) * (1 / self.share - 1))


class Screen(Protocol):
    """A place where progress is shown.

    Attributes:
        interval: the least number of seconds between two calls of `draw`.
    """

    interval: float

    def draw(self, state: State) -> None:
        """Show the progress."""

    def close(self, state: State) -> None:
        """Show the final progress; later output is printed below it."""

    def note(self, text: str) -> None:
        """Show a permanent line."""


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds, or hours, minutes and seconds.

    >>> clock(75.4), clock(3600)
    ('1:15', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
