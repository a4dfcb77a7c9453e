"""Progress in a terminal: a bar with the time left, and the latest results below it."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bpexp.console import SafeStream
from bpexp.progress.state import State

COLOUR = "cyan"  # colour of the bar
STYLES = {True: "green", False: "yellow", None: ""}  # style of a result's last cell, by `good`


class Terminal:
    """Draws in place, below the printed lines."""

    interval = 0.1

    def __init__(self, stream: SafeStream) -> None:
        """Store a stream that is a terminal."""
        self._live = Live(
            console=_Console(file=stream, highlight=False),  # type: ignore[arg-type]
            auto_refresh=False,  # it starts a thread, and workers are forked only without threads
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
        """Draw the bar with the total time, and stop."""
        self._live.update(_bar(state, state.taken), refresh=True)
        self._live.stop()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._live.console.print(text, markup=False, soft_wrap=True)


class _Console(Console):
    """A console that does not hide the cursor, because a killed process leaves it hidden."""

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
        total=1.0, completed=state.share, complete_style=COLOUR, finished_style=COLOUR
    )
    line.add_row(state.label, bar, f"{state.share:.0%}", state.count, time)
    return line
