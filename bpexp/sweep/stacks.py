"""Train one stack of runs and record each in its journal: the work of a worker."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from threadpoolctl import threadpool_limits

import bpexp
from bpexp.analysis.verdict import Evidence, verdict
from bpexp.config import ALGORITHM
from bpexp.errors import StorageError
from bpexp.executors import DEFERRED, Interrupt, Report
from bpexp.nn import Network
from bpexp.nn.stack import Stack, initial_theta
from bpexp.nn.tasks import find_task
from bpexp.record.files import replacing
from bpexp.record.journal import InUseError, Journal, read_checkpoint
from bpexp.record.layout import CHECKPOINT, TRACEBACK, WEIGHTS
from bpexp.record.observations import dimensions
from bpexp.sweep.plan import Member, dataset
from bpexp.training import STOPS, Record, Trainer, run


def train_stack(members: Sequence[Member], progress: Report, interrupt: Interrupt, /) -> list[str]:
    """Train a stack to its end.

    If a stack of several runs raises, each run is tried alone, so that only the one at fault fails.

    Args:
        members: the runs.
        progress: called after each epoch.
        interrupt: training stops at the end of the epoch after it is requested.

    Returns:
        The status of each run: FINISHED, FAILED, KILLED or DEFERRED.

    Raises:
        StorageError: the disk is full; journals and checkpoints remain valid.
    """
    try:
        with ExitStack() as resources:
            taken = {m.identity: _take(m, resources) for m in members}
            free = [m for m in members if taken[m.identity] is not None]
            trained: dict[str, str] = {}
            if free:
                journals = [journal for journal in taken.values() if journal is not None]
                threads = members[0].config.threads
                resources.enter_context(threadpool_limits(threads, user_api="blas"))
                statuses = _StackRun(free, journals, progress, interrupt).run()
                trained = {m.identity: status for m, status in zip(free, statuses, strict=True)}
            return [trained.get(member.identity, DEFERRED) for member in members]
    except StorageError:
        raise
    except Exception:
        if len(members) == 1:
            fail(members[0], traceback.format_exc())
            return ["FAILED"]
    return [train_stack([member], progress, interrupt)[0] for member in members]


def _take(member: Member, resources: ExitStack) -> Journal | None:
    """Open a run's journal; None if another process has it or the run is not as planned."""
    try:
        journal = resources.enter_context(Journal(member.folder))
    except InUseError:
        return None
    return journal if member.refreshed() == member else None


class _StackRun:
    """A stack in training: its trainer, its journals and the status of each run."""

    def __init__(
        self,
        members: Sequence[Member],
        journals: Sequence[Journal],
        progress: Report,
        interrupt: Interrupt,
    ) -> None:
        self._members, self._journals = members, journals
        self._progress, self._interrupt = progress, interrupt
        self._config = members[0].config
        self._shape = self._config.architecture(dataset(self._config))
        for member, journal in zip(members, journals, strict=True):
            _start(member, journal)
        self._trainer = self._make_trainer()
        self._statuses = ["KILLED"] * len(members)
        self._begun = time.perf_counter()
        self._saved = (self._trainer.epoch, self._begun)

    def run(self) -> list[str]:
        config = self._config
        records = run(
            self._trainer,
            epochs=config.epochs,
            stop=config.stop.build(STOPS),
            probe_every=config.probe.every,
        )
        for record in records:
            self._write(record)
            if record.metrics and record.epoch > 0:
                left = (config.epochs - int(record.epoch)) * int(record.ended.sum())
                self._progress(len(record.rows) + left)
            if record.metrics and not record.ended.all():
                if record.epoch > 0 and (self._interrupt.requested or self._due()):
                    self._checkpoint(record)
                if self._interrupt.requested:
                    self._stop(record)
                    break
        return self._statuses

    def _make_trainer(self) -> Trainer:
        config, data = self._config, dataset(self._config)
        checkpoints = [read_checkpoint(member.folder) for member in self._members]
        resumed = [state for state in checkpoints if state is not None]
        rows = [np.zeros(self._shape.n_parameters)] * len(self._members)
        if not resumed:
            batch = data.x_train[: config.probe.examples]
            rows = [
                initial_theta(self._shape, m.config.init, m.config.seed, batch)
                for m in self._members
            ]
        trainer = Trainer(
            Stack.of(self._shape, rows, config.dtype),
            data,
            learning_rates=[m.config.lr for m in self._members],
            seeds=[m.config.seed for m in self._members],
            optimizer=config.optimizer,
            batch_size=config.batch_size,
            schedule=config.schedule,
            epochs=config.epochs,
            frozen=config.frozen,
            probe_examples=config.probe.examples,
            instruments=config.instruments,
        )
        if resumed:
            trainer.restore(resumed)
        return trainer

    def _write(self, record: Record) -> None:
        for r, row in enumerate(record.rows):
            self._journals[row].observe(record.of(r))
            if record.ended[r]:
                self._finish(int(row), r, int(record.diverged_at[r]) or None)

    def _finish(self, row: int, r: int, diverged_at: int | None) -> None:
        member, journal = self._members[row], self._journals[row]
        with replacing(member.folder / WEIGHTS) as file:
            Network.of(self._trainer.stack, r).save(file)
        word, evidence = verdict(
            Evidence.of(
                [seen.layers for seen in journal.observations if seen.layers],
                [seen.metrics for seen in journal.observations if seen.metrics],
                task=find_task(self._shape.task),
                chance=dataset(self._config).train_chance,
                frozen=member.config.frozen,
                diverged_at=diverged_at,
            )
        )
        journal.end(
            "FINISHED",
            seconds=self._seconds(),
            verdict=word,
            evidence=evidence,
            diverged_at=diverged_at,
        )
        for name in (CHECKPOINT, TRACEBACK):  # of an earlier try
            (member.folder / name).unlink(missing_ok=True)
        self._statuses[row] = "FINISHED"

    def _due(self) -> bool:
        every, seconds = self._config.checkpoint.every, self._config.checkpoint.seconds
        epoch, moment = self._saved
        return (every is not None and self._trainer.epoch - epoch >= every) or (
            seconds is not None and time.perf_counter() - moment >= seconds
        )

    def _checkpoint(self, record: Record) -> None:
        for r, row in enumerate(record.rows):
            if not record.ended[r]:
                self._journals[row].checkpoint(self._trainer.state(r))
        self._saved = (self._trainer.epoch, time.perf_counter())

    def _stop(self, record: Record) -> None:
        for r, row in enumerate(record.rows):
            if not record.ended[r]:
                self._journals[row].end("KILLED", seconds=self._seconds())

    def _seconds(self) -> float:
        """Return the wall time so far divided by the number of runs."""
        return (time.perf_counter() - self._begun) / len(self._members)


def _start(member: Member, journal: Journal) -> None:
    data = dataset(member.config)
    journal.start(
        identity=member.identity,
        attempt=member.attempt,
        algorithm=ALGORITHM,
        name=member.name,
        config=member.config.nested(),
        digest=data.digest,
        data={"name": data.name, "source": data.source},
        sizes=member.config.architecture(data).sizes,
        task=data.task,
        chance=data.chance,
        train_chance=data.train_chance,
        dimensions=dimensions(member.config.instruments),
        versions={"bpexp": bpexp.__version__, "numpy": np.__version__},
    )


def fail(member: Member, text: str) -> None:
    """Record that a run failed: traceback.txt in its folder and the end line of its journal.

    Args:
        member: the run.
        text: the traceback, or the reason; its last line becomes the journal's `error`.
    """
    with Journal(member.folder) as journal:
        _start(member, journal)
        with replacing(member.folder / TRACEBACK) as file:
            file.write(text.encode())
        journal.end("FAILED", error=text.strip().rpartition("\n")[2])
