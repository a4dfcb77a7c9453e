"""Printing that cannot end the work and shows no secret.

`| head`, `> /dev/full`, a closed standard output and a terminal that was closed make a write fail.
What was to be printed is lost then, and all else goes on. Secrets of addresses are cut.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TextIO

from bpexp.secrets import without_secrets


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


class SafeStream:
    """A stream for what others print; a failing write silences it."""

    def __init__(self, stream: TextIO | None) -> None:
        """Wrap a stream, or None where the process has none."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text and return its length."""
        _write(self._stream, [text], end="")
        return len(text)

    def flush(self) -> None:
        """Do nothing: every write is flushed."""

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        with suppress(ValueError, AttributeError):
            return bool(self._stream and self._stream.isatty())
        return False

    @property
    def encoding(self) -> str:
        """The encoding of what is written: characters that it lacks must not be."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def fileno(self) -> int:
        """Return the descriptor, from which the width of the terminal is found."""
        if self._stream is None:
            raise OSError("no such stream")
        return self._stream.fileno()


def _write(stream: TextIO | None, lines: list[str] | tuple[str, ...], end: str = "\n") -> None:
    if stream is None:  # closed before the interpreter started
        return
    try:
        print(*map(without_secrets, lines), sep="\n", end=end, file=stream, flush=True)
    except (OSError, ValueError):
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Let the stream's descriptor lead nowhere, so that its last flush does not fail either."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
