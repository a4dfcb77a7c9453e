"""The plan of a sweep: its runs, those to train, and their stacks."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from bpexp.config import Config
from bpexp.config.identity import decides, differing
from bpexp.data import Dataset, load_once
from bpexp.executors import EXECUTORS
from bpexp.nn import Architecture, Choice
from bpexp.nn.choices import Value
from bpexp.nn.optimizers import OPTIMIZERS
from bpexp.record.history import ends, status
from bpexp.record.journal import InUseError, Journal, in_use, read_checkpoint
from bpexp.record.layout import RUNS, WEIGHTS, attempt_folder
from bpexp.register import Registered, used

# A stack divides the overhead of Python's calls among its networks. It saves time if the arrays of
# a step fit into the second-level cache of a core. Measured with SGD and Adam on shapes from 64-30
# to 784-64x8 with a cache of 2 MiB: stacks of this size are within 7 % of the fastest size, and
# none takes more than a few per cent longer than its runs alone. Stacks of two networks, and of
# more than 16, save nothing.
CACHE_BYTES = 2 * 2**20
SMALLEST_STACK, LARGEST_STACK = 3, 16
# With fewer stacks, workers would be idle while the last stack is trained.
STACKS_A_WORKER = 4
AWAY_SECONDS = 1.0  # between checkpoints if the disk of a worker is lost when the worker dies


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        config: the configuration.
        identity: the hash of the keys that determine its numbers.
        attempt: 1, or more if `force` trained it anew.
        folder: the run's folder.
        name: activation, depth and the other varied values.
        finished: whether training is complete.
        epoch: the epoch of its checkpoint.
        program: the script that trains it, as the command line named it, if that registered what
            the run uses; else empty.
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


@dataclass(frozen=True)
class Plan:
    """A sweep: its members in the order of the grid, and the stacks to train."""

    members: tuple[Member, ...]
    stacks: tuple[tuple[Member, ...], ...]


def dataset(config: Config) -> Dataset:
    """Return a run's data set, which is read once per process and shared with forked workers.

    Raises:
        ConfigError: a parameter is out of range.
        DataError: a file is missing or damaged.
    """
    return load_once(config.data.name, **config.data.parameters)


def make_plan(configs: Sequence[Config], root: Path, program: str = "") -> Plan:
    """Find the folder and state of each run, and group the runs to train into stacks.

    Args:
        configs: the runs.
        root: the folder that holds runs/.
        program: the script that was started, if it is one that calls `bpexp.main`.

    Raises:
        ConfigError: a configuration does not fit its data.
        DataError: a data set cannot be read.
    """
    names = name_runs(configs)
    members: dict[str, Member] = {}
    studies = {config.study: root / RUNS / config.study for config in configs}
    # One listing takes the place of a system call or more for each run that has not begun.
    begun = {study: _names(folder) for study, folder in studies.items()}
    for config, name in zip(configs, names, strict=True):
        data = dataset(config)
        config.check(data)
        identity = config.identity(data.digest)
        if identity not in members:  # different configurations of equal identity are one run
            needed = any(not row.package for row in registered_in(config))
            study = studies[config.study]
            member = _member(config, identity, name, study, begun[config.study])
            members[identity] = replace(member, program=program if needed else "")
    return Plan(tuple(members.values()), _stacks([m for m in members.values() if not m.finished]))


def _member(
    config: Config, identity: str, name: str, study: Path, begun: Collection[str]
) -> Member:
    """Return a run with its state.

    Args:
        config: the run's configuration.
        identity: its identity.
        name: its name.
        study: its study's folder.
        begun: the names of all that this folder holds.
    """
    attempt = 1
    while attempt_folder(study, identity, attempt + 1).name in begun:
        attempt += 1
    folder = attempt_folder(study, identity, attempt)
    if config.force and is_finished(folder):
        attempt += 1
        folder = attempt_folder(study, identity, attempt)
    member = Member(config, identity, attempt, folder, name, finished=False, epoch=0)
    return member.refreshed() if folder.name in begun else member


def _names(folder: Path) -> frozenset[str]:
    """Return the names of all that a folder holds; none if there is no such folder."""
    try:
        return frozenset(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()


def registered_in(config: Config) -> list[Registered]:
    """Return what a run uses of what programs registered."""
    choices = [(key, value) for key, value in vars(config).items() if isinstance(value, Choice)]
    return used([*choices, *(("measure", Choice(name)) for name in config.instruments)])


def is_finished(folder: Path) -> bool:
    """Return whether the training of a run's folder is complete."""
    return (folder / WEIGHTS).exists() and status(ends(folder)[1]) == "FINISHED"


def _checkpoint_epoch(folder: Path) -> int:
    checkpoint = read_checkpoint(folder)
    return 0 if checkpoint is None else int(checkpoint["epoch"])


def _stacks(members: Sequence[Member]) -> tuple[tuple[Member, ...], ...]:
    """Group runs that can be trained together into stacks of the size that `stack_size` returns.

    If there are few groups, each is divided into equal shares, so that every worker has a stack.
    """
    if not members:
        return ()
    groups: dict[str, list[Member]] = {}
    workers = workers_for(members[0].config)
    least = members[0].config.executor.build(EXECUTORS).least_operations
    for member in members:
        groups.setdefault(_shape(member), []).append(member)
    stacks = []
    for group in groups.values():
        config = group[0].config
        shares = min(workers, len(group), -(-STACKS_A_WORKER * workers // len(groups)))
        if least:
            shares = max(1, min(shares, int(_work(group) / least)))
        data = dataset(config)
        size = stack_size(config, config.architecture(data), len(data.x_train))
        rounds = -(-len(group) // (shares * size))
        bounds = [len(group) * i // (shares * rounds) for i in range(shares * rounds + 1)]
        stacks += [tuple(group[a:b]) for a, b in pairwise(bounds) if a < b]
    # Long stacks are first, so that all workers end at about the same time.
    return tuple(sorted(stacks, key=_work, reverse=True))


def _shape(member: Member) -> str:
    """Return a text that is equal for runs that can share a stack."""
    return f"{shared(member.config)}, {member.epoch}"


def shared(config: Config) -> str:
    """Return the keys that runs of a stack share, as text: all but lr, seed and init."""
    nested = config.nested()
    own = {"lr", "seed", "init"}
    return json.dumps(
        {key: nested[key] for key in nested if key not in own and decides(key)}, sort_keys=True
    )


def stack_size(config: Config, shape: Architecture, examples: int) -> int:
    """Return the number of networks of an architecture to train together.

    A step of one network uses its parameters, their gradient, scratch memory, the update rule's
    state, the activity that each layer declares, and the inputs twice. A stack has the largest
    number of networks for which these fit into the cache.

    Args:
        config: the configuration of one of them.
        shape: their architecture.
        examples: number of examples of the training split.
    """
    width, batch = np.dtype(config.dtype).itemsize, min(config.batch_size, examples)
    activity = batch * (2 * (shape.sizes[0] + 1) + sum(layer.activity for layer in shape.layers))
    parameters = (3 + config.optimizer.build(OPTIMIZERS).slots) * shape.n_parameters
    size = min(LARGEST_STACK, CACHE_BYTES // ((parameters + activity) * width))
    return size if size >= SMALLEST_STACK else 1


def _work(stack: Sequence[Member]) -> float:
    return sum(member.operations for member in stack)


def workers_for(config: Config) -> int:
    """Return the number of stacks that are trained at the same time."""
    return config.jobs or config.executor.build(EXECUTORS).workers()


_SHORT = {"depth": "d", "width": "w", "lr": "lr", "seed": "s", "batch_size": "b", "epochs": "e"}
_BARE = ("data", "activation", "init", "cost", "optimizer", "schedule", "stop", "dtype")


def varied(plan: Plan) -> list[str]:
    """Return the keys that determine numbers and differ between the members."""
    return differing([member.config.flat() for member in plan.members])


def name_runs(configs: Sequence[Config]) -> list[str]:
    """Return a name for each run, of activation, depth and other keys that differ: relu-d8-s0."""
    flats = [config.flat() for config in configs]
    others = [key for key in differing(flats) if key not in ("activation", "depth")]
    shown = ["activation", "depth", *others]
    return ["-".join(_part(key, flat[key]) for key in shown if key in flat) for flat in flats]


def _part(key: str, value: Value) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if key in _BARE:
        return text
    return f"{_SHORT.get(key, key.rpartition('.')[2])}{text}"
