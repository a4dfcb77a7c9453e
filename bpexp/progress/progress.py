"""Progress of work: reported by calls of `advance` and drawn at most once per interval."""

from __future__ import annotations

import os
import sys
import time
from typing import Self

from bpexp.console import SafeStream, warn
from bpexp.progress.log import Log
from bpexp.progress.state import Result, Screen, State


class Progress:
    """A context in which the progress of work is shown.

    Progress is drawn within the calls that report it, so no thread is needed.
    """

    def __init__(self, screen: Screen | None, label: str, total: int, unit: str) -> None:
        """Store the settings; no units are done yet.

        Args:
            screen: the screen to draw on; None for no drawing.
            label: a description of the work, such as "training 9 runs".
            total: the number of units.
            unit: the name of a unit.
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
        """Show the final progress."""
        if self._screen is not None:
            self._screen.close(self._state)

    def advance(self, n: float = 1) -> None:
        """Add n units; 0 updates the time only."""
        self._state.done += n
        self._draw()

    def result(self, *cells: str, good: bool | None = None) -> None:
        """Add the result of a part of the work, such as a run that ended; see `Result`."""
        self._state.results.append(Result(cells, good))

    def note(self, text: str) -> None:
        """Show a permanent line. A signal handler may call this."""
        if self._screen is None:
            warn(text)
        elif self._drawing:  # a signal handler interrupted `draw`, possibly within a line
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
    """Return progress that is shown in a notebook, a terminal, or else a log.

    Args:
        label: a description of the work, such as "training 9 runs".
        total: the number of units.
        unit: the name of a unit.
        shown: whether progress is shown; notes are always shown.
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
    """Return whether this process is a Jupyter kernel."""
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None
