"""The protocol of executors: the stacks and the session that they receive, and their result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

DEFERRED = "DEFERRED"
"""Returned instead of a status if another process trains the run, or has trained it since the plan.
"""


class PlannedRun(Protocol):
    """The part of a run's interface that executors use."""

    @property
    def identity(self) -> str:
        """The hash of all that determines the run's numbers."""

    @property
    def folder(self) -> Path:
        """The run's folder."""

    @property
    def epoch(self) -> int:
        """The epoch from which training continues."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""

    @property
    def operations(self) -> float:
        """Estimate of the multiplications and additions that remain."""

    @property
    def memory(self) -> int:
        """Estimate of the memory of training, in bytes."""

    def refreshed(self) -> Self:
        """Return the run with `epoch` and `finished` read again from its folder."""

    def in_use(self) -> bool:
        """Return whether a process holds the run's journal."""

    def held(self) -> AbstractContextManager[bool]:
        """Hold the run's journal, so that no other process trains the run.

        The context's value is False if another process holds it.
        """

    def away(self, folder: Path) -> Self:
        """Return the run with another folder and a checkpoint at least once per second.

        Checkpoints are written only at the end of an epoch, so longer epochs have one each.
        """


Run = TypeVar("Run", bound=PlannedRun)

RunStack = Sequence[Run]
"""Runs of one architecture that are trained in lockstep: the unit of work."""

Report = Callable[[int], None]
"""Called with the number of epochs, summed over runs, done since the last call."""


@dataclass
class Interrupt:
    """A request to stop at the end of the epoch, set by a signal handler.

    Attributes:
        signal: the number of the signal received; 0 if none was.
    """

    signal: int = 0

    @property
    def requested(self) -> bool:
        """Whether a signal was received."""
        return bool(self.signal)


Train = Callable[[RunStack[Run], Report, Interrupt], list[str]]
"""Trains a stack into its journals and returns each run's status: FINISHED, FAILED, KILLED or
DEFERRED. Raises StorageError if the disk is full or not writable."""


@dataclass(frozen=True)
class Session(Generic[Run]):
    """The functions and settings of a sweep that its executor uses.

    Attributes:
        train: trains one stack; can be pickled, so that it can be sent to other processes.
        fail: records a run as failed, with a text whose last line is the error.
        report: called in this process with the epochs done; 0 epochs update the display only.
        interrupt: set when training is to stop; no stack is started after that.
        note: prints a line for the user.
        jobs: the number of stacks to train at once.
        fail_fast: start no stack after the first run that failed.
        imports: modules to import before training, because they register functions that runs use;
            "__main__" is the program itself.
        meanwhile: work for this process while others train; not called if this process trains.
    """

    train: Train[Run]
    fail: Callable[[Run, str], None]
    report: Report
    interrupt: Interrupt
    note: Callable[[str], None]
    jobs: int = 1
    fail_fast: bool = False
    imports: Sequence[str] = ()
    meanwhile: Callable[[], None] = lambda: None

    def ending(self, statuses: dict[str, str]) -> bool:
        """Return whether no further stack is to be started."""
        return self.interrupt.requested or (self.fail_fast and "FAILED" in statuses.values())


class Executor(Protocol):
    """Trains the stacks of a sweep."""

    def workers(self) -> int:
        """Return the number of stacks to train at once if `jobs` is null.

        Raises:
            ExecutorError: the engine does not answer.
        """

    @property
    def least_operations(self) -> float:
        """Least operations of a stack; smaller stacks are not divided, because sending takes time.

        See `PlannedRun.operations`; a core computes about 10^9 per second.
        """

    def run(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> dict[str, str]:
        """Train all stacks and return the statuses FINISHED, FAILED and KILLED by identity.

        Runs that were not started are left out. A run that another process trains is waited for.

        Args:
            stacks: the stacks to train, in the order of starting.
            session: the sweep's functions and settings.

        Raises:
            StorageError: the disk is full or not writable.
            ExecutorError: the engine does not answer.
        """
