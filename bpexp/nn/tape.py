"""A tape: NumPy calls on fixed buffers, recorded once and played every step.

For small networks the step's cost is Python's: looking up names, entering functions, turning
numbers into arrays. All of that is the same in every step, so it is done once, when the calls are
recorded; what is left to do is to make them, one after another.

What computes is written against a parameter `do`, called as `do(function, *arguments)`: given
`now` it computes at once, given a tape's `record` it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

Emit = Callable[..., object]


def call_now(function: Callable[..., object], *arguments: object) -> None:
    """Make a call at once."""
    function(*arguments)


def assign(emit: Emit, out: NDArray[Any], values: NDArray[Any]) -> None:
    """Write values into `out`, cast (whatever is lost) and broadcast: `np.copyto` at less cost."""
    emit(out.__setitem__, ..., values)


class Tape:
    """Calls with their arguments, in order.

    >>> import numpy as np
    >>> x, tape = np.zeros(2), Tape()
    >>> tape.record(np.add, x, 1, x)
    >>> tape.play(), tape.play(), x.tolist()
    (None, None, [2.0, 2.0])
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[], object]] = []

    def record(self, function: Callable[..., object], *arguments: object) -> None:
        """Put a call at the end."""
        self._calls.append(partial(function, *arguments))

    def __len__(self) -> int:
        """Return the number of calls."""
        return len(self._calls)

    def play(self) -> None:
        """Make all calls."""
        for call in self._calls:
            call()
