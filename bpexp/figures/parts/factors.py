"""Find the configuration columns that vary, and divide rows by them into lines and panels.

Frames are never modified; every function returns a new frame or a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bpexp.config.schema import IDENTITY_KEYS
from bpexp.errors import ending
from bpexp.figures.parts.numbers import number

SYMBOLS = {"sigma_w2": r"$\sigma_w^2$", "sigma_b2": r"$\sigma_b^2$"}
LONGEST = 32  # characters of a label
WORDS = {"depth": "hidden layers", "lr": "learning rate", "init": "initialization"}


def group(column: object) -> str:
    """Return the configuration group of a column: the part of its name before the first dot."""
    return str(column).split(".")[0]


# Configuration keys that divide rows into panels if they vary. Lines are means over seeds. Threads
# and the choice of measurements have no effect on figures.
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
    """Return the configuration columns that divide rows into panels, except the factors `drawn`.

    Without these panels a line would average over the columns. A column is returned if it has
    several values in rows with equal `drawn`. An init that follows from the activation is not
    returned, nor is a parameter of a group that follows from the name of the group's choice.

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
    return [
        (", ".join(map(describe, factors, values)), rows) for values, rows in parts(frame, factors)
    ]


def parts(
    frame: pd.DataFrame, factors: Sequence[str]
) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Split a frame by factors into (values, rows), in their order; without factors into one."""
    if not factors or frame.empty:
        return [((), frame)]
    groups = frame.groupby(list(factors), observed=True, dropna=False)
    return [(key if isinstance(key, tuple) else (key,), rows) for key, rows in groups]


def describe(factor: str, value: object) -> str:
    """Return a factor's value as text: a name alone, a number or a switch after its key.

    >>> describe("activation", "tanh"), describe("lr", 0.1), describe("data.scale", True)
    ('tanh', 'lr 0.1', 'scale true')
    """
    if isinstance(value, str):
        return value
    return f"{factor.split('.')[-1]} {shown(value)}".strip()


def shown(value: object) -> str:
    """Return a value as text: a number as `number` writes it, a switch as in a command.

    Of long text, such as a path, the end is returned: a label of any length leaves a figure no
    room for its axes.

    >>> shown("/home/somebody/projects/spirals/five_arms.npz")
    '...rojects/spirals/five_arms.npz'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return number(value)
    return ending(str(value), LONGEST).replace("$", r"\$")  # matplotlib reads $...$ as mathematics


def panel_title(factor: str, value: object) -> str:
    r"""Return a factor's value as the title of a panel: as `describe`, with symbols.

    >>> panel_title("lr", 1e-4), panel_title("init.sigma_w2", 1.5)
    ('lr 10⁻⁴', '$\\sigma_w^2$ = 1.5')
    >>> panel_title("norm", "none")
    'no norm'
    """
    if value == "none":
        return f"no {factor}"
    if isinstance(value, str):
        return shown(value)
    symbol = SYMBOLS.get(factor.split(".")[-1])
    return f"{symbol} = {shown(value)}" if symbol else describe(factor, value)


def axis_label(factor: str) -> str:
    r"""Return the label of an axis along a factor: its symbol, or its name in words.

    >>> axis_label("init.sigma_w2"), axis_label("depth"), axis_label("batch_size")
    ('$\\sigma_w^2$', 'hidden layers', 'batch size')
    """
    name = factor.split(".")[-1]
    return SYMBOLS.get(name) or WORDS.get(name) or name.replace("_", " ")
