"""A recorded run: its start and end lines; its metrics and tables are read when needed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from bpexp.nn.tasks import TASKS
from bpexp.record.export import read_tables
from bpexp.record.history import History, ends, read, status
from bpexp.record.metrics import Columns, final_metrics, measurement_columns, start_metrics

T = TypeVar("T")


class RunMetrics(NamedTuple):
    """The metrics of a run's row.

    Attributes:
        epoch: epochs done.
        final: see `bpexp.record.metrics.final_metrics`.
        initial: see `bpexp.record.metrics.start_metrics`.
    """

    epoch: float
    final: dict[str, float]
    initial: dict[str, float]


@dataclass(frozen=True)
class Run:
    """A run on disk.

    Attributes:
        folder: the run's folder.
        start: the first line of its journal.
        end: the end line, or None.
    """

    folder: Path
    start: dict[str, Any]
    end: dict[str, Any] | None

    @classmethod
    def at(cls, folder: Path) -> Self | None:
        """Read the first and the last line of a journal; None if the run has not started.

        Raises:
            JournalError: one of the two lines is damaged.
        """
        start, end = ends(folder)
        return cls(folder, start, end) if start else None

    @property
    def identity(self) -> str:
        """The run's identity."""
        return str(self.start["identity"])

    @property
    def task(self) -> str:
        """The name of the run's task; journals of version 0.1, which had one task, lack it."""
        return str(self.start.get("task", "classification"))

    @property
    def chance(self) -> float:
        """The primary metric of the best constant guess on the training split.

        In journals of version 0.1 this is `train_chance`, and `chance` is that on the test split.
        """
        return float(self.start.get("train_chance", self.start["chance"]))

    @property
    def chance_test(self) -> float:
        """The primary metric of that guess on the test split; NaN if it was not recorded."""
        name = "chance" if "train_chance" in self.start else "chance/test"
        return float(self.start.get(name, math.nan))

    def guess(self, split: str) -> float:
        """Return `chance` or, for the test split, `chance_test` if it was recorded."""
        recorded = self.chance_test if split == "test" else self.chance
        return self.chance if math.isnan(recorded) else recorded

    @property
    def status(self) -> str:
        """FINISHED, FAILED or KILLED, as the run ended; RUNNING without an end line."""
        return status(self.end)

    @property
    def finished(self) -> bool:
        """Whether the run was trained to its end or diverged."""
        return self.status == "FINISHED"

    @cached_property
    def metrics(self) -> RunMetrics:
        """The run's metrics, from its end line.

        The journal is parsed if there is no end line, or if version 0.1 wrote it without metrics.
        """
        if self.end is not None and "final" in self.end:
            return RunMetrics(self.end["epoch"], self.end["final"], self.end["initial"])
        history = read(self.folder)
        epoch = history.observations[-1]["epoch"] if history.observations else 0.0
        return RunMetrics(epoch, final_metrics(history), start_metrics(history))

    def score(self, split: str) -> float:
        """Return the final value of the task's primary metric; NaN if it is not finite."""
        return self.metrics.final.get(f"{TASKS[self.task].metric}/{split}", math.nan)

    def tables(self, *names: str) -> dict[str, Columns]:
        """Return tables of `bpexp.record.export.TABLES` or of instruments, by name; all by default.

        They are read from Parquet if the run is finished, otherwise from its journal.
        """
        return read_tables(self.folder, names, self.start, self.end)

    def measurements(self, instrument: str) -> Columns:
        """Return all values of an instrument; no rows if the run did not measure it.

        Returns:
            Columns as `bpexp.record.metrics.measurement_columns` returns them; none if neither the
            journal nor INSTRUMENTS has the instrument.
        """
        dims = History(self.start).dims(instrument)
        if dims is not None and dims != ("layer",):
            return self.tables(instrument)[instrument]
        layers = self.tables("layers")["layers"]
        if instrument in layers:
            return {name: layers[name] for name in ("step", "epoch", "layer", instrument)}
        return measurement_columns(History(self.start), instrument)


def newest(runs: Iterable[tuple[str, tuple[float, ...], T]]) -> list[T]:
    """Return the run of each configuration that supersedes the others.

    Args:
        runs: for each run its configuration (see `bpexp.config.identity.configuration`), its rank,
            which begins with algorithm and attempt, and the object to return.
    """
    latest: dict[str, tuple[tuple[float, ...], T]] = {}
    for configuration, rank, run in runs:
        if configuration not in latest or rank > latest[configuration][0]:
            latest[configuration] = rank, run
    return [run for _, run in latest.values()]
