"""Which runs of a sweep have ended, by what their folders hold: whatever executor trains them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from bpexp.record.layout import TRACEBACK, WEIGHTS
from bpexp.record.run import Run
from bpexp.sweeping.plan import Member

INTERVAL = 0.5  # seconds between two looks at the folders
COARSE = 1.0  # seconds by which a file's time may lag behind the clock


class EndedRuns:
    """Runs in training, of which `poll` returns each once when it has ended."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Follow runs that are about to be trained."""
        self._open = list(members)
        self._begun = time.time() - COARSE
        self._looked = -float("inf")

    def poll(self) -> list[Run]:
        """Return the runs that have ended since the last call; none within 0.5 s of it."""
        if time.monotonic() - self._looked < INTERVAL:
            return []
        self._looked = time.monotonic()
        ended = {m.identity: run for m in self._open if (run := self._ended(m))}
        self._open = [member for member in self._open if member.identity not in ended]
        return [*ended.values()]

    def _ended(self, member: Member) -> Run | None:
        """Return a run if it has ended: its weights, or the traceback of a failure, come first."""
        for name in (WEIGHTS, TRACEBACK):
            with suppress(OSError):  # there is none
                if (member.folder / name).stat().st_mtime >= self._begun:
                    run = Run.at(member.folder)
                    return run if run and run.end else None
        return None
