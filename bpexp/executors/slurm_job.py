"""Training of stacks in a Slurm job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bpexp.executors.protocol import Interrupt, Run, RunStack, Train
from bpexp.executors.remote import import_all, train_rest

Bundle = Sequence[RunStack[Run]]
"""Stacks that one job trains, one after another."""


class BundleJob:
    """The job of submitit, which trains stacks and writes each run's status to a file.

    If Slurm preempts the job, or its time limit is reached, submitit submits it again, and training
    continues from the runs' checkpoints.
    """

    def __init__(self, train: Train[Any], imports: Sequence[str]) -> None:
        """Store the function that trains a stack, and the modules to import first."""
        self._train, self._imports = train, list(imports)

    def __call__(self, bundle: Bundle[Any], outcome: Path) -> None:
        """Train the unfinished runs of a bundle.

        Args:
            bundle: the stacks.
            outcome: the file of statuses, a JSON object by identity.
        """
        import_all(self._imports)
        statuses: dict[str, str] = {}
        for stack in bundle:
            statuses |= train_rest(self._train, stack, lambda epochs: None, Interrupt())
        temporary = outcome.with_suffix(".tmp")
        temporary.write_text(json.dumps(statuses))
        temporary.replace(outcome)

    def checkpoint(self, bundle: Bundle[Any], outcome: Path) -> Any:
        """Return the call with which submitit submits the job again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, bundle, outcome)
