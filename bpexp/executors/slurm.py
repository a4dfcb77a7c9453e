"""Training in jobs of a Slurm cluster, which live on without the process that submitted them."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic

from bpexp.executors import slurm_queue
from bpexp.executors.held import HeldRuns
from bpexp.executors.protocol import Run, RunStack, Session
from bpexp.executors.remote import regrouped, require_package
from bpexp.executors.slurm_job import StackJob

FOLDER = "slurm"  # in the study's folder: submitted work, logs, and what became of it
JOBS = "jobs.jsonl"
WORKERS = 32  # jobs at once, if `jobs` is null
POLL = 2.0  # seconds between questions to Slurm's controller
GRACE = 20.0  # seconds for files to be seen through a shared file system
PROCESS = 0.5  # GiB of a process before it has read any data
RATE = 2e8  # operations a second of a slow core, for the time limit
LEAST_MINUTES = 10


class SlurmExecutor:
    """Train in Slurm jobs, one a stack; folders must be on a file system that all nodes share."""

    def __init__(
        self,
        *,
        partition: str | None = None,
        account: str | None = None,
        minutes: int | None = None,
        memory: float | None = None,
        cores: int = 1,
    ) -> None:
        """Take what the configuration says.

        Args:
            partition: of the cluster; null: its default.
            account: to charge; null: the user's default.
            minutes: the time limit of a job; null: by the size of the largest stack.
            memory: of a job, GiB; null: by the size of the largest stack.
            cores: of a job. A run uses as many as its key `threads` says.

        Raises:
            ValueError: a number is out of range, or the package submitit is not installed.
        """
        require_package("submitit", "slurm")
        for name, value in (("minutes", minutes), ("memory", memory), ("cores", cores)):
            if value is not None and value <= 0:
                raise ValueError(f"{name}: {value} is not above 0")
        self._partition, self._account = partition, account
        self._minutes, self._memory, self._cores = minutes, memory, cores

    def workers(self) -> int:
        """Return how many jobs run at once if `jobs` is null; see `Executor.workers`."""
        return WORKERS

    def run(self, stacks: Sequence[RunStack[Run]], session: Session[Run]) -> dict[str, str]:
        """Train all stacks; see `Executor.run`.

        A signal ends the waiting. The jobs go on, and the same command finds them again.
        """
        slurm_queue.require()
        session.meanwhile()
        folder = stacks[0][0].folder.parent / FOLDER
        return _Jobs(folder, session, self).run(stacks)

    def submit(
        self, stacks: Sequence[RunStack[Run]], folder: Path, session: Session[Run]
    ) -> list[tuple[str, Path]]:
        """Submit stacks as an array of jobs; return each job's number and its outcome's file."""
        import submitit

        executor = submitit.AutoExecutor(folder=folder / "%A", cluster="slurm")
        executor.update_parameters(
            name="bpexp",
            timeout_min=self._minutes or max(map(_minutes, stacks)),
            mem_gb=self._memory or max(map(_memory, stacks)),
            cpus_per_task=self._cores,
            slurm_array_parallelism=session.jobs,
            slurm_partition=self._partition,
            slurm_account=self._account,
        )
        outcomes = [folder / f"{uuid.uuid4().hex}.json" for _ in stacks]
        jobs = executor.map_array(StackJob(session.train), stacks, outcomes)
        return [(job.job_id, path) for job, path in zip(jobs, outcomes, strict=True)]


class _Jobs(Generic[Run]):
    """The jobs of a sweep: those submitted now, and those of the same command before."""

    def __init__(self, folder: Path, session: Session[Run], executor: SlurmExecutor) -> None:
        self._folder, self._session, self._executor = folder, session, executor
        self._held = HeldRuns(session)
        self._statuses: dict[str, str] = {}
        self._alive: dict[str, tuple[RunStack[Run], Path]] = {}
        self._missing: dict[str, float] = {}  # since when a job has not been in the queue
        self._retried: set[str] = set()
        self._submitted: dict[str, int] = {}  # the epoch from which a run's last job began
        self._seen: dict[str, int] = {}  # the epoch of the last report

    def run(self, stacks: Sequence[RunStack[Run]]) -> dict[str, str]:
        session = self._session
        self._seen = {run.identity: run.epoch for stack in stacks for run in stack}
        waiting = deque(self._without_submitted(stacks))
        while not session.ending(self._statuses):
            waiting += self._held.release(self._statuses)
            if waiting:
                self._submit(waiting)
            if not (self._alive or self._held):
                return self._statuses
            self._wait()
            self._check(waiting)
        if self._alive and not session.interrupt.requested:
            slurm_queue.cancel([*self._alive])
        elif self._alive:
            session.note(
                f"slurm: {len(self._alive)} jobs go on; the same command waits for them, and "
                f"`scancel {' '.join(sorted({job.partition('_')[0] for job in self._alive}))}` "
                "ends them"
            )
        return self._statuses

    def _submit(self, waiting: deque[RunStack[Run]]) -> None:
        self._folder.mkdir(exist_ok=True)
        most = slurm_queue.largest_array()
        while waiting:
            part = [waiting.popleft() for _ in range(min(most, len(waiting)))]
            jobs = self._executor.submit(part, self._folder, self._session)
            with (self._folder / JOBS).open("a") as file:
                for stack, (job, outcome) in zip(part, jobs, strict=True):
                    self._alive[job] = stack, outcome
                    self._submitted |= {run.identity: run.epoch for run in stack}
                    runs = [run.identity for run in stack]
                    file.write(json.dumps({"job": job, "runs": runs, "outcome": outcome.name}))
                    file.write("\n")
            array = jobs[0][0].partition("_")[0]
            count = f"{len(jobs)} job{'s' * (len(jobs) > 1)}"
            self._session.note(
                f"slurm: {count} submitted as {array}; logs in {self._folder / array}"
            )

    def _without_submitted(self, stacks: Sequence[RunStack[Run]]) -> Iterator[RunStack[Run]]:
        """Yield what is to be submitted; runs of jobs that are in the queue are waited for."""
        runs = {run.identity: run for stack in stacks for run in stack}
        queued = slurm_queue.states() or {}
        for job, line in _recorded(self._folder):
            ours = [runs.pop(identity) for identity in line["runs"] if identity in runs]
            if ours and job in queued:
                self._alive[job] = tuple(ours), self._folder / line["outcome"]
            else:
                runs |= {run.identity: run for run in ours}
        if self._alive:
            self._session.note(f"slurm: {len(self._alive)} jobs of an earlier command go on")
        for stack in stacks:
            if rest := tuple(run for run in stack if run.identity in runs):
                yield rest

    def _wait(self) -> None:
        end = time.monotonic() + POLL
        while time.monotonic() < end and not self._session.interrupt.requested:
            time.sleep(0.1)

    def _check(self, waiting: deque[RunStack[Run]]) -> None:
        """Take the outcomes of jobs that are over, and put back what died."""
        queued = slurm_queue.states()
        for job, (stack, path) in [*self._alive.items()]:
            if path.exists():
                outcome = json.loads(path.read_text())
                self._statuses |= self._held.keep_deferred(
                    stack, [outcome.get(run.identity, "KILLED") for run in stack]
                )
                del self._alive[job]
                self._report(stack)
            elif queued is None:  # the controller does not answer, and jobs may be well
                continue
            elif job in queued:
                self._missing.pop(job, None)
                if queued[job] == "RUNNING":
                    self._report(stack)
            elif time.monotonic() - self._missing.setdefault(job, time.monotonic()) >= GRACE:
                del self._alive[job]
                self._put_back(job, stack, waiting)

    def _put_back(self, job: str, stack: RunStack[Run], waiting: deque[RunStack[Run]]) -> None:
        """Put back the runs of a job that ended without an outcome, unless it was cancelled."""
        state = slurm_queue.final_state(job)
        self._statuses |= {run.identity: "FINISHED" for run in stack if run.refreshed().finished}
        for left in regrouped([stack]):
            if state == "CANCELLED":
                self._statuses |= {run.identity: "KILLED" for run in left}
            elif state == "TIMEOUT" and left[0].epoch > self._submitted.get(left[0].identity, 0):
                waiting.append(left)
            else:
                for run in left:
                    self._retry(run, f"{job}: {state}", waiting)

    def _retry(self, run: Run, why: str, waiting: deque[RunStack[Run]]) -> None:
        """Put back a run whose job died, alone and once."""
        if run.identity in self._retried:
            self._session.fail(run, f"its Slurm job died twice ({why})")
            self._statuses[run.identity] = "FAILED"
        else:
            self._retried.add(run.identity)
            waiting.append((run,))

    def _report(self, stack: RunStack[Run]) -> None:
        """Report the epochs that checkpoints and finished runs show."""
        for run in stack:
            epoch = run.refreshed().epoch
            self._session.report(epoch - self._seen.get(run.identity, epoch))
            self._seen[run.identity] = epoch


def _recorded(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the jobs that were submitted from a study's folder, the newest first."""
    path = folder / JOBS
    lines = path.read_text().splitlines() if path.exists() else []
    for text in reversed(lines):
        line = json.loads(text)
        yield line["job"], line


def _minutes(stack: RunStack[Run]) -> int:
    """Return a time limit with much to spare: Slurm kills what exceeds it, and it goes on anew."""
    return LEAST_MINUTES + math.ceil(sum(run.operations for run in stack) / RATE / 60)


def _memory(stack: RunStack[Run]) -> float:
    """Return GiB for a job, twice what its arrays take."""
    return round(PROCESS + 2 * sum(run.memory for run in stack) / 2**30, 2)
