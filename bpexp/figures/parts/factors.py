"""Which configuration columns vary, and how they divide rows into lines and panels.

Frames are never modified; every function returns a new frame or a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bpexp.config.schema import IDENTITY_KEYS


def group(column: object) -> str:
    """Return the configuration group of a column: the part of its name before the first dot."""
    return str(column).split(".")[0]


# Configuration keys that divide rows into panels where they vary. Lines are means over seeds;
# threads, and what is measured, have no effect on what figures show.
PANEL_KEYS = {group(key) for key in IDENTITY_KEYS} - {"seed", "threads", "probe", "measure"}


def levels(frame: pd.DataFrame, factor: str) -> list[Any]:
    """Return the distinct values of a column, in the order of its categories or sorted."""
    return frame[factor].dropna().drop_duplicates().sort_values().tolist()


def varies(frame: pd.DataFrame, factor: str) -> bool:
    """Return whether a frame has the column and at least two values in it."""
    return factor in frame and frame[factor].nunique(dropna=False) > 1


def compared_factor(frame: pd.DataFrame) -> str:
    """Return the factor whose levels are compared: "init" if only that varies, else "activation".

    >>> compared_factor(pd.DataFrame({"activation": "tanh", "init": ["orthogonal", "lsuv"]}))
    'init'
    """
    only_init = varies(frame, "init") and not varies(frame, "activation")
    return "init" if only_init else "activation"


def panel_factors(frame: pd.DataFrame, drawn: Sequence[str]) -> list[str]:
    """Return the configuration columns that divide rows into panels, beside the factors `drawn`.

    Without panels a line would be a mean over them. A column is returned if it has several values
    where all of `drawn` are equal. An init that follows from the activation, or a parameter of a
    group that follows from the group's name, is not.

    >>> runs = pd.DataFrame({"run": list("abc"), "depth": [2, 2, 4], "lr": [0.1, 1.0, 0.1]})
    >>> panel_factors(runs, ["depth"])
    ['lr']
    """
    runs = frame.drop_duplicates("run")
    found = []
    for column in runs.columns:
        own = group(column)
        if own not in PANEL_KEYS or column in drawn or not varies(runs, column):
            continue
        cell = [*drawn, *({own} & {*runs.columns} - {column, *drawn})]
        if not cell or (runs.groupby(cell, observed=True)[column].nunique(dropna=False) > 1).any():
            found.append(column)
    return found


def numeric_settings(frame: pd.DataFrame) -> list[str]:
    """Return the numeric settings, apart from depth, that have at least three values.

    These are the settings that can be the abscissa of a figure.
    """
    return [
        name
        for name in panel_factors(frame, ["depth"])
        if pd.api.types.is_numeric_dtype(frame[name]) and frame[name].nunique() >= 3
    ]


def split(frame: pd.DataFrame, factors: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """Split a frame by factors into (title, rows), in their order; without factors into one part.

    >>> frame = pd.DataFrame({"activation": ["tanh", "relu"], "lr": [0.1, 0.1]})
    >>> [title for title, rows in split(frame, ["activation", "lr"])]
    ['relu, lr 0.1', 'tanh, lr 0.1']
    """
    if not factors or frame.empty:
        return [("", frame)]
    groups = frame.groupby(list(factors), observed=True, dropna=False)
    return [
        (", ".join(map(describe, factors, key if isinstance(key, tuple) else (key,))), rows)
        for key, rows in groups
    ]


def describe(factor: str, value: object) -> str:
    """Return a factor's value as a title shows it: names alone, numbers and switches with a key.

    >>> describe("activation", "tanh"), describe("lr", 0.1), describe("data.scale", True)
    ('tanh', 'lr 0.1', 'scale true')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        number = str(value).lower()
    else:
        number = f"{value:g}" if isinstance(value, int | float) else str(value)
    return f"{factor.split('.')[-1]} {number}"


def axis_label(factor: str) -> str:
    """Return the label of an axis along a factor: its key, except that depth is spelled out."""
    return "hidden layers" if factor == "depth" else factor
