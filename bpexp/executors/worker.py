"""Worker processes: each trains one stack at a time, which it receives over a pipe.

Each worker has its own pipe instead of a shared queue, so a killed worker holds no lock.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Generic

from bpexp.errors import StorageError
from bpexp.executors.protocol import Interrupt, Run, RunStack, Train


class Worker(Generic[Run]):
    """The parent process's control of one worker process.

    Attributes:
        pipe: receives the worker's messages: epochs done, a stack's statuses, or a StorageError.
        stack: the stack that it trains; None while it is idle.
    """

    def __init__(
        self,
        train: Train[Run],
        interrupt: Interrupt,
        others: Sequence[Worker[Run]],
        imports: Sequence[str] = (),
    ) -> None:
        """Start the process.

        A forked worker shares the modules and data sets of this process, so it starts quickly. A
        fork copies one thread only, and locks that other threads hold are never released in the
        copy. So this process forks only if it has no other thread; otherwise it starts a new
        interpreter.

        Args:
            train: trains a stack.
            interrupt: copied into the worker, so that a signal during the fork is not lost.
            others: the workers so far, whose pipes a fork must close.
            imports: modules that a new interpreter imports first; "__main__" is the program itself.
        """
        context: Any = multiprocessing.get_context(_start_method())
        self.pipe, theirs = context.Pipe()
        forked = context.get_start_method() == "fork"
        # A pipe stays open while any process holds a copy of its end. If workers kept copies, a
        # worker would not detect the end of this process and would wait for ever.
        inherited = [self.pipe, *(worker.pipe for worker in others)] if forked else []
        self._process = context.Process(
            target=_work, args=(theirs, inherited, train, interrupt, imports), daemon=True
        )
        with nullcontext() if "__main__" in imports else _without_main():
            self._process.start()
        theirs.close()
        self.stack: RunStack[Run] | None = None

    def send(self, stack: RunStack[Run] | None) -> bool:
        """Send the worker a stack, or None to end it; return False if it has died."""
        self.stack = stack
        try:
            self.pipe.send(stack)
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Request that the worker stops at the end of the epoch."""
        if self._process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def end(self) -> None:
        """End the process: kill it if it trains, else request that it returns."""
        if self.stack is None:
            self.send(None)
        else:
            self._process.kill()

    def join(self) -> int | None:
        """Wait until the process has ended and return its exit code."""
        self._process.join()
        code: int | None = self._process.exitcode
        return code


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main script, so that a new interpreter does not import it.

    A worker needs the script only if it registers functions that runs use. The import of a script
    without `if __name__ == "__main__"` would start its sweep again.
    """
    main = sys.modules["__main__"]
    hidden = {name: vars(main).pop(name) for name in ("__file__",) if name in vars(main)}
    spec, main.__spec__ = main.__spec__, None
    try:
        yield
    finally:
        main.__spec__ = spec
        vars(main).update(hidden)


def _start_method() -> str:
    methods = multiprocessing.get_all_start_methods()
    return "fork" if "fork" in methods and threading.active_count() == 1 else "spawn"


def _work(
    pipe: Connection,
    inherited: Sequence[Connection],
    train: Train[Run],
    interrupt: Interrupt,
    imports: Sequence[str],
) -> None:
    """Train the stacks received over the pipe until it closes or None is received."""
    for other in inherited:
        other.close()
    for module in imports:
        importlib.import_module(module)

    def request_stop(number: int, frame: FrameType | None) -> None:
        interrupt.signal = number

    def report(epochs: int) -> None:
        try:
            pipe.send(epochs)
        except OSError:  # the sweep's process has died: exit without marking a run as failed
            raise SystemExit(1) from None

    signal.signal(signal.SIGTERM, request_stop)
    for number in (signal.SIGINT, signal.SIGHUP):  # terminals send them to all processes
        signal.signal(number, signal.SIG_IGN)
    try:
        while (stack := pipe.recv()) is not None:
            try:
                pipe.send(train(stack, report, interrupt))
            except StorageError as error:
                pipe.send(error)
    except (EOFError, OSError):
        return
