"""Progress in a terminal: a bar with the time left, below it the latest results."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bpexp.console import SafeStream
from bpexp.progress.state import State

COLOUR = "cyan"  # of the bar
STYLES = {True: "green", False: "yellow", None: ""}  # of the last cell of a result that is good


class Terminal:
    """Draws in place, at the bottom of what was printed."""

    interval = 0.1

    def __init__(self, stream: SafeStream) -> None:
        """Draw on a stream that is a terminal."""
        self._live = Live(
            console=_Console(file=stream, highlight=False),  # type: ignore[arg-type]
            auto_refresh=False,  # which would be a thread; workers are forked without any
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def draw(self, state: State) -> None:
        """Draw the bar and the latest results."""
        if not self._live.is_started:
            self._live.start()
        self._live.update(_bar_and_results(state), refresh=True)

    def close(self, state: State) -> None:
        """Leave the bar with the time that it took."""
        self._live.update(_bar(state, state.taken), refresh=True)
        self._live.stop()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._live.console.print(text, markup=False, soft_wrap=True)


class _Console(Console):
    """A console whose cursor stays visible: a process that is killed could not bring it back."""

    def show_cursor(self, show: bool = True) -> bool:
        """Do nothing."""
        return False


def _bar_and_results(state: State) -> RenderableType:
    left = f"{state.left} left" if state.left else state.taken
    results = Table.grid(padding=(0, 2))
    for result in state.results:
        *others, last = (Text(cell, no_wrap=True, overflow="ellipsis") for cell in result.cells)
        last.stylize(STYLES[result.good])
        results.add_row("", *others, last)
    return Group(_bar(state, left), results) if state.results else _bar(state, left)


def _bar(state: State, time: str) -> RenderableType:
    line = Table.grid(expand=True, padding=(0, 2, 0, 0))
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    for _ in range(3):
        line.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(
        total=1.0, completed=state.share, complete_style="cyan", finished_style="cyan"
    )
    line.add_row(state.label, bar, f"{state.share:.0%}", state.count, time)
    return line
