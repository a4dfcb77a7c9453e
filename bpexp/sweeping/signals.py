"""Signals during a sweep: the first one stops it at the end of the epoch, the second at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from bpexp.executors import Interrupt

STOPPING = "stopping at the end of the epoch; a second signal stops at once"


class Signals:
    """The handling of signals during a sweep.

    Attributes:
        interrupt: the interrupt of the sweep, which is set by the first signal.
        show: prints a line. A signal handler calls it, so it must not wait for a lock.
    """

    def __init__(self, *, ends_process: bool) -> None:
        """Begin without handlers; lines are written to standard error.

        Args:
            ends_process: whether the second signal ends this process and its children. Otherwise it
                raises KeyboardInterrupt.
        """
        self.interrupt = Interrupt()
        self.show: Callable[[str], None] = _write
        self._ends_process = ends_process

    @contextmanager
    def shown_by(self, show: Callable[[str], None]) -> Iterator[None]:
        """Use another function to print lines in a `with` block."""
        before, self.show = self.show, show
        try:
            yield
        finally:
            self.show = before

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT (Ctrl-C), SIGTERM and SIGHUP, and restore the old handlers afterwards.

        A signal that the process ignores is still ignored: nohup ignores SIGHUP, and shells ignore
        SIGINT for background processes of a script. Outside the main thread, as in a server, no
        signal is handled, because Python does not allow it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
        old = {number: signal.signal(number, self._handle) for number in heeded}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.interrupt.requested:
            self.interrupt.signal = number
            self.show(STOPPING)
        elif not self._ends_process:
            raise KeyboardInterrupt
        else:
            for worker in multiprocessing.active_children():
                worker.kill()
            os._exit(128 + number)


def _write(text: str) -> None:
    with suppress(OSError):  # print is not used, because the signal may have interrupted one
        os.write(2, f"\n{text}\n".encode())
