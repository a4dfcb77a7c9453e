"""The schema: every key with its type, its range and its meaning.

The Hydra tree in conf/ holds the defaults; this file defines what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bpexp.config.address import STORE, is_store
from bpexp.config.keys import (
    Group,
    Key,
    formats,
    instruments,
    integer,
    name_of,
    number,
    switch,
    without_standard,
)
from bpexp.data import DATASETS
from bpexp.errors import ConfigError, one_of
from bpexp.executors import EXECUTORS
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS, Choice
from bpexp.nn.choices import require
from bpexp.nn.norms import NORMS
from bpexp.nn.skips import SKIPS
from bpexp.parameters import check_parameters
from bpexp.probes import INSTRUMENTS
from bpexp.training import SCHEDULES, STOPS

QUICK_EPOCHS, QUICK_EXAMPLES = 2, 512


def _tracking_mlflow(*, uri: str | None = None) -> None:
    """Mirror runs into MLflow; null is its own default store in the current folder."""
    if uri is not None:
        require("uri", uri, STORE, is_store(uri))


def _tracking_off() -> None:
    """Keep the journals only."""


STUDY = re.compile(r"[^\W_][\w .+-]{0,99}")

# The keys that decide a run's numbers, and so its identity.
IDENTITY_KEYS: dict[str, Key | Group] = {
    "data": Group(DATASETS, "the data set", later={"npz": {"task": None, "standardize": False}}),
    "depth": integer("hidden layers", 0, 10_000),
    "width": integer("units of a hidden layer", 1, 65_536),
    "activation": Group(ACTIVATIONS, "the hidden layers' activation"),
    "skip": Group(SKIPS, "the skip connections", neutral={"name": "none"}),
    "norm": Group(
        NORMS, "the normalisation before each hidden activation", neutral={"name": "none"}
    ),
    "init": Group(INITIALIZERS, "the initialization of weights and biases"),
    "cost": Group(COSTS, "the cost, which brings the output layer's activation"),
    "optimizer": Group(OPTIMIZERS, "the update rule"),
    "lr": number("learning rate"),
    "schedule": Group(
        SCHEDULES,
        "how the learning rate changes from step to step",
        neutral={"name": "constant", "warmup": 0},
    ),
    "batch_size": integer("examples a step", 1),
    "epochs": integer("passes over the training split; 0 measures only", 0, 10**7),
    "stop": Group(STOPS, "when to stop before the last epoch"),
    "frozen": integer("the first k layers keep their initial weights", 0),
    "seed": integer("decides initial weights and the order of examples", 0, 2**63 - 1),
    "dtype": name_of("precision of everything trained", "float32", "float64"),
    "threads": integer("BLAS threads of a run (they change last digits)", 1, 1024),
    "probe.every": integer(
        "steps between probes; null: every epoch; 0: first and last only", 0, nullable=True
    ),
    "probe.examples": integer("examples of the probe batch", 2),
    **{
        f"probe.{row.examples_key}": integer(
            f"examples at which {name} is measured; 0: none", 0, neutral=0
        )
        for name, row in INSTRUMENTS.items()
        if row.examples_key
    },
    "measure": instruments(
        "instruments to measure beside the standard ones, e.g. [weight_norm]", without_standard
    ),
}

# The keys that decide how and where runs are trained, but not their numbers.
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
    "jobs": integer("worker processes; null: one a core", 1, 4096, nullable=True),
    "executor": Group(EXECUTORS, "where runs are trained", neutral={"name": "local"}),
    "checkpoint.every": integer("epochs between checkpoints, or null", 1, nullable=True),
    "checkpoint.seconds": number("seconds between checkpoints, or null", nullable=True),
    "tracking": Group({"mlflow": _tracking_mlflow, "off": _tracking_off}, "the tracking store"),
    "log_model": name_of(
        "runs whose trained network becomes a served model", "best", "all", "none"
    ),
    "force": switch("train finished runs again, as new attempts; the old ones are kept"),
    "fail_fast": switch("stop the sweep at the first run that raises"),
    "progress": switch("show a progress bar"),
    "quick": switch(
        f"shrink every run: at most {QUICK_EPOCHS} epochs of {QUICK_EXAMPLES} examples; and a "
        "study's own grid to the ends of its ranges"
    ),
    "plan": name_of(
        "what to do with the plan: train it, or only print it", "train", "only", neutral="train"
    ),
    "forecast": name_of("theory's forecast of which runs will train", "off", "on", "only"),
    "figures.format": formats("formats of the figures' files, e.g. [png,pdf]"),
    "draw": instruments("instruments to draw, e.g. [dead,q]", lambda _, names: names),
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
