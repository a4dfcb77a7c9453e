"""Executors: where stacks of runs are trained. Each is a row of EXECUTORS."""

from __future__ import annotations

from collections.abc import Callable

from bpexp.executors.local import LocalExecutor
from bpexp.executors.protocol import (
    DEFERRED,
    Executor,
    Interrupt,
    Report,
    RunStack,
    Session,
)

__all__ = [
    "DEFERRED",
    "EXECUTORS",
    "Executor",
    "Interrupt",
    "Report",
    "RunStack",
    "Session",
]


EXECUTORS: dict[str, Callable[..., Executor]] = {"local": LocalExecutor}
