"""Training in jobs of a Slurm cluster, which continue if the process that submitted them exits."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bpexp.executors import slurm_queue
from bpexp.executors.protocol import Run, RunStack, Session
from bpexp.executors.remote import require_package
from bpexp.executors.slurm_job import Bundle, BundleJob
from bpexp.executors.slurm_jobs import Jobs

FOLDER = "slurm"  # in the study's folder: the jobs submitted, their logs and outcomes
WORKERS = 32  # jobs at once, if `jobs` is null
PROCESS = 0.5  # GiB of a process without data
RATE, SLOWEST = 1e9, 1e8  # operations per second of a core, and of a slow core under other load
LEAST_MINUTES = 10  # the least time limit


class SlurmExecutor:
    """Train in Slurm jobs; folders must be on a file system that all nodes share."""

    def __init__(
        self,
        *,
        partition: str | None = None,
        account: str | None = None,
        minutes: int | None = None,
        memory: float | None = None,
        cores: int = 1,
        least_seconds: float = 60.0,
    ) -> None:
        """Store the settings.

        Args:
            partition: the partition of the cluster; null: the cluster's default.
            account: the account to charge; null: the user's default.
            minutes: the time limit of a job; null: estimated from the largest job.
            memory: the memory of a job in GiB; null: estimated from the largest job.
            cores: the number of cores of a job. A run uses `threads` of them.
            least_seconds: the least time of a job's training, approximately. Stacks that take less
                are trained together in one job.

        Raises:
            ValueError: a number is out of range, or the package submitit is not installed.
        """
        require_package("submitit", "slurm")
        for name, value in (
            ("minutes", minutes),
            ("memory", memory),
            ("cores", cores),
            ("least_seconds", least_seconds),
        ):
            if value is not None and value <= 0:
                raise ValueError(f"{name}: {value} is not above 0")
        self._partition, self._account = partition, account
        self._minutes, self._memory, self._cores = minutes, memory, cores
        self._least_seconds = least_seconds

    def workers(self) -> int:
        """Return how many jobs run at once if `jobs` is null; see `Executor.workers`."""
        return WORKERS

    @property
    def least_operations(self) -> float:
        """The operations of one core in `least_seconds`."""
        return RATE * self._least_seconds

    def run(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> dict[str, str]:
        """Train all stacks; see `Executor.run`.

        After a signal this returns while the jobs continue. The same command then waits for them.
        """
        slurm_queue.require()
        session.meanwhile()
        folder = stacks[0][0].folder.parent / FOLDER
        jobs = Jobs(folder, session, partial(self._submit, folder, session), self.least_operations)
        return jobs.run(stacks)

    def _submit(
        self, folder: Path, session: Session[Run], bundles: Sequence[Bundle[Run]]
    ) -> list[tuple[str, Path]]:
        """Submit an array of jobs; return the number and the outcome file of each job."""
        import submitit

        executor = submitit.AutoExecutor(folder=folder / "%A", cluster="slurm")
        executor.update_parameters(
            name="bpexp",
            timeout_min=self._minutes or max(map(_minutes, bundles)),
            mem_gb=self._memory or max(map(_memory, bundles)),
            cpus_per_task=self._cores,
            slurm_array_parallelism=session.jobs,
            slurm_partition=self._partition,
            slurm_account=self._account,
        )
        outcomes = [folder / f"{uuid.uuid4().hex}.json" for _ in bundles]
        jobs = executor.map_array(BundleJob(session.train, session.imports), bundles, outcomes)
        return [(job.job_id, path) for job, path in zip(jobs, outcomes, strict=True)]


def _minutes(bundle: Bundle[Run]) -> int:
    """Return a generous time limit; a job that exceeds it continues in another job."""
    operations = sum(run.operations for stack in bundle for run in stack)
    return LEAST_MINUTES + math.ceil(operations / SLOWEST / 60)


def _memory(bundle: Bundle[Run]) -> float:
    """Return the memory of a job in GiB, with twice the estimate for its largest stack."""
    largest = max(sum(run.memory for run in stack) for stack in bundle)
    return round(PROCESS + 2 * largest / 2**30, 2)
