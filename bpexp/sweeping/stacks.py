"""Train one stack of runs and record each in its journal."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from threadpoolctl import threadpool_limits

from bpexp.analysis.verdict import Evidence, verdict
from bpexp.config import ALGORITHM, Config
from bpexp.data import Dataset
from bpexp.errors import StorageError
from bpexp.executors import DEFERRED, Interrupt, Report
from bpexp.nn import Choice, Network
from bpexp.nn.stack import Stack, initial_theta
from bpexp.nn.tasks import find_task
from bpexp.record.files import make_folder, replacing
from bpexp.record.history import JournalError
from bpexp.record.journal import InUseError, Journal, read_checkpoint
from bpexp.record.layout import CHECKPOINT, REGISTERED, TRACEBACK, WEIGHTS
from bpexp.record.observations import dimensions
from bpexp.register import load_plugins, used
from bpexp.secrets import without_secrets
from bpexp.sweeping.member import Member, dataset
from bpexp.training import STOPS, Record, Trainer, run
from bpexp.version import VERSION


def train_stack(members: Sequence[Member], progress: Report, interrupt: Interrupt, /) -> list[str]:
    """Train a stack to its end.

    If a stack of several runs raises an exception, each run is trained alone, so that only the
    faulty run fails.

    Args:
        members: the runs.
        progress: called after each epoch.
        interrupt: training stops at the end of the epoch after it is requested.

    Returns:
        The status of each run: FINISHED, FAILED, KILLED or DEFERRED.

    Raises:
        StorageError: the disk is full; journals and checkpoints remain valid.
    """
    load_plugins()  # not loaded yet in a new process
    taken: dict[str, Journal] = {}
    with ExitStack() as resources:  # a failure is written before the journals are closed
        resources.enter_context(threadpool_limits(members[0].config.threads, user_api="blas"))
        try:
            for member in members:
                _take(member, taken, resources)
            free = [member for member in members if member.identity in taken]
            trained: dict[str, str] = {}
            if free:
                statuses = _StackRun(free, [*taken.values()], progress, interrupt).run()
                trained = {m.identity: status for m, status in zip(free, statuses, strict=True)}
            return [trained.get(member.identity, DEFERRED) for member in members]
        except StorageError:
            raise
        except Exception:
            if len(members) == 1:
                (member,) = members
                _record_failure(member, taken.get(member.identity), traceback.format_exc())
                return ["FAILED"]
    return [train_stack([member], progress, interrupt)[0] for member in members]


def _take(member: Member, taken: dict[str, Journal], resources: ExitStack) -> None:
    """Open a run's journal, unless another process has it open or has trained the run since."""
    try:
        journal = resources.enter_context(Journal(member.folder))
    except InUseError:
        return
    taken[member.identity] = journal
    if member.refreshed() != member:
        del taken[member.identity]


def make_trainer(members: Sequence[Member]) -> Trainer:
    """Return the trainer of a stack at step 0.

    Args:
        members: the stack's runs.
    """
    configs, data = [member.config for member in members], dataset(members[0].config)
    shape, batch = configs[0].architecture(data), data.x_train[: configs[0].probe.examples]
    rows = [initial_theta(shape, config.init, config.seed, batch) for config in configs]
    return trainer_of(configs, Stack.of(shape, rows, configs[0].dtype), data)


def trainer_of(configs: Sequence[Config], stack: Stack, data: Dataset) -> Trainer:
    """Return the trainer of networks on a data set.

    Args:
        configs: the configuration of each network; they differ in lr, seed and init only.
        stack: the networks.
        data: the data set.
    """
    shared = configs[0]
    return Trainer(
        stack,
        data,
        learning_rates=[config.lr for config in configs],
        seeds=[config.seed for config in configs],
        optimizer=shared.optimizer,
        batch_size=shared.batch_size,
        schedule=shared.schedule,
        epochs=shared.epochs,
        frozen=shared.frozen,
        probe_examples=shared.probe.examples,
        instruments=shared.instruments,
    )


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
            _keep_sources(member)
        self._earlier = [0.0] * len(members)
        self._trainer = self._resumed()
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
            if not record.metrics:
                continue
            continues = not record.ended.all()
            if record.epoch > 0:
                if continues and self._due():
                    self._checkpoint(record)
                left = (config.epochs - int(record.epoch)) * int(record.ended.sum())
                self._progress(len(record.rows) + left)
            if continues and self._interrupt.requested:
                if record.epoch > 0:
                    self._checkpoint(record)
                self._stop(record)
                break
        return self._statuses

    def _resumed(self) -> Trainer:
        """Return the trainer, restored from the runs' checkpoints if there are any."""
        trainer = make_trainer(self._members)
        checkpoints = [read_checkpoint(member.folder) for member in self._members]
        resumed = [state for state in checkpoints if state is not None]
        if resumed:
            trainer.restore(resumed)
            ends = [journal.history.end or {} for journal in self._journals]
            self._earlier = [
                float(end.get("seconds", state.get("seconds", 0)))
                for end, state in zip(ends, resumed, strict=True)
            ]
        return trainer

    def _write(self, record: Record) -> None:
        for r, row in enumerate(record.rows):
            self._journals[row].observe(record.of(r))
            if record.ended[r]:
                self._finish(int(row), r, int(record.diverged_at[r]) or None)

    def _finish(self, row: int, r: int, diverged_at: int | None) -> None:
        member, journal = self._members[row], self._journals[row]
        with replacing(member.folder / WEIGHTS) as file:
            Network.of(self._trainer.stack, r, dataset(self._config).classes).save(file)
        found = verdict(
            Evidence.of(
                [{**seen.layers, **seen.arrays} for seen in journal.observations if seen.layers],
                [seen.metrics for seen in journal.observations if seen.metrics],
                task=find_task(self._shape.task),
                chance=dataset(self._config).chance,
                frozen=member.config.frozen,
                diverged_at=diverged_at,
            )
        )
        journal.end(
            "FINISHED",
            seconds=self._seconds(row),
            diverged_at=diverged_at,
            **found.fields(),
        )
        for name in (CHECKPOINT, TRACEBACK):  # of an earlier session
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
                seconds = {"seconds": np.array(self._seconds(row))}
                self._journals[row].checkpoint(self._trainer.state(r) | seconds)
        self._saved = (self._trainer.epoch, time.perf_counter())

    def _stop(self, record: Record) -> None:
        for r, row in enumerate(record.rows):
            if not record.ended[r]:
                self._journals[row].end("KILLED", seconds=self._seconds(row))

    def _seconds(self, row: int) -> float:
        """Return a run's wall time in seconds over all sessions, divided by the runs of the stack.

        The time of a session that was killed ends at its last checkpoint.
        """
        session = time.perf_counter() - self._begun
        return self._earlier[row] + session / len(self._members)


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
        **{"chance/test": data.chance_test},
        dimensions=dimensions(member.config.instruments),
        versions={"bpexp": VERSION, "numpy": np.__version__},
        **({"program": member.program} if member.program else {}),
    )


def _keep_sources(member: Member) -> None:
    """Copy the files of functions that a script registered and the run uses.

    The copies are for served models; nothing else executes them.
    """
    choices = [(k, v) for k, v in vars(member.config).items() if isinstance(v, Choice)]
    for file in {row.file for row in used(choices) if row.file and not row.package}:
        make_folder(member.folder / REGISTERED)
        with replacing(member.folder / REGISTERED / file.name) as copy:
            copy.write(file.read_bytes())


def fail(member: Member, text: str) -> None:
    """Record that a run failed: traceback.txt in its folder and the end line of its journal.

    If another process has the journal open, nothing is written. If the journal is damaged, only
    traceback.txt is written.

    Args:
        member: the run.
        text: the traceback or the reason, whose last line becomes the journal's `error`.
    """
    try:
        with Journal(member.folder) as journal:
            _record_failure(member, journal, text)
    except InUseError:
        pass
    except JournalError:
        _record_failure(member, None, text)


def _record_failure(member: Member, journal: Journal | None, text: str) -> None:
    """Write a failure to a run's folder and, if it could be opened, to its journal."""
    text = without_secrets(text)
    with replacing(member.folder / TRACEBACK) as file:
        file.write(text.encode())
    if journal is not None:
        _start(member, journal)
        journal.end("FAILED", error=text.strip().rpartition("\n")[2])
