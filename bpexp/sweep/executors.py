"""Executors: who trains the stacks, this process or a few workers.

A worker is told one stack at a time over a pipe and answers with progress and statuses. One that
dies costs the runs it had one more try each, alone, and nothing else. A run that another process
has (the same command in a second terminal) is put aside until that process has done with it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from threading import Thread
from types import FrameType
from typing import Any

from bpexp.errors import StorageError
from bpexp.record.journal import in_use
from bpexp.sweep.plan import Member
from bpexp.sweep.stacks import DEFERRED, Interrupt, fail, train_stack
from bpexp.sweep.terminal import warn

PATIENCE = 0.5  # seconds between looks at runs that another process has

RunStack = tuple[Member, ...]
Report = Callable[[int], None]


def execute(
    stacks: Sequence[RunStack],
    jobs: int,
    report: Report,
    interrupt: Interrupt,
    *,
    fail_fast: bool,
    meanwhile: Callable[[], None],
) -> dict[str, str]:
    """Train all stacks and return each run's status by its identity.

    Args:
        stacks: what is to be trained, in the order of starting.
        jobs: worker processes; with one job or one stack this process trains.
        report: told how many epochs, summed over runs, were done.
        interrupt: set by a signal handler; no stack is begun after that.
        fail_fast: begin no stack after the first run that failed.
        meanwhile: called in a thread while workers train, and waited for; not where this process
            trains.

    Raises:
        StorageError: the disk is full.
    """
    if jobs == 1 or len(stacks) <= 1:
        return _here(stacks, report, interrupt, fail_fast)
    pool = _Pool(stacks, min(jobs, len(stacks)), report, interrupt, fail_fast)
    aside = Thread(target=meanwhile, daemon=True)
    aside.start()  # after the forks: they want one thread
    try:
        return pool.run()
    finally:
        aside.join()  # what it imports must not be half there when this thread asks for it


def _here(
    stacks: Sequence[RunStack], report: Report, interrupt: Interrupt, fail_fast: bool
) -> dict[str, str]:
    statuses: dict[str, str] = {}
    waiting, aside = deque(stacks), _Aside(report)
    while waiting or aside:
        if interrupt.requested or (fail_fast and "FAILED" in statuses.values()):
            break
        if waiting:
            stack = waiting.popleft()
            statuses |= aside.put(stack, train_stack(stack, report, interrupt))
        else:
            time.sleep(0.1)
            waiting += aside.free(statuses)
    return statuses


class _Aside:
    """Runs that another process has, until it has done with them or has died."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._members: list[Member] = []
        self._looked = 0.0
        self._told = False

    def __bool__(self) -> bool:
        return bool(self._members)

    def put(self, stack: RunStack, outcome: Sequence[str]) -> dict[str, str]:
        """Keep a stack's runs that are for later; return the statuses of the others."""
        results = list(zip(stack, outcome, strict=True))
        self._members += [member for member, status in results if status == DEFERRED]
        return {member.identity: status for member, status in results if status != DEFERRED}

    def free(self, statuses: dict[str, str]) -> list[RunStack]:
        """Return the runs that are free by now, each alone; note those that are finished."""
        if not self._members or time.monotonic() - self._looked < PATIENCE:
            return []
        self._looked = time.monotonic()
        freed = [member for member in self._members if not in_use(member.folder)]
        self._members = [member for member in self._members if member not in freed]
        if self._members and not self._told:
            self._told = True
            warn(f"another process trains {len(self._members)} of these runs; waiting for it")
        stacks: list[RunStack] = []
        for planned in freed:
            member = planned.refreshed()
            self._report(max(0, member.epoch - planned.epoch))
            if member.finished:
                statuses[member.identity] = "FINISHED"
            else:
                stacks.append((member,))
        return stacks


@dataclass
class _Worker:
    process: Any  # multiprocessing's context-dependent Process
    pipe: Connection
    stack: RunStack | None = None


class _Pool:
    """Workers, the stacks that wait for them, and what became of the runs."""

    def __init__(
        self,
        stacks: Sequence[RunStack],
        jobs: int,
        report: Report,
        interrupt: Interrupt,
        fail_fast: bool,
    ) -> None:
        # A forked worker shares this process's modules and data sets; elsewhere it starts anew.
        methods = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
        self._waiting = deque(stacks)
        self._report, self._interrupt, self._fail_fast = report, interrupt, fail_fast
        self._aside = _Aside(report)
        self._retried: set[str] = set()
        self._told_to_stop = False
        self.statuses: dict[str, str] = {}
        self._workers: list[_Worker] = []
        for _ in range(jobs):
            self._workers.append(self._hire())

    def run(self) -> dict[str, str]:
        try:
            while True:
                self._waiting += self._aside.free(self.statuses)
                for worker in self._workers:
                    if worker.stack is None:
                        self._assign(worker)
                ends = {w.pipe: w for w in self._workers if w.stack is not None}
                if not ends and (self._ending or not self._aside):
                    break
                for pipe in wait(list(ends), timeout=0.1):
                    self._listen(ends[pipe])  # type: ignore[index]
                self._pass_on_interrupt()
        finally:
            for worker in self._workers:
                if worker.stack is None:
                    with suppress(OSError):
                        worker.pipe.send(None)
                else:
                    worker.process.kill()
            for worker in self._workers:
                worker.process.join()
        return self.statuses

    def _hire(self) -> _Worker:
        here, there = self._context.Pipe()
        # A fork inherits the other workers' pipes; held open there, a pipe would outlive this
        # process and its worker would wait for ever.
        forked = self._context.get_start_method() == "fork"
        inherited = [here, *(worker.pipe for worker in self._workers)] if forked else []
        process = self._context.Process(
            target=_work, args=(there, inherited, self._interrupt), daemon=True
        )
        process.start()
        there.close()
        return _Worker(process, here)

    def _assign(self, worker: _Worker) -> None:
        """Give a worker its next stack, or nothing."""
        worker.stack = self._waiting.popleft() if self._waiting and not self._ending else None
        if worker.stack is not None:
            try:
                worker.pipe.send(worker.stack)
            except OSError:  # it died while it had nothing to do
                self._replace(worker)

    @property
    def _ending(self) -> bool:
        """No stack is begun any more."""
        failed = self._fail_fast and "FAILED" in self.statuses.values()
        return failed or self._interrupt.requested

    def _listen(self, worker: _Worker) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if isinstance(message, int):
            self._report(message)
        elif isinstance(message, StorageError):
            raise message
        else:
            assert worker.stack is not None
            self.statuses |= self._aside.put(worker.stack, message)
            self._assign(worker)

    def _replace(self, worker: _Worker) -> None:
        """Hire in place of a worker that died; its runs are tried once more, each alone."""
        assert worker.stack is not None
        worker.process.join()
        for planned in worker.stack:
            member = planned.refreshed()
            if member.finished:
                self.statuses[member.identity] = "FINISHED"
            elif member.identity in self._retried:
                fail(member, f"its worker process died twice ({worker.process.exitcode})")
                self.statuses[member.identity] = "FAILED"
            else:
                self._retried.add(member.identity)
                self._waiting.append((member,))
        worker.pipe.close()
        fresh = self._hire()
        worker.process, worker.pipe = fresh.process, fresh.pipe
        self._assign(worker)

    def _pass_on_interrupt(self) -> None:
        if self._interrupt.requested and not self._told_to_stop:
            self._told_to_stop = True
            for worker in self._workers:
                if worker.stack is not None and worker.process.pid is not None:
                    os.kill(worker.process.pid, signal.SIGTERM)


def _work(pipe: Connection, inherited: Sequence[Connection], interrupt: Interrupt) -> None:
    """Be a worker: train what comes over the pipe until it closes or says None.

    Args:
        pipe: to the sweep's process.
        inherited: what a fork copied and this worker must not hold open.
        interrupt: a copy of the sweep's own: a signal that comes during the fork is not lost.
    """
    for other in inherited:
        other.close()

    def stop(number: int, frame: FrameType | None) -> None:
        interrupt.signal = number

    def report(epochs: int) -> None:
        try:
            pipe.send(epochs)
        except OSError:  # whom to report to is gone: leave, and mark no run as failed
            raise SystemExit(1) from None

    signal.signal(signal.SIGTERM, stop)
    for number in (signal.SIGINT, signal.SIGHUP):  # the terminal's reach all; one process decides
        signal.signal(number, signal.SIG_IGN)
    try:
        while (stack := pipe.recv()) is not None:
            try:
                pipe.send(train_stack(stack, report, interrupt))
            except StorageError as error:
                pipe.send(error)
    except (EOFError, OSError):
        return
