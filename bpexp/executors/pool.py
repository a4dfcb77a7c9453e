"""A pool of worker processes on this machine, which train the stacks of a sweep."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import wait
from threading import Thread
from typing import Generic

from bpexp.errors import StorageError
from bpexp.executors.held import POLL, HeldRuns
from bpexp.executors.protocol import Run, RunStack, Session
from bpexp.executors.worker import Worker


class Pool(Generic[Run]):
    """Worker processes, the queue of stacks, and the statuses of the runs so far.

    If a worker dies, each of its unfinished runs is trained once more, alone.
    """

    def __init__(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> None:
        """Start the worker processes.

        Args:
            stacks: the stacks to train, in order.
            session: the sweep.
        """
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
        """Train all stacks, and return the statuses of the runs by identity."""
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
        """Send a worker the next stack of the queue, if there is one."""
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
