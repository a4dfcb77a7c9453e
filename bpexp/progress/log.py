"""Progress in a log: a line at the start and every 30 seconds."""

from __future__ import annotations

from bpexp.console import warn
from bpexp.progress.state import State


class Log:
    """Prints lines on standard error."""

    interval = 30.0

    def __init__(self) -> None:
        """Begin without output; the first `draw` prints the label."""
        self._begun = False

    def draw(self, state: State) -> None:
        """Print the label in the first call, and the progress in later calls."""
        if not self._begun:
            self._begun = True
            warn(state.label)
            return
        left = f", about {state.left} left" if state.left else ""
        warn(f"{state.label}: {state.count}{left}")

    def close(self, state: State) -> None:
        """Print nothing."""

    def note(self, text: str) -> None:
        """Print a line."""
        warn(text)
