"""The journal: a run's append-only record in its folder, the truth that all else mirrors.

A run's folder `runs/<study>/<identity>/` holds

    journal.jsonl    one JSON object a line: a start, observations, an end, in the order they came
    checkpoint.npz   what an unfinished run needs to go on
    weights.npz      the trained network, once the run is finished
    traceback.txt    if it raised

Lines are JSON in Python's dialect: NaN and Infinity stand as such. Kinds of lines:

    start        time, identity, attempt, name, config, digest, data (name, source), sizes, chance,
                 train_chance, versions (of bpexp and NumPy)
    observation  time, step, epoch, metrics {name: number}, layers {probe: [number a layer]},
                 spectra [singular values an example], if they are asked for
    end          time, status (FINISHED, FAILED, KILLED), seconds; for a finished run verdict,
                 evidence, diverged_at, and error for a failed one

Once it is mirrored, config.yaml, layers.parquet and spectra.parquet lie there too.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from bpexp.errors import BpexpError, reason
from bpexp.record.files import make_folder, replacing, space
from bpexp.training import Observation

RUNS = "runs"
FILE = "journal.jsonl"
CHECKPOINT = "checkpoint.npz"
WEIGHTS = "weights.npz"
TRACEBACK = "traceback.txt"
SWEEPS, SWEEP = "sweeps", "sweep.json"

# What each kind of line has at the least.
LINES = {
    "start": {"time", "identity", "attempt", "config"},
    "observation": {"time", "step", "epoch", "metrics", "layers"},
    "end": {"time", "status"},
}

DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class JournalError(BpexpError):
    """A journal that is damaged, in use, or contradicts what was computed again."""


class InUseError(JournalError):
    """A journal that another process has open for writing."""


@dataclass
class History:
    """What a journal holds.

    Attributes:
        start: the first line; empty for a journal without any whole line.
        observations: in the order of their steps.
        end: the end line if it is the last, else None: the run is, or was, under way.
        lines: how many whole lines there are.
    """

    start: dict[str, Any] = field(default_factory=dict)
    observations: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    lines: int = 0

    @property
    def status(self) -> str:
        """FINISHED, FAILED or KILLED, as the run ended, or RUNNING."""
        return str(self.end["status"]) if self.end else "RUNNING"


def read(folder: Path) -> History:
    """Read a run's journal; a torn last line, as a power cut leaves it, is dropped.

    Raises:
        JournalError: any other damage, with file and line.
    """
    history = History()
    for line in _lines(folder / FILE):
        match line["kind"]:
            case "start":
                history.start = history.start or line
            case "observation":
                history.observations.append(line)
        history.end = line if line["kind"] == "end" else None
        history.lines += 1
    return history


def first(folder: Path) -> dict[str, Any]:
    """Read the first line of a run's journal, its start; empty if there is none yet.

    Raises:
        JournalError: it is damaged.
    """
    path = folder / FILE
    with path.open("rb") as file:
        line = file.readline()
    start: dict[str, Any] = _parsed(path, 1, line) if line.endswith(b"\n") else {}
    return start


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline is torn
    try:
        parsed = json.loads(b"[%s]" % b",".join(lines))  # whose lines share their keys in memory
        if len(parsed) != len(lines):
            raise ValueError
        for number, line in enumerate(parsed, start=1):
            _check(line, number)
    except DAMAGE:
        parsed = [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]
    yield from parsed


def _parsed(path: Path, number: int, text: bytes) -> Any:
    """Parse one line.

    Raises:
        JournalError: it is damaged.
    """
    try:
        line = json.loads(text)
        _check(line, number)
    except DAMAGE:
        raise JournalError(
            f"{path}, line {number}: damaged; without its folder the run is trained anew"
        ) from None
    return line


def _check(line: Any, number: int) -> None:
    if not LINES[line["kind"]] <= line.keys() or (number == 1) != (line["kind"] == "start"):
        raise ValueError


class Journal:
    """A run's journal opened for writing; a lock keeps other processes out.

    The lock is the operating system's (flock): it goes with its process, however that ends.

    Attributes:
        folder: the run's folder.
        history: what the journal held when it was opened.
        observations: all that it holds now, in the order of their steps.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the folder's journal and take its lock.

        Raises:
            InUseError: another process has it.
            JournalError: it is damaged.
        """
        self.folder = folder
        make_folder(folder)
        path = folder / FILE
        with space(folder):
            self._file = path.open("ab", buffering=0)
        if not _locked(self._file):
            self._file.close()
            raise InUseError(f"{folder}: another process trains this run")
        try:
            self.history = read(folder)
        except JournalError:
            self._file.close()  # and with it the lock
            raise
        whole = path.read_bytes().rfind(b"\n") + 1
        self._file.truncate(whole)
        self._held = {line["step"]: line for line in self.history.observations}
        self.observations = [_observation(line) for line in self.history.observations]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, **fields: Any) -> None:
        """Write the start line, unless the journal has one."""
        if not self.history.start:
            self._append("start", fields)

    def observe(self, observation: Observation) -> None:
        """Write an observation; one of a step that the journal holds must equal it.

        Raises:
            JournalError: it does not: the run is not what it was.
        """
        line = {
            "step": observation.step,
            "epoch": observation.epoch,
            "metrics": observation.metrics,
            "layers": observation.layers
            and {name: values.tolist() for name, values in observation.layers.items()},
        }
        if observation.spectra is not None:
            line["spectra"] = observation.spectra.tolist()
        held = self._held.get(observation.step)
        if held is None:
            self._append("observation", line)
            self.observations.append(observation)
        elif json.dumps({key: held.get(key) for key in line}) != json.dumps(line):
            raise JournalError(
                f"{self.folder}: step {observation.step} does not repeat: other package versions, "
                "BLAS or processor than before? force=true trains anew"
            )

    def checkpoint(self, state: dict[str, NDArray[Any]]) -> None:
        """Replace the checkpoint, after all lines so far are on the disk."""
        self.sync()
        with replacing(self.folder / CHECKPOINT) as file:
            np.savez(file, allow_pickle=False, **state)

    def end(self, status: str, **fields: Any) -> None:
        """Write the end line and make everything durable."""
        self._append("end", {"status": status, **fields})
        self.sync()

    def sync(self) -> None:
        """Make all lines so far durable."""
        with space(self.folder):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def _append(self, kind: str, fields: dict[str, Any]) -> None:
        line = {"kind": kind, "time": round(time.time(), 3), **fields}
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with space(self.folder):
            if self._file.write(text) < len(text):  # the rest is a torn line, dropped when read
                raise OSError(errno.ENOSPC, "No space left on device")


def attempt_folder(study: Path, identity: str, attempt: int) -> Path:
    """Return the folder of one attempt: the identity, and -2, -3, ... for what `force` added."""
    return study / (identity if attempt == 1 else f"{identity}-{attempt}")


def _locked(file: IO[bytes]) -> bool:
    """Take a journal's lock; wait a little, since `in_use` holds it for a moment."""
    deadline = time.monotonic() + 0.1
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def in_use(folder: Path) -> bool:
    """Return whether a process holds a run's journal."""
    try:
        with (folder / FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def read_checkpoint(folder: Path) -> dict[str, NDArray[Any]] | None:
    """Return the checkpoint's arrays, or None where there is none."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # zipfile, zlib and numpy.lib.format raise a dozen kinds
        raise JournalError(
            f"{path}: damaged: {reason(error)}; without it the run begins again"
        ) from None


def _observation(line: dict[str, Any]) -> Observation:
    layers = line["layers"]
    arrays = layers and {name: np.array(values) for name, values in layers.items()}
    spectra = np.array(line["spectra"]) if "spectra" in line else None
    return Observation(line["step"], line["epoch"], line["metrics"], arrays, spectra)
