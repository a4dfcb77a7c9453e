"""Run tasks in this process and in forked copies of it, which share its memory."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def spread(task: Callable[[int], None], n: int, jobs: int) -> dict[int, Exception]:
    """Run task(0), ..., task(n - 1) in this process and in up to jobs - 1 copies of it.

    A task that raises in a copy, or whose copy is killed, runs again in this process. If processes
    cannot be forked, all tasks run in this process.

    Args:
        task: writes its result to a file; its return value is ignored.
        n: the number of tasks, at most 256.
        jobs: the number of processes that run tasks.

    Returns:
        The exceptions, by index, of tasks that raised in this process.
    """
    forks = "fork" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if forks else None)
    done = context.Array("b", n, lock=False)
    # The pipe is the work queue, with a byte for each task, so a killed copy holds no lock.
    queue, entrance = os.pipe()
    os.write(entrance, bytes(range(n)))
    os.close(entrance)
    copies = [
        context.Process(target=_work_in_copy, args=(task, queue, done))
        for _ in range(min(jobs, n) - 1 if forks else 0)
    ]
    gc.freeze()  # garbage collection in a copy would write to shared pages, which copies them
    errors: dict[int, Exception] = {}
    try:
        for copy in copies:
            copy.start()
        while turn := os.read(queue, 1):
            _attempt(task, turn[0], done, errors)
        for copy in copies:
            copy.join()
    finally:
        os.close(queue)
        gc.unfreeze()
    for index in range(n):
        if not done[index] and index not in errors:
            _attempt(task, index, done, errors)
    return errors


def _work_in_copy(task: Callable[[int], None], queue: int, done: Any) -> None:
    # A terminal signals all its processes; only the parent process handles the signal.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while turn := os.read(queue, 1):
        with suppress(Exception):
            task(turn[0])
            done[turn[0]] = True


def _attempt(
    task: Callable[[int], None], index: int, done: Any, errors: dict[int, Exception]
) -> None:
    try:
        task(index)
        done[index] = True
    except Exception as error:
        errors[index] = error
