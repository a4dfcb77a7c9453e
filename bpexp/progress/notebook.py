"""Progress in a Jupyter notebook, in the output of a cell, without widgets."""

from __future__ import annotations

from html import escape
from typing import Any

from IPython.display import display

from bpexp.console import warn
from bpexp.progress.state import State


class Notebook:
    """Updates the output of the running cell."""

    interval = 0.25

    def __init__(self) -> None:
        """Begin without output; the first `draw` adds it to the cell."""
        self._place: Any = None

    def draw(self, state: State) -> None:
        """Draw the bar and the latest results."""
        left = f"{state.left} left" if state.left else state.taken
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in result.cells)}</tr>"
            for result in state.results
        )
        self._show(
            f"{state.label}: {state.count}, {left}",
            f"{_bar(state)} {escape(state.count)}, {left}<table>{rows}</table>",
        )

    def close(self, state: State) -> None:
        """Draw the bar without the results."""
        count = f"{state.label}: {state.count}"
        self._show(count, f"{_bar(state)} {escape(state.count)}")

    def note(self, text: str) -> None:
        """Print a line below the bar."""
        warn(text)

    def _show(self, plain: str, html: str) -> None:
        data = {"text/plain": plain, "text/html": html}
        if self._place is None:
            self._place = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._place.update(data, raw=True)


def _bar(state: State) -> str:
    label = escape(state.label)
    return f'{label} <progress value="{state.share:.3f}" aria-label="{label}"></progress>'
