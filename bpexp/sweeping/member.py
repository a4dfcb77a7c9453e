"""A run of a sweep: its configuration, folder, state of training, and estimated cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bpexp.config import Config
from bpexp.config.identity import decides
from bpexp.data import Dataset, load_once
from bpexp.nn import Choice
from bpexp.nn.optimizers import OPTIMIZERS
from bpexp.record.history import ends, status
from bpexp.record.journal import InUseError, Journal, in_use, read_checkpoint
from bpexp.record.layout import WEIGHTS
from bpexp.register import Registered, used

AWAY_SECONDS = 1.0  # between checkpoints if the disk of a worker is lost when the worker dies


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        config: the configuration.
        identity: the hash of the keys that determine its numbers.
        attempt: 1, plus 1 for each time that `force` trained it again.
        folder: the run's folder.
        name: the values of activation, depth and the other varied keys.
        finished: whether training is complete.
        epoch: the epoch of its checkpoint.
        program: the path of the script that was started, if it registered functions that the run
            uses; else empty.
    """

    config: Config
    identity: str
    attempt: int
    folder: Path
    name: str
    finished: bool
    epoch: int
    program: str = ""

    @property
    def operations(self) -> float:
        """Multiplications and additions of the remaining epochs: 6 for each weight and example.

        Propagation has 2 of them, backpropagation 4. 1000 parameters per layer represent the
        overhead of calls.
        """
        data = dataset(self.config)
        parameters = self.config.architecture(data).n_parameters + 1000 * (self.config.depth + 1)
        return 6.0 * (self.config.epochs - self.epoch) * len(data.x_train) * parameters

    @property
    def memory(self) -> int:
        """Bytes of the data, the parameters, the update rule's state, and the probes' arrays."""
        config, data = self.config, dataset(self.config)
        shape, width = config.architecture(data), np.dtype(config.dtype).itemsize
        slots = 4 + config.optimizer.build(OPTIMIZERS).slots
        activity = 4 * max(config.batch_size, config.probe.examples, 1024) * sum(shape.sizes)
        return (
            data.x_train.nbytes + data.x_test.nbytes
            + width * (slots * shape.n_parameters + activity)
        )  # fmt: skip

    def in_use(self) -> bool:
        """Return whether a process has the run's journal open."""
        return in_use(self.folder)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Open the run's journal; the context's value is False if another process has it open."""
        try:
            journal = Journal(self.folder)
        except InUseError:
            yield False
            return
        with journal:
            yield True

    def away(self, folder: Path) -> Member:
        """Return this member with another folder and a checkpoint at least once per second."""
        seconds = min(AWAY_SECONDS, self.config.checkpoint.seconds or AWAY_SECONDS)
        checkpoint = replace(self.config.checkpoint, seconds=seconds)
        return replace(self, folder=folder, config=replace(self.config, checkpoint=checkpoint))

    def refreshed(self) -> Member:
        """Return this member with `finished` and `epoch` read again from its folder."""
        finished = is_finished(self.folder)
        epoch = self.config.epochs if finished else _checkpoint_epoch(self.folder)
        return replace(self, finished=finished, epoch=epoch)


def dataset(config: Config) -> Dataset:
    """Return a run's data set, which is read once per process and shared with forked workers.

    Raises:
        ConfigError: a parameter is out of range.
        DataError: a file is missing or damaged.
    """
    return load_once(config.data.name, **config.data.parameters)


def registered_in(config: Config) -> list[Registered]:
    """Return the registered rows that a run uses."""
    choices = [(key, value) for key, value in vars(config).items() if isinstance(value, Choice)]
    return used([*choices, *(("measure", Choice(name)) for name in config.instruments)])


def is_finished(folder: Path) -> bool:
    """Return whether the training of a run's folder is complete."""
    return (folder / WEIGHTS).exists() and status(ends(folder)[1]) == "FINISHED"


def _checkpoint_epoch(folder: Path) -> int:
    checkpoint = read_checkpoint(folder)
    return 0 if checkpoint is None else int(checkpoint["epoch"])


def shared(config: Config) -> str:
    """Return the keys that runs of a stack share, as text: all but lr, seed and init."""
    nested = config.nested()
    own = {"lr", "seed", "init"}
    return json.dumps(
        {key: nested[key] for key in nested if key not in own and decides(key)}, sort_keys=True
    )
