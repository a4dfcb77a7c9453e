"""Training on this machine: in this process, or in a pool of worker processes."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import wait
from threading import Thread
from typing import Generic

from bpexp.errors import StorageError
from bpexp.executors.held import HeldRuns
from bpexp.executors.protocol import Run, RunStack, Session
from bpexp.executors.worker import Worker

POLL = 0.1  # seconds between checks of the interrupt


class LocalExecutor:
    """Train in worker processes on this machine, or in this process if one is enough."""

    def workers(self) -> int:
        """Return the number of processor cores that this process may use."""
        return cores()

    @property
    def least_operations(self) -> float:
        """None: sending a stack over a pipe takes no time."""
        return 0.0

    def run(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> dict[str, str]:
        """Train all stacks; see `Executor.run`."""
        if session.jobs == 1 or len(stacks) <= 1:
            return _train_here(stacks, session)
        return _Pool(stacks, session).run()


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


class _Pool(Generic[Run]):
    """Worker processes, the stacks that wait for them, and the statuses of the runs so far.

    If a worker dies, each of its runs is tried once more, alone.
    """

    def __init__(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> None:
        self._session = session
        self._waiting = deque(stacks)
        self._held = HeldRuns(session)
        self._retried: set[str] = set()
        self._stopping = False
        self._statuses: dict[str, str] = {}
        self._workers: list[Worker[Run]] = []
        for _ in range(min(session.jobs, len(stacks))):
            self._workers.append(self._hire())
        self._thread = Thread(target=session.meanwhile, daemon=True)
        self._thread.start()  # after the forks, which need a process with a single thread

    def run(self) -> dict[str, str]:
        try:
            while True:
                self._waiting += self._held.release(self._statuses)
                for worker in list(self._workers):  # assigning may replace a dead worker
                    if worker.stack is None:
                        self._assign(worker)
                busy = {worker.pipe: worker for worker in self._workers if worker.stack}
                if not busy and (self._session.ending(self._statuses) or not self._held):
                    break
                for pipe in wait(list(busy), timeout=POLL):
                    self._receive(busy[pipe])
                self._session.report(0)
                self._pass_on_interrupt()
        finally:
            for worker in self._workers:
                worker.end()
            for worker in self._workers:
                worker.join()
            self._thread.join()  # so that the modules that it imports are complete
        return self._statuses

    def _hire(self) -> Worker[Run]:
        session = self._session
        return Worker(session.train, session.interrupt, self._workers, session.imports)

    def _assign(self, worker: Worker[Run]) -> None:
        """Give a worker its next stack, if there is one."""
        if self._waiting and not self._session.ending(self._statuses):
            if not worker.send(self._waiting.popleft()):  # it died while it was idle
                self._replace(worker)
        else:
            worker.stack = None

    def _receive(self, worker: Worker[Run]) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if isinstance(message, int):
            self._session.report(message)
        elif isinstance(message, StorageError):
            raise message
        elif worker.stack is not None:
            self._statuses |= self._held.keep_deferred(worker.stack, message)
            self._assign(worker)

    def _replace(self, worker: Worker[Run]) -> None:
        """Replace a worker that died, and queue its unfinished runs again, each alone."""
        code = worker.join()
        for planned in worker.stack or ():
            run = planned.refreshed()
            if run.finished:
                self._statuses[run.identity] = "FINISHED"
            elif run.identity in self._retried and not run.in_use():
                self._session.fail(run, f"its worker process died twice ({code})")
                self._statuses[run.identity] = "FAILED"
            else:
                self._retried.add(run.identity)
                self._waiting.append((run,))
        worker.pipe.close()
        self._workers.remove(worker)
        self._thread.join()  # a fork needs a process with a single thread
        fresh = self._hire()
        self._workers.append(fresh)
        self._assign(fresh)

    def _pass_on_interrupt(self) -> None:
        if self._session.interrupt.requested and not self._stopping:
            self._stopping = True
            for worker in self._workers:
                if worker.stack is not None:
                    worker.stop()
