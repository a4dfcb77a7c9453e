"""Executors: where stacks of runs are trained. Each is a row of EXECUTORS."""

from __future__ import annotations

from collections.abc import Callable

from bpexp.executors.dask import DaskExecutor
from bpexp.executors.local import LocalExecutor, cores
from bpexp.executors.protocol import (
    DEFERRED,
    Executor,
    Interrupt,
    Report,
    RunStack,
    Session,
)
from bpexp.executors.slurm import SlurmExecutor

__all__ = [
    "DEFERRED",
    "EXECUTORS",
    "Executor",
    "Interrupt",
    "Report",
    "RunStack",
    "Session",
    "cores",
]


EXECUTORS: dict[str, Callable[..., Executor]] = {
    "local": LocalExecutor,
    "dask": DaskExecutor,
    "slurm": SlurmExecutor,
}
