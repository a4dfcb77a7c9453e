"""Read journals: as a whole, only the first and last line, or continuously as they grow."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from bpexp.config.identity import completed, recorded_algorithm
from bpexp.errors import BpexpError
from bpexp.probes import INSTRUMENTS
from bpexp.record.layout import JOURNAL
from bpexp.record.observations import current
from bpexp.secrets import without_secrets

# The fields that a line of each kind must have.
LINES = {
    "start": {"time", "identity", "attempt", "config"},
    "observation": {"time", "step", "epoch", "metrics", "layers"},
    "end": {"time", "status"},
}
TAIL = 4096  # bytes read first to find the last line; an end line is rarely longer

# Exceptions that parsing a damaged line raises.
DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class JournalError(BpexpError):
    """A journal that is damaged, is in use, or differs from the recomputed values."""


@dataclass
class History:
    """The contents of a journal.

    Attributes:
        start: the first line; empty if the journal has no complete line.
        observations: the observations, in the order of their steps.
        end: the end line if it is the last line, else None.
        lines: the number of complete lines.
    """

    start: dict[str, Any] = field(default_factory=dict)
    observations: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    lines: int = 0

    @property
    def status(self) -> str:
        """FINISHED, FAILED or KILLED, as the run ended; RUNNING without an end line."""
        return status(self.end)

    def dims(self, instrument: str) -> tuple[str, ...] | None:
        """Return an instrument's dimensions; None if neither the journal nor INSTRUMENTS has it.

        The journal takes precedence, because the program that wrote it may have had other
        instruments.
        """
        recorded = self.start.get("dimensions", {})
        if instrument in recorded:
            return tuple(recorded[instrument])
        if any(instrument in (line["layers"] or ()) for line in self.observations):
            return ("layer",)
        return INSTRUMENTS[instrument].dims if instrument in INSTRUMENTS else None

    def add(self, line: dict[str, Any]) -> None:
        """Add the journal's next line."""
        match line["kind"]:
            case "start":
                self.start = self.start or line
            case "observation":
                self.observations.append(current(line))
        self.end = line if line["kind"] == "end" else None
        self.lines += 1


def status(end: dict[str, Any] | None) -> str:
    """Return the status in an end line, or RUNNING for None."""
    return str(end["status"]) if end else "RUNNING"


def read(folder: Path) -> History:
    """Read a run's whole journal. An incomplete last line, left by a power cut, is ignored.

    Raises:
        JournalError: another line is damaged; the message names file and line.
    """
    return Follower(folder).poll()


def first(folder: Path) -> dict[str, Any]:
    """Read the start line of a run's journal, which is the first; empty if there is none yet.

    Raises:
        JournalError: the line is damaged.
    """
    path = folder / JOURNAL
    try:
        with path.open("rb") as file:
            line = file.readline()
    except FileNotFoundError:
        return {}
    return _parsed(path, line, number=1) if line.endswith(b"\n") else {}


def ends(folder: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Read only the first and the last line of a run's journal.

    Returns:
        The start line (empty if there is none yet), and the end line or None if the last complete
        line is another.

    Raises:
        JournalError: one of the two lines is damaged.
    """
    path = folder / JOURNAL
    try:
        with path.open("rb") as file:
            line, text = file.readline(), _last_line(file)
    except FileNotFoundError:
        return {}, None
    if not line.endswith(b"\n"):
        return {}, None
    start = _parsed(path, line, number=1)
    last = _parsed(path, text, number=None) if text else start
    return start, last if last["kind"] == "end" else None


def count_lines(folder: Path) -> int:
    """Return the number of complete lines of a run's journal, without parsing them."""
    path = folder / JOURNAL
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _last_line(file: BinaryIO) -> bytes | None:
    """Return the last complete line; None if it is also the first line."""
    size, length = file.seek(0, os.SEEK_END), TAIL
    while True:
        file.seek(max(0, size - length))
        *complete, _ = file.read(length).split(b"\n")
        if len(complete) > 1:  # the first part may begin in the middle of a line
            return complete[-1]
        if length >= size:
            return None
        length *= 4


class Follower:
    """Reads the lines that were added to a journal since the last read.

    A journal only grows, with two exceptions: an incomplete last line is removed when the run is
    continued, and after a power cut lines that were read may be missing and are written again. The
    follower stores the last complete line. If the file no longer has it at the same place, it
    starts again from the first line.

    Attributes:
        history: the lines read so far. `drop` removes its observations.
        dropped: the number of observations that were dropped.
    """

    def __init__(self, folder: Path) -> None:
        """Begin before the first line; the journal need not exist yet."""
        self._path = folder / JOURNAL
        self._begin()

    def _begin(self) -> None:
        self.history, self.dropped = History(), 0
        self._offset, self._last = 0, b""  # of complete lines, and the last of them
        self._seen: tuple[int, int] | None = None

    def poll(self) -> History:
        """Read the lines added since the last call and return the history.

        Raises:
            JournalError: a line is damaged.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._begin()
            return self.history
        seen = (found.st_size, found.st_mtime_ns)
        if seen != self._seen:
            self._read()
            self._seen = seen
        return self.history

    def drop(self) -> None:
        """Remove the observations from the history, to free memory."""
        self.dropped += len(self.history.observations)
        self.history.observations.clear()

    def _read(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._offset - len(self._last))
            text = file.read()
            if not text.startswith(self._last):
                self._begin()
                file.seek(0)
                text = file.read()
        added = text[len(self._last) : text.rfind(b"\n") + 1]
        lines = added.split(b"\n")[:-1]
        for line in _parse(self._path, lines, after=self.history.lines):
            self.history.add(line)
        if lines:
            self._offset += len(added)
            self._last = lines[-1] + b"\n"


def _parse(path: Path, lines: Sequence[bytes], after: int) -> list[dict[str, Any]]:
    """Parse consecutive lines; `after` is the number of lines before them."""
    try:
        parsed: list[dict[str, Any]] = json.loads(b"[%s]" % b",".join(lines))  # shares their keys
        if len(parsed) != len(lines):
            raise ValueError
        for number, line in enumerate(parsed, start=after + 1):
            _accept(line, number)
    except DAMAGE:
        return [_parsed(path, line, number) for number, line in enumerate(lines, start=after + 1)]
    return parsed


def _parsed(path: Path, text: bytes, number: int | None) -> dict[str, Any]:
    """Parse one line; `number` is None for the last line, which is not counted."""
    try:
        line: dict[str, Any] = json.loads(text)
        _accept(line, number)
    except DAMAGE:
        place = "last line" if number is None else f"line {number}"
        raise JournalError(
            f"{path}, {place}: damaged; if its folder is deleted, the run is trained anew"
        ) from None
    return line


def _accept(line: Any, number: int | None) -> None:
    """Raise one of DAMAGE unless the line is valid; complete the start line of an older version."""
    if not LINES[line["kind"]] <= line.keys() or (number == 1) != (line["kind"] == "start"):
        raise ValueError
    if number == 1:
        recorded = line["config"]
        line["config"] = without_secrets(completed(recorded))  # version 0.1 wrote secrets
        if "algorithm" not in line:
            digest, identity = line.get("digest", ""), line["identity"]
            line["algorithm"] = recorded_algorithm(recorded, digest, identity)
