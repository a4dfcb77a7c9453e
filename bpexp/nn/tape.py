"""A tape: NumPy calls on fixed buffers, recorded once and played in every step.

In a small network most of a step's time is Python's overhead: looking up names, entering functions,
converting numbers to arrays. This is the same in every step, so it is done once, when the calls are
recorded. Playing the tape makes only the calls, in order.

Functions that compute take a parameter `emit` and write each NumPy call as `emit(function,
*arguments)`. With `call_now` as `emit` the call is made at once; with a tape's `record` it is
recorded. Recorded code must not branch on values, which are not known when it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

Emit = Callable[..., object]
"""Takes a function and its arguments, and calls the function now or records the call."""


def call_now(function: Callable[..., object], *arguments: object) -> None:
    """Make a call at once."""
    function(*arguments)


def assign(emit: Emit, out: NDArray[Any], values: NDArray[Any]) -> None:
    """Write values into `out`, cast to its dtype and broadcast to its shape.

    The method `__setitem__` has less overhead than `np.copyto`.
    """
    emit(out.__setitem__, ..., values)


class Tape:
    """A list of calls with their arguments.

    >>> import numpy as np
    >>> x, tape = np.zeros(2), Tape()
    >>> tape.record(np.add, x, 1, x)
    >>> tape.play(), tape.play(), x.tolist()
    (None, None, [2.0, 2.0])
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []

    def record(self, function: Callable[..., object], *arguments: object) -> None:
        """Append a call."""
        self._calls.append(partial(function, *arguments))

    def __len__(self) -> int:
        """Return the number of calls."""
        return len(self._calls)

    def play(self) -> None:
        """Make all calls in the order in which they were recorded."""
        for call in self._calls:
            call()
