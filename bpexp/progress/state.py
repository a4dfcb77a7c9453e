"""How far work is, and what a screen shows of it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

LATEST = 6  # results that stay in sight


@dataclass(frozen=True)
class Result:
    """The result of a part of the work, such as a run that ended.

    Attributes:
        cells: what is shown, e.g. name, accuracy and verdict.
        good: whether it is as one wishes; None: neither.
    """

    cells: tuple[str, ...]
    good: bool | None = None


@dataclass
class State:
    """How far work is.

    Attributes:
        label: what is done, e.g. "training 9 runs".
        total: how many units there are.
        unit: the name of one.
        done: how many are done.
        results: the latest results.
        begun: when it began, by `time.monotonic`.
    """

    label: str
    total: int
    unit: str
    done: float = 0.0
    results: deque[Result] = field(default_factory=lambda: deque(maxlen=LATEST))
    begun: float = field(default_factory=lambda: time.monotonic())

    @property
    def share(self) -> float:
        """The share that is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 1.0

    @property
    def count(self) -> str:
        """How much is done, in words."""
        return f"{self.done:g} of {self.total} {self.unit}s"

    @property
    def taken(self) -> str:
        """The time since the beginning."""
        return clock(time.monotonic() - self.begun)

    @property
    def left(self) -> str:
        """The time to the end if all units take as long as those so far; empty if it is unknown."""
        if not 0 < self.share < 1:
            return ""
        return clock((time.monotonic() - self.begun) * (1 / self.share - 1))


class Screen(Protocol):
    """Where progress is shown.

    Attributes:
        interval: the least number of seconds between two drawings.
    """

    interval: float

    def draw(self, state: State) -> None:
        """Show how far the work is."""

    def close(self, state: State) -> None:
        """Show how far it came, and leave the place to what is printed next."""

    def note(self, text: str) -> None:
        """Show a line that stays."""


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds, or hours, minutes and seconds.

    >>> clock(75.4), clock(3600)
    ('1:15', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
