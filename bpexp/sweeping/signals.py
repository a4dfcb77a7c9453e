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

STOPPING = "stopping at the end of the epoch; once more: at once"


class Signals:
    """What signals do while a sweep runs.

    Attributes:
        interrupt: receives the number of the first signal.
        tell: shows the user a line; a handler calls it, so it must not wait for a lock.
    """

    def __init__(self, *, ends_process: bool) -> None:
        """Tell on standard error.

        Args:
            ends_process: whether the second signal ends this process and all that it started. If
                not, it raises KeyboardInterrupt.
        """
        self.interrupt = Interrupt()
        self.tell: Callable[[str], None] = _write
        self._ends_process = ends_process

    @contextmanager
    def telling(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Tell otherwise for a while."""
        before, self.tell = self.tell, tell
        try:
            yield
        finally:
            self.tell = before

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT (Ctrl-C), SIGTERM and SIGHUP, and restore the old handlers afterwards.

        A signal that the process ignores stays ignored: nohup ignores SIGHUP, and shells ignore
        SIGINT in what a script starts in the background.

        In another thread than the main one, as in a server, nothing is handled: Python does not
        allow it there.
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
            self.tell(STOPPING)
        elif not self._ends_process:
            raise KeyboardInterrupt
        else:
            for worker in multiprocessing.active_children():
                worker.kill()
            os._exit(128 + number)


def _write(text: str) -> None:
    with suppress(OSError):  # not print, which the signal may have interrupted
        os.write(2, f"\n{text}\n".encode())
