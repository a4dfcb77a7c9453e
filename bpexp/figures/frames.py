"""What of a tidy frame is drawn: which rows, which factor is compared, which settings part panels.

No frame is ever changed here; every function returns a new one or a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from bpexp.config.schema import IDENTITY_KEYS
from bpexp.errors import out_of_range

Step = Literal["first", "last"] | int

# Configuration keys whose several values part panels. Lines average over seeds; threads, and what
# is measured, change nothing that a figure shows.
PARTING = {key.split(".")[0] for key in IDENTITY_KEYS} - {"seed", "threads", "probe", "measure"}


# Settings that training alone feels: what is measured before it is the same whatever they are.
TRAINING = {"lr", "optimizer", "batch_size", "epochs", "stop", "frozen"}


def measured(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a run measured, without those of theory."""
    return layers[layers["source"] == "measured"]


def at_step(layers: pd.DataFrame, step: Step = "first") -> pd.DataFrame:
    """Return the rows of one probe a run: its first, its last, or that at an optimizer step.

    First and last are a run's own, by what was measured, so that theory for the start never stands
    beside a measurement of the end. Theory whose run was not measured counts by all runs' steps.

    Raises:
        ValueError: no run was probed at that step.
    """
    if isinstance(step, int):
        chosen = layers[layers["step"] == step]
        if chosen.empty and not layers.empty:
            bounds = f"a probed step from {layers['step'].min()} to {layers['step'].max()}"
            raise ValueError(out_of_range("step", step, bounds))
        return chosen
    source = measured(layers)
    if source.empty:
        source = layers
    pick = "min" if step == "first" else "max"
    wanted = layers["run"].map(source.groupby("run")["step"].agg(pick))
    return layers[layers["step"] == wanted.fillna(source["step"].agg(pick))]


def at_start(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each run's first probe; runs that differ in training alone count once.

    Their rows are the same before it, and counted twice they would feign certainty.
    """
    rows = at_step(layers, "first")
    if (rows["step"] != 0).any():
        return rows
    rows = rows.drop(columns=[name for name in rows if str(name).split(".")[0] in TRAINING])
    own = [name for name in rows if str(name).split(".")[0] in {*PARTING, "seed"}]
    return rows.drop_duplicates([*own, "layer", "source"])


def first_layer(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the first layer's rows of each run's first probe."""
    start = at_start(layers)
    return start[start["layer"] == 1]


def levels(frame: pd.DataFrame, factor: str) -> list[Any]:
    """Return the values that occur, in their category's or natural order."""
    return frame[factor].dropna().drop_duplicates().sort_values().tolist()


def varies(frame: pd.DataFrame, factor: str) -> bool:
    """Tell whether a column is there and has several values."""
    return factor in frame and frame[factor].nunique(dropna=False) > 1


def compared(frame: pd.DataFrame) -> str:
    """Name the factor whose values are compared: the activation, unless only the init varies."""
    only_init = varies(frame, "init") and not varies(frame, "activation")
    return "init" if only_init else "activation"


def numeric(frame: pd.DataFrame) -> list[str]:
    """Name the numeric settings beside depth that have three values or more, fit for an axis."""
    return [
        name
        for name in settings(frame, ["depth"])
        if pd.api.types.is_numeric_dtype(frame[name]) and frame[name].nunique() >= 3
    ]


def settings(frame: pd.DataFrame, drawn: Sequence[str]) -> list[str]:
    """Name the configuration columns that part panels, since else a line would average over them.

    A column parts panels only if it has several values where all of `drawn` are equal: an init that
    goes with the activation, or a parameter of a group that goes with the group's name, does not.

    >>> runs = pd.DataFrame({"run": list("abc"), "depth": [2, 2, 4], "lr": [0.1, 1.0, 0.1]})
    >>> settings(runs, ["depth"])
    ['lr']
    """
    runs = frame.drop_duplicates("run")
    found = []
    for column in runs.columns:
        group = column.split(".")[0]
        if group not in PARTING or column in drawn or not varies(runs, column):
            continue
        cell = [*drawn, *({group} & {*runs.columns} - {column, *drawn})]
        if not cell or (runs.groupby(cell, observed=True)[column].nunique(dropna=False) > 1).any():
            found.append(column)
    return found


def parted(frame: pd.DataFrame, factors: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """Part a frame by factors, in their order: (title, rows) a panel; one panel if there are none.

    >>> frame = pd.DataFrame({"activation": ["tanh", "relu"], "lr": [0.1, 0.1]})
    >>> [title for title, rows in parted(frame, ["activation", "lr"])]
    ['relu, lr 0.1', 'tanh, lr 0.1']
    """
    if not factors or frame.empty:
        return [("", frame)]
    groups = frame.groupby(list(factors), observed=True, dropna=False)
    return [
        (", ".join(map(worded, factors, key if isinstance(key, tuple) else (key,))), rows)
        for key, rows in groups
    ]


def worded(factor: str, value: object) -> str:
    """Word a factor's value: a name stands for itself, a number or a switch needs its key.

    >>> worded("activation", "tanh"), worded("lr", 0.1), worded("data.scale", True)
    ('tanh', 'lr 0.1', 'scale true')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        number = str(value).lower()
    else:
        number = f"{value:g}" if isinstance(value, int | float) else str(value)
    return f"{factor.split('.')[-1]} {number}"
