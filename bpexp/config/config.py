"""A run's configuration: frozen dataclasses, validated, with the run's identity."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bpexp.config import identity as _identity
from bpexp.config.identity import flatten
from bpexp.config.schema import KEYS, QUICK_EPOCHS, QUICK_EXAMPLES, checked
from bpexp.config.sections import Checkpoint, Figures, Probe, section
from bpexp.data import Dataset
from bpexp.errors import ConfigError, one_of, out_of_range
from bpexp.nn import Architecture, Choice
from bpexp.nn.choices import Value
from bpexp.nn.norms import check_batches
from bpexp.nn.skips import check_depth
from bpexp.nn.stack import check_layers
from bpexp.probes.instruments import INSTRUMENTS, selected
from bpexp.training import check_stop

LARGEST_NETWORK = 2**28  # parameters
LARGEST_GRID = 100_000  # runs of a sweep


@dataclass(frozen=True)
class Config:
    """The validated configuration of one run; `bpexp.config.schema` explains its fields."""

    data: Choice
    depth: int
    width: int
    activation: Choice
    skip: Choice
    norm: Choice
    init: Choice
    cost: Choice
    optimizer: Choice
    lr: float
    schedule: Choice
    batch_size: int
    epochs: int
    stop: Choice
    frozen: int
    seed: int
    dtype: str
    threads: int
    probe: Probe
    measure: list[str]
    study: str
    jobs: int | None
    executor: Choice
    checkpoint: Checkpoint
    tracking: Choice
    log_model: str
    force: bool
    fail_fast: bool
    progress: bool
    quick: bool
    plan: str
    forecast: str
    figures: Figures
    draw: list[str]

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Config:
        """Validate a nested configuration.

        Args:
            mapping: the configuration from Hydra or from a journal, as plain dicts.

        Raises:
            ConfigError: a key is unknown or missing, or a value has another type or is out of
                range.
        """
        sections: dict[str, Callable[..., Any]] = {
            "probe": Probe.of,
            "checkpoint": Checkpoint,
            "figures": Figures,
        }
        names = [field.name for field in fields(cls)]
        for name in mapping:
            if name not in names:
                raise ConfigError(one_of("key", name, KEYS))
        values: dict[str, Any] = {}
        for name in names:
            if name not in mapping:
                raise ConfigError(f"{name}: missing")
            if name in sections:
                values[name] = sections[name](**section(name, mapping[name]))
            else:
                values[name] = checked(name, mapping[name])
        config = cls(**values)
        refuse_frozen(config.frozen, config.depth)
        refuse_depth(config.depth, config.skip)
        config._refuse_unmeasured()
        return config._shrunk() if config.quick else config

    def architecture(self, data: Dataset) -> Architecture:
        """Return the architecture of the run's network.

        Raises:
            ConfigError: it has more than LARGEST_NETWORK parameters, the cost does not fit the data
                set's task, or the skip connections do not fit the depth.
        """
        sizes = (data.n_features, *[self.width] * self.depth, data.n_outputs)
        try:
            shape = _architecture(
                sizes, self.activation, self.cost, data.task, self.skip, self.norm
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if shape.n_parameters > LARGEST_NETWORK:
            raise ConfigError(
                f"width: {self.width} at depth {self.depth} makes {shape.n_parameters} parameters; "
                f"at most {LARGEST_NETWORK} are allowed"
            )
        return shape

    def check(self, data: Dataset) -> None:
        """Refuse a cost, stop rule, batch or network size or dtype that does not fit the data set.

        Raises:
            ConfigError: one of them does not fit; the message names one that does.
        """
        shape = self.architecture(data)
        largest = float(np.finfo(self.dtype).max)
        if data.largest > largest:
            raise ConfigError(
                f"dtype: {self.dtype} holds numbers up to {largest:.1e}, and {data.source} has "
                f"{data.largest:.1e}; scale the data, or use dtype=float64"
            )
        try:
            check_stop(data.task, self.stop)
            check_batches(self.norm, self.batch_size, len(data.x_train))
            check_layers(shape, self.init)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    @property
    def instruments(self) -> dict[str, int]:
        """The instruments to measure besides the standard ones, each with its number of examples.

        The number is 0 for instruments that need none.
        """
        counted = {
            name: self.probe.counts[row.examples_key]
            for name, row in INSTRUMENTS.items()
            if row.examples_key
        }
        chosen = [name.partition("@")[0] for name in self.measure]  # without sources
        return dict.fromkeys(chosen, 0) | {n: count for n, count in counted.items() if count}

    def flat(self) -> dict[str, Value]:
        """Return {override key: value}: `activation`, `activation.negative_slope`, `depth`, ..."""
        return flatten(self.nested())

    def nested(self) -> dict[str, Any]:
        """Return the mapping that `Config.of` takes."""
        nested: dict[str, Any] = {}
        for name, value in vars(self).items():  # in the order of the fields
            if isinstance(value, Choice):
                nested[name] = {"name": value.name, **value.parameters}
            elif isinstance(value, Probe | Checkpoint | Figures):
                nested[name] = value.nested()
            else:
                nested[name] = value
        return nested

    def identity(self, digest: str) -> str:
        """Return the hash of all that decides the run's numbers, 16 hexadecimal digits.

        Args:
            digest: the data set's digest, which is hashed instead of its paths and parameters.
        """
        return _identity.identity(self.nested(), digest, _identity.ALGORITHM)

    def _refuse_unmeasured(self) -> None:
        """Raise ConfigError if `draw` names an instrument that is not measured."""
        measured = selected(self.instruments)
        for name in self.draw:
            if name not in measured:
                own = INSTRUMENTS[name].examples_key
                key = f"probe.{own}=4" if own else f"measure=[{name}]"
                raise ConfigError(f"draw: {name} is not measured; add {key}")

    def _shrunk(self) -> Config:
        limit = self.data.parameters.get("limit") or QUICK_EXAMPLES
        parameters = {**self.data.parameters, "limit": min(int(limit), QUICK_EXAMPLES)}
        changes: dict[str, Any] = {
            "data": Choice(self.data.name, parameters),
            "epochs": min(self.epochs, QUICK_EPOCHS),
        }
        return replace(self, **changes)


@lru_cache(maxsize=256)
def _architecture(*arguments: Any) -> Architecture:
    """Return `Architecture.dense(*arguments)`, cached because many runs of a sweep share one."""
    return Architecture.dense(*arguments)


def refuse_size(values: Mapping[str, Sequence[object]]) -> None:
    """Raise ConfigError for a grid of more than LARGEST_GRID runs.

    Args:
        values: the values of each key.
    """
    runs = math.prod(map(len, values.values()))
    if runs > LARGEST_GRID:
        key = max(values, key=lambda key: len(values[key]))
        raise ConfigError(f"{key}: makes a sweep of more than {LARGEST_GRID} runs")


def refuse_frozen(frozen: int, depth: int) -> None:
    """Raise ConfigError if there are more frozen layers than layers, depth + 1."""
    if frozen > depth + 1:
        allowed = f"an integer of at most depth + 1 = {depth + 1}"
        raise ConfigError(out_of_range("frozen", frozen, allowed))


def refuse_depth(depth: int, skip: Choice) -> None:
    """Refuse a depth that is not a whole number of blocks.

    Raises:
        ConfigError: depth - 1 is not divisible by `skip.every`.
    """
    try:
        check_depth(skip, depth)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def defaults(conf: Path) -> dict[str, Any]:
    """Return each key's default, a value or the name of a row.

    Args:
        conf: the folder of the Hydra tree.
    """
    tree = yaml.safe_load((conf / "config.yaml").read_text())
    rows = [entry for entry in tree.pop("defaults") if isinstance(entry, dict)]
    return flatten(tree) | {key: name for row in rows for key, name in row.items()}
