"""Training on this machine: in this process, or in a pool of worker processes."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence

from bpexp.executors.held import POLL, HeldRuns
from bpexp.executors.protocol import Run, RunStack, Session


class LocalExecutor:
    """Train in worker processes on this machine, or in this process if one is enough."""

    def workers(self) -> int:
        """Return the number of processor cores that this process may use."""
        return cores()

    @property
    def least_operations(self) -> float:
        """0, because sending a stack over a pipe takes negligible time."""
        return 0.0

    def run(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> dict[str, str]:
        """Train all stacks; see `Executor.run`."""
        if session.jobs == 1 or len(stacks) <= 1:
            return _train_here(stacks, session)
        from bpexp.executors.pool import Pool  # multiprocessing takes time to import

        return Pool(stacks, session).run()


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _train_here(stacks: Sequence[RunStack[Run]], session: Session[Run]) -> dict[str, str]:
    statuses: dict[str, str] = {}
    waiting, held = deque(stacks), HeldRuns(session)
    while (waiting or held) and not session.ending(statuses):
        if waiting:
            stack = waiting.popleft()
            outcome = session.train(stack, session.report, session.interrupt)
            statuses |= held.keep_deferred(stack, outcome)
        else:
            time.sleep(POLL)
            waiting += held.release(statuses)
    return statuses
