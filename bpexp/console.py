"""Print text without secrets; failing writes are ignored.

A write fails after `| head`, to /dev/full, and when standard output or the terminal was closed. The
text is lost then, and the program continues.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TextIO

from bpexp.secrets import without_secrets


def say(*lines: str) -> None:
    """Print lines on standard output and flush it."""
    _write(sys.stdout, lines)


def warn(*lines: str) -> None:
    """Print lines on standard error and flush it."""
    _write(sys.stderr, lines)


def count_of(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural if needed: "1 run", "3 runs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def aligned(head: Sequence[str], body: Sequence[Sequence[str]], left: Collection[str]) -> list[str]:
    """Return the lines of a text table with two spaces between columns.

    Args:
        head: the column names.
        body: the cells of each row.
        left: names of the left-aligned columns; the others are right-aligned.
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
    """A text stream for other libraries' output; after a failing write it discards its text."""

    def __init__(self, stream: TextIO | None) -> None:
        """Wrap a stream; None if the process has none."""
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
        """Return the file descriptor; terminal libraries determine the width from it."""
        if self._stream is None:
            raise OSError("the stream is closed")
        return self._stream.fileno()


def _write(stream: TextIO | None, lines: list[str] | tuple[str, ...], end: str = "\n") -> None:
    if stream is None:  # closed before the interpreter started
        return
    try:
        print(*map(without_secrets, lines), sep="\n", end=end, file=stream, flush=True)
    except (OSError, ValueError):
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Redirect the stream's descriptor to the null device, so that its last flush succeeds."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
