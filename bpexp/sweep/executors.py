"""Executors: who trains the stacks, this process or a few workers.

A worker is told one stack at a time over a pipe and answers with progress and statuses. One that
dies costs the runs it had one more try each, alone, and nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from threading import Thread
from types import FrameType
from typing import Any

from bpexp.errors import StorageError
from bpexp.sweep.plan import Member
from bpexp.sweep.stacks import Interrupt, fail, train_stack

Stack = tuple[Member, ...]
Report = Callable[[int], None]


def execute(
    stacks: Sequence[Stack],
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
        meanwhile: called in a thread while workers train; not where this process trains.

    Raises:
        StorageError: the disk is full.
    """
    if jobs == 1 or len(stacks) <= 1:
        return _here(stacks, report, interrupt, fail_fast)
    pool = _Pool(stacks, min(jobs, len(stacks)), report, interrupt, fail_fast)
    Thread(target=meanwhile, daemon=True).start()  # after the forks: they want one thread
    return pool.run()


def _here(
    stacks: Sequence[Stack], report: Report, interrupt: Interrupt, fail_fast: bool
) -> dict[str, str]:
    statuses: dict[str, str] = {}
    for stack in stacks:
        if interrupt.requested or (fail_fast and "FAILED" in statuses.values()):
            break
        outcome = train_stack(stack, report, interrupt)
        statuses |= {m.identity: status for m, status in zip(stack, outcome, strict=True)}
    return statuses


@dataclass
class _Worker:
    process: Any  # multiprocessing's context-dependent Process
    pipe: Connection
    stack: Stack | None = None


class _Pool:
    """Workers, the stacks that wait for them, and what became of the runs."""

    def __init__(
        self,
        stacks: Sequence[Stack],
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
        self._retried: set[str] = set()
        self._told_to_stop = False
        self.statuses: dict[str, str] = {}
        self._workers: list[_Worker] = []
        for _ in range(jobs):
            self._workers.append(self._hire())

    def run(self) -> dict[str, str]:
        try:
            for worker in self._workers:
                self._assign(worker)
            while busy := [worker for worker in self._workers if worker.stack is not None]:
                ends = {worker.pipe: worker for worker in busy}
                for pipe in wait(list(ends), timeout=0.1):
                    self._listen(ends[pipe])  # type: ignore[index]
                self._pass_on_interrupt()
        finally:
            for worker in self._workers:
                if worker.stack is None:
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
        process = self._context.Process(target=_work, args=(there, inherited), daemon=True)
        process.start()
        there.close()
        return _Worker(process, here)

    def _assign(self, worker: _Worker) -> None:
        """Give a worker its next stack, or nothing."""
        failed = self._fail_fast and "FAILED" in self.statuses.values()
        if self._waiting and not failed and not self._interrupt.requested:
            worker.stack = self._waiting.popleft()
            worker.pipe.send(worker.stack)
        else:
            worker.stack = None

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
            identities = [member.identity for member in worker.stack]
            self.statuses |= dict(zip(identities, message, strict=True))
            self._assign(worker)

    def _replace(self, worker: _Worker) -> None:
        """Hire in place of a worker that died; its runs are tried once more, each alone."""
        assert worker.stack is not None
        worker.process.join()
        for member in worker.stack:
            if member.identity in self._retried:
                fail(member, f"its worker process died twice ({worker.process.exitcode})")
                self.statuses[member.identity] = "FAILED"
            else:
                self._retried.add(member.identity)
                self._waiting.append((member.resumed(),))
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


def _work(pipe: Connection, inherited: Sequence[Connection]) -> None:
    """Be a worker: train what comes over the pipe until it closes or says None."""
    for other in inherited:
        other.close()
    interrupt = Interrupt()

    def stop(number: int, frame: FrameType | None) -> None:
        interrupt.signal = number

    def report(epochs: int) -> None:
        try:
            pipe.send(epochs)
        except OSError:  # whom to report to is gone: leave, and mark no run as failed
            raise SystemExit(1) from None

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C reaches all; one decides
    try:
        while (stack := pipe.recv()) is not None:
            try:
                pipe.send(train_stack(stack, report, interrupt))
            except StorageError as error:
                pipe.send(error)
    except (EOFError, OSError):
        return
