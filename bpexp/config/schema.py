"""The schema: every key with its type, its range and its meaning.

The Hydra tree in conf/ holds the defaults; this file defines what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpexp.config.address import STORE, is_store
from bpexp.data import DATASETS
from bpexp.errors import ConfigError, one_of, out_of_range, quoted
from bpexp.executors import EXECUTORS
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS, Choice
from bpexp.nn.choices import Value, require
from bpexp.nn.norms import NORMS
from bpexp.nn.skips import SKIPS
from bpexp.parameters import LARGEST, check_parameters, is_number
from bpexp.probes import INSTRUMENTS
from bpexp.training import SCHEDULES, STOPS

QUICK_EPOCHS, QUICK_EXAMPLES = 2, 512
FORMATS = ("png", "svg", "pdf")


class _Original:
    """Stands for the neutral value of keys of the first version, which need none."""

    def __repr__(self) -> str:
        return "ORIGINAL"


ORIGINAL = _Original()


@dataclass(frozen=True)
class Key:
    """A key of one value, or of a list of names.

    Attributes:
        kind: the type of its values.
        allowed: the allowed values, in words.
        holds: returns whether a value of that type is allowed.
        meaning: the key's meaning, for `--help`.
        nullable: whether it may be null.
        neutral: for a key that was added after the first version, the value with which a run is the
            same as before; see `bpexp.config.identity`.
        formerly: the first name of a key that was renamed.
        convert: called with the key's name and an allowed value; returns the value to use, or
            raises ConfigError.
    """

    kind: type
    allowed: str
    holds: Callable[[Any], bool]
    meaning: str
    nullable: bool = False
    neutral: object = ORIGINAL
    formerly: str | None = None
    convert: Callable[[str, Any], Any] | None = None

    def check(self, name: str, value: object) -> Any:
        """Return a value after checking it; an integer is converted if the type is float.

        Args:
            name: the key, for messages.
            value: the value.

        Raises:
            ConfigError: the value has another type or is out of range.
        """
        if value is None and self.nullable:
            return None
        wide = float(value) if self.kind is float and is_number(value) else value  # type: ignore[arg-type]
        if self.kind is str and isinstance(value, bool | int | float):
            raise ConfigError(f"{name}: {value!r} is not text; quote it: '{name}=\"{value}\"'")
        if type(wide) is not self.kind or not self.holds(wide):
            raise ConfigError(out_of_range(name, value, self.allowed))
        return self.convert(name, wide) if self.convert else wide


@dataclass(frozen=True)
class Group:
    """A key that chooses a row of a table, with the row's parameters under it.

    Attributes:
        table: the factory of each row, whose keyword arguments are the row's parameters.
        meaning: the key's meaning, for `--help`.
        neutral: for a group that was added after the first version, the row and all of its
            parameters with which a run is the same as before: {"name": row, parameter: value, ...}.
        formerly: the first name of a group that was renamed.
        later: neutral values of parameters that were added to a row: {row: {parameter: value}}.
    """

    table: Mapping[str, Callable[..., Any]]
    meaning: str
    neutral: object = ORIGINAL
    formerly: str | None = None
    later: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


def _tracking_mlflow(*, uri: str | None = None) -> None:
    """Mirror runs into MLflow; null is its own default store in the current folder."""
    if uri is not None:
        require("uri", uri, STORE, is_store(uri))


def _tracking_off() -> None:
    """Keep the journals only."""


def _integer(
    meaning: str,
    low: int,
    high: int = 10**9,
    *,
    nullable: bool = False,
    neutral: object = ORIGINAL,
) -> Key:
    allowed = _or_null(f"an integer of at least {low} and at most {high}", nullable)
    return Key(int, allowed, lambda v: low <= v <= high, meaning, nullable, neutral)


def _number(meaning: str, *, nullable: bool = False) -> Key:
    allowed = _or_null(f"a number above 0 and at most {LARGEST:g}", nullable)
    return Key(float, allowed, lambda v: 0 < v <= LARGEST, meaning, nullable)


def _name(meaning: str, *names: str, neutral: object = ORIGINAL) -> Key:
    allowed = f"one of {', '.join(names)}"
    return Key(str, allowed, lambda v: v in names, meaning, neutral=neutral)


def _instruments(meaning: str, convert: Callable[[str, list[str]], list[str]]) -> Key:
    """Return a key whose values are lists of instruments; its neutral value is the empty list."""

    def known(key: str, names: list[str]) -> list[str]:
        plain = set()
        for spelled in names:
            name, _, source = spelled.partition("@")
            if name not in INSTRUMENTS:
                raise ConfigError(one_of(key, name, INSTRUMENTS))
            if source and source != INSTRUMENTS[name].source:
                raise ConfigError(f"{key}: {quoted(spelled)}: {name} was edited since")
            plain.add(name)
        return convert(key, [name for name in INSTRUMENTS if name in plain])

    def holds(names: list[object]) -> bool:
        return all(isinstance(name, str) for name in names)

    allowed = "a list of names of instruments"
    return Key(list, allowed, holds, meaning, neutral=[], convert=known)


def _chosen(key: str, names: list[str]) -> list[str]:
    """Return the instruments without the standard ones, so that equal runs have equal identities.

    Raises:
        ConfigError: an instrument is chosen by a key of its own.
    """
    for name in names:
        if own := INSTRUMENTS[name].examples_key:
            raise ConfigError(f"{key}: {name} has a key of its own, probe.{own}")
    chosen = [name for name in names if not INSTRUMENTS[name].standard]
    sources = [INSTRUMENTS[name].source for name in chosen]
    return [f"{n}@{source}" if source else n for n, source in zip(chosen, sources, strict=True)]


def _formats(meaning: str) -> Key:
    """Return a key that lists formats of figures, at least one."""

    def known(key: str, names: list[str]) -> list[str]:
        for name in names:
            if name not in FORMATS:
                raise ConfigError(one_of(key, name, FORMATS))
        return [name for name in FORMATS if name in names]

    def holds(names: list[object]) -> bool:
        return bool(names) and all(isinstance(name, str) for name in names)

    allowed = f"a list of {', '.join(FORMATS)}, at least one"
    return Key(list, allowed, holds, meaning, neutral=["png"], convert=known)


def _switch(meaning: str) -> Key:
    return Key(bool, "true or false", lambda v: True, meaning)


def _or_null(allowed: str, nullable: bool) -> str:
    return f"{allowed}, or null" if nullable else allowed


STUDY = re.compile(r"[^\W_][\w .+-]{0,99}")

# The keys that decide a run's numbers, and so its identity.
IDENTITY_KEYS: dict[str, Key | Group] = {
    "data": Group(DATASETS, "the data set", later={"npz": {"task": None, "standardize": False}}),
    "depth": _integer("hidden layers", 0, 10_000),
    "width": _integer("units of a hidden layer", 1, 65_536),
    "activation": Group(ACTIVATIONS, "the hidden layers' activation"),
    "skip": Group(SKIPS, "the skip connections", neutral={"name": "none"}),
    "norm": Group(
        NORMS, "the normalisation before each hidden activation", neutral={"name": "none"}
    ),
    "init": Group(INITIALIZERS, "the initialization of weights and biases"),
    "cost": Group(COSTS, "the cost, which brings the output layer's activation"),
    "optimizer": Group(OPTIMIZERS, "the update rule"),
    "lr": _number("learning rate"),
    "schedule": Group(
        SCHEDULES,
        "how the learning rate changes from step to step",
        neutral={"name": "constant", "warmup": 0},
    ),
    "batch_size": _integer("examples a step", 1),
    "epochs": _integer("passes over the training split; 0 measures only", 0, 10**7),
    "stop": Group(STOPS, "when to stop before the last epoch"),
    "frozen": _integer("the first k layers keep their initial weights", 0),
    "seed": _integer("decides initial weights and the order of examples", 0, 2**63 - 1),
    "dtype": _name("precision of everything trained", "float32", "float64"),
    "threads": _integer("BLAS threads of a run (they change last digits)", 1, 1024),
    "probe.every": _integer(
        "steps between probes; null: every epoch; 0: first and last only", 0, nullable=True
    ),
    "probe.examples": _integer("examples of the probe batch", 2),
    **{
        f"probe.{row.examples_key}": _integer(
            f"examples at which {name} is measured; 0: none", 0, neutral=0
        )
        for name, row in INSTRUMENTS.items()
        if row.examples_key
    },
    "measure": _instruments(
        "instruments to measure beside the standard ones, e.g. [weight_norm]", _chosen
    ),
}

# The keys that decide how and where runs are made, and not their numbers.
RUNTIME_KEYS: dict[str, Key | Group] = {
    "study": Key(
        str,
        "up to 100 letters, digits, spaces and _ . + -, the first a letter or digit",
        lambda v: (
            STUDY.fullmatch(v) is not None
            and v == v.strip()
            and not v.endswith(".")
            and len(v.encode()) <= 255  # bytes, of a folder's name
        ),
        "the study: a folder under runs/ and the experiment in MLflow",
    ),
    "jobs": _integer("worker processes; null: one a core", 1, 4096, nullable=True),
    "executor": Group(EXECUTORS, "where runs are trained", neutral={"name": "local"}),
    "checkpoint.every": _integer("epochs between checkpoints, or null", 1, nullable=True),
    "checkpoint.seconds": _number("seconds between checkpoints, or null", nullable=True),
    "tracking": Group({"mlflow": _tracking_mlflow, "off": _tracking_off}, "the tracking store"),
    "log_model": _name("runs whose trained network becomes a served model", "best", "all", "none"),
    "force": _switch("train anew what is finished, as a new attempt beside the old"),
    "fail_fast": _switch("stop the sweep at the first run that raises"),
    "progress": _switch("show a progress bar"),
    "quick": _switch(
        f"shrink every run: at most {QUICK_EPOCHS} epochs of {QUICK_EXAMPLES} examples; and a "
        "study's own grid to the ends of its ranges"
    ),
    "plan": _name(
        "what to do with the plan: train it, or only print it", "train", "only", neutral="train"
    ),
    "forecast": _name("theory's forecast of which runs will train", "off", "on", "only"),
    "figures.format": _formats("formats of the figures' files, e.g. [png,pdf]"),
    "draw": _instruments("instruments to draw, e.g. [dead,q]", lambda _, names: names),
}

KEYS = IDENTITY_KEYS | RUNTIME_KEYS


def checked(name: str, value: object) -> Any:
    """Return the value of a key after checking it; for a group a Choice.

    Args:
        name: the key.
        value: its value; for a group the row's name, or a mapping with name and parameters.

    Raises:
        ConfigError: the value has another type, is out of range, or is not in the table.
    """
    key = KEYS[name]
    return key.check(name, value) if isinstance(key, Key) else _choice(name, key.table, value)


def _choice(group: str, table: Mapping[str, Callable[..., Any]], value: object) -> Choice:
    """Return a Choice after checking name and parameters; the row's factory checks the ranges."""
    if isinstance(value, Mapping):
        parameters = dict(value)
        name = parameters.pop("name", None)
    else:
        parameters, name = {}, value
    if not isinstance(name, str) or name not in table:
        raise ConfigError(one_of(group, name, table))
    parameters = check_parameters(group, name, table[name], parameters)
    if group != "data":  # a data set's factory reads files: the plan does that once
        try:
            table[name](**parameters)
        except ValueError as error:
            raise ConfigError(f"{group}.{error}") from None
    return Choice(name, parameters)
