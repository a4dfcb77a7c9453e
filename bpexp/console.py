"""Printing that cannot end the work: a stream that is gone is silenced.

`| head`, `> /dev/full`, a closed standard output and a terminal that was closed make a write fail.
What was to be printed is lost then, and all else goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TextIO


def say(*lines: str) -> None:
    """Print lines on standard output, at once."""
    _write(sys.stdout, lines)


def warn(*lines: str) -> None:
    """Print lines on standard error, at once."""
    _write(sys.stderr, lines)


def aligned(head: Sequence[str], body: Sequence[Sequence[str]], left: Collection[str]) -> list[str]:
    """Return the lines of a table, columns two spaces apart.

    Args:
        head: the columns' names.
        body: cells of each row.
        left: names of columns that begin at their left; the others end at their right.
    """
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if name in left else cell.rjust(width)
            for cell, width, name in zip(cells, widths, head, strict=True)
        )
        return "  ".join(padded).rstrip()

    return [line(head), *map(line, body)]


class ErrorStream:
    """Standard error as a stream for progress bars; a failing write silences it."""

    def write(self, text: str) -> None:
        """Write text."""
        _write(sys.stderr, [text], end="")

    def flush(self) -> None:
        """Do nothing: every write is flushed."""

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        with suppress(ValueError, AttributeError):
            return sys.stderr.isatty()
        return False

    def fileno(self) -> int:
        """Return the descriptor, from which the width of the terminal is found."""
        return sys.stderr.fileno()


def _write(stream: TextIO | None, lines: list[str] | tuple[str, ...], end: str = "\n") -> None:
    if stream is None:  # closed before the interpreter started
        return
    try:
        print(*lines, sep="\n", end=end, file=stream, flush=True)
    except (OSError, ValueError):
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Let the stream's descriptor lead nowhere, so that its last flush does not fail either."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
