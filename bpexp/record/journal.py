"""The journal: a run's append-only record, from which its tables and metrics can be computed.

`journal.jsonl` holds one JSON object a line, in the order in which they were written. NaN and
Infinity are written as Python's json module does. Kinds of lines:

    start        time, identity, attempt, algorithm (its number), name, config, digest, data (name,
                 source), sizes, task, chance, chance/test, versions (of bpexp and NumPy),
                 dimensions {instrument: [names]} of the values in arrays of observations
    observation  time, step, epoch, metrics {name: number}, layers {instrument: [number a layer]},
                 null where nothing was measured, and arrays {instrument: number or nested lists},
                 absent where there are none
    end          time, status (FINISHED, FAILED, KILLED), seconds, epoch (epochs done), final and
                 initial (metrics {name: number}); for a finished run verdict, verdict/...
                 (see `bpexp.analysis.verdict`), evidence, diverged_at and tables (names of the
                 Parquet tables), for a failed one error

A run that is continued after its end has further observations and another end line.
"""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from bpexp.errors import reason
from bpexp.record.export import write_config, write_tables
from bpexp.record.files import make_folder, replacing, space
from bpexp.record.history import History, JournalError, read
from bpexp.record.layout import CHECKPOINT, CONFIG, JOURNAL
from bpexp.record.locks import lock
from bpexp.record.metrics import final_metrics, start_metrics
from bpexp.record.observations import as_line, as_observation
from bpexp.secrets import without_secrets
from bpexp.training import Observation


class InUseError(JournalError):
    """A journal that another process has open for writing."""


class Journal:
    """A run's journal opened for writing, with a lock against other processes.

    Attributes:
        folder: the run's folder.
        history: the contents of the journal when it was opened.
        observations: all observations so far, in the order of their steps.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the folder's journal and take its lock.

        Raises:
            InUseError: another process has it open.
            JournalError: it is damaged.
            StorageError: the disk is full or read-only.
        """
        self.folder = folder
        make_folder(folder)
        path = folder / JOURNAL
        with space(folder):
            self._file = path.open("ab", buffering=0)
        if not _locked(self._file):
            self._file.close()
            raise InUseError(f"{folder}: another process trains this run")
        try:
            self.history = read(folder)
        except JournalError:
            self.close()
            raise
        complete = path.read_bytes().rfind(b"\n") + 1
        self._file.truncate(complete)
        self._held = {line["step"]: line for line in self.history.observations}
        self._start = self.history.start
        self.observations = [as_observation(line) for line in self.history.observations]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, **fields: Any) -> None:
        """Write the start line and config.yaml, without secrets, unless they exist."""
        if not self._start:
            fields = without_secrets(fields)
            self._append("start", fields)
            self._start = fields
        if not (self.folder / CONFIG).exists():
            write_config(self._start, self.folder)

    def observe(self, observation: Observation) -> None:
        """Write an observation, or compare it if the journal has one of the same step.

        Raises:
            JournalError: the two observations of a step differ.
        """
        line = as_line(observation)
        held = self._held.get(observation.step)
        if held is None:
            self._append("observation", line)
            self.observations.append(observation)
        elif json.dumps({key: held.get(key) for key in line}) != json.dumps(line):
            raise JournalError(
                f"{self.folder}: step {observation.step} differs from the recorded one; package "
                "versions, BLAS or processor may have changed; force=true trains anew"
            )

    def checkpoint(self, state: dict[str, NDArray[Any]]) -> None:
        """Flush the journal to the disk, then replace the checkpoint."""
        self.sync()
        with replacing(self.folder / CHECKPOINT) as file:
            np.savez(file, allow_pickle=False, **state)

    def end(self, status: str, **fields: Any) -> None:
        """Write the tables of a finished run, then the end line, and flush the journal to the disk.

        Args:
            status: FINISHED, FAILED or KILLED.
            fields: further fields of the end line.
        """
        fields = without_secrets(fields)
        history = History(self._start, [as_line(seen) for seen in self.observations])
        if status == "FINISHED":
            fields["tables"] = write_tables(history, self.folder)
        epoch = self.observations[-1].epoch if self.observations else 0.0
        metrics = {"final": final_metrics(history), "initial": start_metrics(history)}
        self._append("end", {"status": status, "epoch": epoch, **metrics, **fields})
        self.sync()

    def sync(self) -> None:
        """Flush the journal to the disk."""
        with space(self.folder):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def _append(self, kind: str, fields: dict[str, Any]) -> None:
        line = {"kind": kind, "time": round(time.time(), 3), **fields}
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with space(self.folder):
            if self._file.write(text) < len(text):  # readers ignore the incomplete line
                raise OSError(errno.ENOSPC, "No space left on device")


def _locked(file: IO[bytes]) -> bool:
    """Lock a journal and return whether that succeeded.

    The lock is tried for 0.1 s, because `in_use` of another process holds it for a moment.
    """
    deadline = time.monotonic() + 0.1
    while True:
        if lock(file, wait=False):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)


def in_use(folder: Path) -> bool:
    """Return whether a process has a run's journal open for writing.

    It is False on a file system without locks.
    """
    try:
        with (folder / JOURNAL).open("rb") as file:
            return not lock(file, shared=True, wait=False)
    except FileNotFoundError:
        return False


def read_checkpoint(folder: Path) -> dict[str, NDArray[Any]] | None:
    """Return the checkpoint's arrays, or None if there is no checkpoint.

    Raises:
        JournalError: it is damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # zipfile, zlib and numpy.lib.format raise many types
        raise JournalError(
            f"{path}: damaged: {reason(error)}; if it is deleted, the run begins again"
        ) from None
