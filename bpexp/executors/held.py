"""Runs that another process trains, for example the same command in a second terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Generic

from bpexp.executors.protocol import DEFERRED, Run, RunStack, Session

POLL = 0.1  # seconds to wait for messages of workers, or for held runs
INTERVAL = 0.5  # seconds between checks of runs that another process holds


class HeldRuns(Generic[Run]):
    """The runs that another process holds, until it releases them or exits."""

    def __init__(self, session: Session[Run]) -> None:
        """Begin without runs."""
        self._session = session
        self._runs: list[Run] = []
        self._checked = 0.0
        self._warned = False

    def __bool__(self) -> bool:
        """Return whether another process holds any of the runs."""
        return bool(self._runs)

    def keep_deferred(self, stack: RunStack[Run], outcome: Sequence[str]) -> dict[str, str]:
        """Store a stack's deferred runs, and return the statuses of the others by identity."""
        results = list(zip(stack, outcome, strict=True))
        self._runs += [run for run, status in results if status == DEFERRED]
        return {run.identity: status for run, status in results if status != DEFERRED}

    def release(self, statuses: dict[str, str]) -> list[RunStack[Run]]:
        """Return the runs that no process holds any more, each as a stack of one.

        Runs that the other process finished are not returned but added to `statuses`.
        """
        if not self._runs or time.monotonic() - self._checked < INTERVAL:
            return []
        self._checked = time.monotonic()
        held = [run.in_use() for run in self._runs]
        free = [run for run, busy in zip(self._runs, held, strict=True) if not busy]
        self._runs = [run for run, busy in zip(self._runs, held, strict=True) if busy]
        if self._runs and not self._warned:
            self._warned = True
            count = len(self._runs)
            self._session.note(f"another process trains {count} of these runs; waiting for it")
        stacks: list[RunStack[Run]] = []
        for planned in free:
            run = planned.refreshed()
            self._session.report(max(0, run.epoch - planned.epoch))
            if run.finished:
                statuses[run.identity] = "FINISHED"
            else:
                stacks.append((run,))
        return stacks
