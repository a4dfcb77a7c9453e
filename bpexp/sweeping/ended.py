"""Find the runs of a sweep that have ended, from their folders, for every executor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from bpexp.record.layout import TRACEBACK, WEIGHTS
from bpexp.record.run import Run
from bpexp.sweeping.member import Member

INTERVAL = 0.5  # seconds between two reads of the folders
COARSE = 1.0  # largest difference between file times and the clock, in seconds


class EndedRuns:
    """Runs in training; `poll` returns each run once after it has ended."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Store runs whose training is about to begin."""
        self._open = list(members)
        self._begun = time.time() - COARSE
        self._polled = -float("inf")

    def poll(self) -> list[Run]:
        """Return the runs that have ended since the last call; none within 0.5 s of it."""
        if time.monotonic() - self._polled < INTERVAL:
            return []
        self._polled = time.monotonic()
        ended = {m.identity: run for m in self._open if (run := self._ended(m))}
        self._open = [member for member in self._open if member.identity not in ended]
        return [*ended.values()]

    def _ended(self, member: Member) -> Run | None:
        """Return a run if it has ended; weights or a traceback are written before the end line."""
        for name in (WEIGHTS, TRACEBACK):
            with suppress(OSError):  # the file does not exist
                if (member.folder / name).stat().st_mtime >= self._begun:
                    run = Run.at(member.folder)
                    return run if run and run.end else None
        return None
