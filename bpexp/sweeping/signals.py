"""Signals during a sweep: the first one stops it at the end of the epoch, the second at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from bpexp.executors import Interrupt


@contextmanager
def handled_signals(interrupt: Interrupt) -> Iterator[None]:
    """Handle SIGINT (Ctrl-C), SIGTERM and SIGHUP, and restore the old handlers afterwards.

    In another thread than the main one, as in a server, nothing is handled: Python does not allow
    it there.

    Args:
        interrupt: receives the number of the first signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            for worker in multiprocessing.active_children():
                worker.kill()
            os._exit(128 + number)
        interrupt.signal = number
        with suppress(OSError):  # not print, which the signal may have interrupted
            os.write(2, b"\nstopping at the end of the epoch; once more: at once\n")

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)
    old = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
