"""A stack in training in a Slurm job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bpexp.executors.protocol import Interrupt, RunStack, Train
from bpexp.executors.remote import train_rest


class StackJob:
    """What submitit runs: it trains a stack and writes each run's status to a file.

    If Slurm preempts the job, or its time is over, submitit puts it into the queue again, and
    training goes on from the runs' checkpoints.
    """

    def __init__(self, train: Train[Any]) -> None:
        """Take the function that trains a stack."""
        self._train = train

    def __call__(self, stack: RunStack[Any], outcome: Path) -> None:
        """Train what is left of a stack.

        Args:
            stack: the runs.
            outcome: the file of statuses, a JSON object by identity.
        """
        statuses = train_rest(self._train, stack, lambda epochs: None, Interrupt())
        temporary = outcome.with_suffix(".tmp")
        temporary.write_text(json.dumps(statuses))
        temporary.replace(outcome)

    def checkpoint(self, stack: RunStack[Any], outcome: Path) -> Any:
        """Return what submitit is to run after it has put the job into the queue again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, stack, outcome)
