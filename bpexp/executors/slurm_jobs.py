"""The Slurm jobs of a sweep: submit them, and poll the queue and their outcome files."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic

from bpexp.executors import slurm_queue
from bpexp.executors.held import HeldRuns
from bpexp.executors.protocol import Run, RunStack, Session
from bpexp.executors.remote import regrouped
from bpexp.executors.slurm_job import Bundle

JOBS = "jobs.jsonl"
POLL = 2.0  # seconds between queries of Slurm's controller
GRACE = 20.0  # seconds until a file is visible on a shared file system

Submit = Callable[[Sequence[Bundle[Run]]], list[tuple[str, Path]]]
"""Submits an array of jobs and returns the number and the outcome file of each job."""


class Jobs(Generic[Run]):
    """The jobs of a sweep, submitted by this command or earlier by the same command."""

    def __init__(
        self, folder: Path, session: Session[Run], submit: Submit[Run], least: float
    ) -> None:
        """Begin without jobs.

        Args:
            folder: the folder of the outcome files and of the list of submitted jobs.
            session: the functions and settings of the sweep.
            submit: submits jobs.
            least: the least operations of a bundle, see `bundled`.
        """
        self._folder, self._session = folder, session
        self._submit_array, self._least = submit, least
        self._held = HeldRuns(session)
        self._statuses: dict[str, str] = {}
        self._alive: dict[str, tuple[Bundle[Run], Path]] = {}
        self._missing: dict[str, float] = {}  # the time at which a job was first not in the queue
        self._retried: set[str] = set()
        self._submitted: dict[str, int] = {}  # the epoch at which a run's last job began
        self._seen: dict[str, int] = {}  # the epoch of the last report

    def run(self, stacks: Sequence[RunStack[Run]]) -> dict[str, str]:
        """Train all stacks; see `Executor.run`."""
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
                f"slurm: {len(self._alive)} jobs continue; the same command waits for them, and "
                f"`scancel {' '.join(sorted({job.partition('_')[0] for job in self._alive}))}` "
                "ends them"
            )
        return self._statuses

    def _submit(self, waiting: deque[RunStack[Run]]) -> None:
        self._folder.mkdir(exist_ok=True)
        most = slurm_queue.largest_array()
        bundles = bundled(waiting, self._least)
        waiting.clear()
        for begin in range(0, len(bundles), most):
            part = bundles[begin : begin + most]
            jobs = self._submit_array(part)
            with (self._folder / JOBS).open("a") as file:
                for bundle, (job, outcome) in zip(part, jobs, strict=True):
                    self._alive[job] = bundle, outcome
                    self._submitted |= {run.identity: run.epoch for run in _runs(bundle)}
                    runs = [run.identity for run in _runs(bundle)]
                    file.write(json.dumps({"job": job, "runs": runs, "outcome": outcome.name}))
                    file.write("\n")
            array = jobs[0][0].partition("_")[0]
            count = f"{len(jobs)} job{'s' * (len(jobs) > 1)}"
            self._session.note(
                f"slurm: {count} submitted as {array}; logs in {self._folder / array}"
            )

    def _without_submitted(self, stacks: Sequence[RunStack[Run]]) -> Iterator[RunStack[Run]]:
        """Yield the runs to submit; add the jobs that are in the queue already to the others."""
        queued = slurm_queue.states() or {}
        fresh = [run.refreshed() for stack in stacks for run in stack]  # a job may have ended since
        self._statuses |= {run.identity: "FINISHED" for run in fresh if run.finished}
        runs = {run.identity: run for run in fresh if not run.finished}
        for job, line in _recorded(self._folder):
            ours = [runs.pop(identity) for identity in line["runs"] if identity in runs]
            if ours and job in queued:
                self._alive[job] = (tuple(ours),), self._folder / line["outcome"]
            else:
                runs |= {run.identity: run for run in ours}
        if self._alive:
            self._session.note(f"slurm: {len(self._alive)} jobs of an earlier command continue")
        for stack in stacks:
            yield from regrouped([tuple(run for run in stack if run.identity in runs)])

    def _wait(self) -> None:
        end = time.monotonic() + POLL
        while time.monotonic() < end and not self._session.interrupt.requested:
            time.sleep(0.1)

    def _check(self, waiting: deque[RunStack[Run]]) -> None:
        """Read the outcomes of ended jobs, and queue the runs of jobs that died."""
        queued = slurm_queue.states()
        for job, (bundle, path) in [*self._alive.items()]:
            if path.exists():
                outcome = json.loads(path.read_text())
                for stack in bundle:
                    statuses = [outcome.get(run.identity, "KILLED") for run in stack]
                    self._statuses |= self._held.keep_deferred(stack, statuses)
                del self._alive[job]
                self._report(bundle)
            elif queued is None:  # the controller does not answer; the job may be running
                continue
            elif job in queued:
                self._missing.pop(job, None)
                if queued[job] == "RUNNING":
                    self._report(bundle)
            elif time.monotonic() - self._missing.setdefault(job, time.monotonic()) >= GRACE:
                del self._alive[job]
                self._put_back(job, bundle, waiting)

    def _put_back(self, job: str, bundle: Bundle[Run], waiting: deque[RunStack[Run]]) -> None:
        """Queue the runs of a job that ended without an outcome, unless it was cancelled."""
        state = slurm_queue.final_state(job)
        runs = [run.refreshed() for run in _runs(bundle)]
        self._statuses |= {run.identity: "FINISHED" for run in runs if run.finished}
        moved = any(run.epoch > self._submitted.get(run.identity, 0) for run in runs)
        for stack in regrouped(bundle):
            if state == "CANCELLED":
                self._statuses |= {run.identity: "KILLED" for run in stack}
            elif state == "TIMEOUT" and moved:
                waiting.append(stack)
            else:
                for run in stack:
                    self._retry(run, f"{job}: {state}", waiting)

    def _retry(self, run: Run, why: str, waiting: deque[RunStack[Run]]) -> None:
        """Queue a run whose job died, alone and only once."""
        if run.identity in self._retried:
            self._session.fail(run, f"its Slurm job died twice ({why})")
            self._statuses[run.identity] = "FAILED"
        else:
            self._retried.add(run.identity)
            waiting.append((run,))

    def _report(self, bundle: Bundle[Run]) -> None:
        """Report the epochs done, according to checkpoints and finished runs."""
        for run in _runs(bundle):
            epoch = run.refreshed().epoch
            self._session.report(epoch - self._seen.get(run.identity, epoch))
            self._seen[run.identity] = epoch


def _recorded(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the listed jobs of a folder, newest first: each job's number and its line."""
    path = folder / JOBS
    lines = path.read_text().splitlines() if path.exists() else []
    for text in reversed(lines):
        line = json.loads(text)
        yield line["job"], line


def _runs(bundle: Bundle[Run]) -> list[Run]:
    return [run for stack in bundle for run in stack]


def bundled(stacks: Sequence[RunStack[Run]], least: float) -> list[Bundle[Run]]:
    """Return stacks in bundles of at least `least` operations each; the last may have fewer."""
    bundles: list[list[RunStack[Run]]] = [[]]
    done = 0.0
    for stack in stacks:
        if done >= least:
            bundles.append([])
            done = 0.0
        bundles[-1].append(stack)
        done += sum(run.operations for run in stack)
    return [tuple(bundle) for bundle in bundles if bundle]
