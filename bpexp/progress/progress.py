"""Progress: what the one who works reports, drawn on a screen now and then."""

from __future__ import annotations

import os
import sys
import time
from typing import Self

from bpexp.console import SafeStream, warn
from bpexp.progress.log import Log
from bpexp.progress.state import Result, Screen, State


class Progress:
    """Work that is shown from entering this context to leaving it.

    Drawing needs no thread: it happens where progress is reported.
    """

    def __init__(self, screen: Screen | None, label: str, total: int, unit: str) -> None:
        """Begin; see `begin`.

        Args:
            screen: where to draw; None: nowhere.
            label: what is done, e.g. "training 9 runs".
            total: how many units there are.
            unit: the name of one.
        """
        self._screen = screen
        self._state = State(label, total, unit)
        self._drawn = -float("inf")
        self._drawing = False
        self._notes: list[str] = []

    def __enter__(self) -> Self:
        """Show the label."""
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        """Show how far it came."""
        if self._screen is not None:
            self._screen.close(self._state)

    def advance(self, n: float = 1) -> None:
        """Count n more units; 0 lets the time go on."""
        self._state.done += n
        self._draw()

    def result(self, *cells: str, good: bool | None = None) -> None:
        """Show the result of a part of the work, such as a run that ended; see `Result`."""
        self._state.results.append(Result(cells, good))

    def note(self, text: str) -> None:
        """Show a line that stays. A signal handler may call this."""
        if self._screen is None:
            warn(text)
        elif self._drawing:  # the handler interrupted it, half a line may be written
            self._notes.append(text)
        else:
            self._screen.note(text)

    def _draw(self) -> None:
        now = time.monotonic()
        if self._screen is None or now - self._drawn < self._screen.interval:
            return
        self._drawn = now
        self._drawing = True
        try:
            self._screen.draw(self._state)
        finally:
            self._drawing = False
        while self._notes:
            self._screen.note(self._notes.pop(0))


def begin(label: str, total: int, unit: str, *, shown: bool = True) -> Progress:
    """Return progress on the screen that there is: a notebook, a terminal, or else a log.

    Args:
        label: what is done, e.g. "training 9 runs".
        total: how many units there are.
        unit: the name of one.
        shown: whether anything is shown but notes.
    """
    return Progress(_screen() if shown else None, label, total, unit)


def _screen() -> Screen:
    if _in_notebook():
        from bpexp.progress.notebook import Notebook

        return Notebook()
    stream = SafeStream(sys.stderr)
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from bpexp.progress.terminal import Terminal

        return Terminal(stream)
    return Log()


def _in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this."""
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None
