"""Map labels (integers, whole floats, booleans or text) to class numbers 0 .. K - 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpexp.errors import DataError, quoted

MOST_LISTED = 8  # names in a message
EXAMPLES_A_CLASS = 10  # whole floats with fewer examples a class on average are targets


class Classes(NamedTuple):
    """Labels as class numbers.

    Attributes:
        labels: class numbers of each split, (N,) int64, in the sorted order of the labels.
        number: K.
        names: the label of each class, as text; None if the labels were 0 .. K - 1.
    """

    labels: list[NDArray[np.int64]]
    number: int
    names: tuple[str, ...] | None

    def notes(self, source: str) -> list[str]:
        """Return the message about labels that were mapped, if any."""
        if self.names is None:
            return []
        names = listed(self.names)
        return [f"{source}: the labels {names} are classes 0 to {self.number - 1}, in this order"]


def find_classes(source: str, splits: Sequence[NDArray[Any]]) -> Classes:
    """Map the labels that occur in the splits of a data set to class numbers.

    Args:
        source: the origin of the labels, for messages.
        splits: the labels (N,) of each split: integers, whole floats, booleans or text.

    Raises:
        DataError: labels have another shape or type, or are all of one class.
    """
    splits = [as_text(y) if y.dtype.kind == "S" else y for y in splits]
    for y in splits:
        if y.ndim != 1:
            raise DataError(f"{source}: labels of shape {y.shape} are not (N,)")
        if y.dtype.kind == "f" and not is_whole(y):
            raise DataError(f"{source}: labels are fractions, NaN or infinite, not whole numbers")
        if y.dtype.kind not in "biufUT":
            raise DataError(f"{source}: labels of dtype {y.dtype} are not integers or text")
    if len({y.dtype.kind in "UT" for y in splits}) > 1:
        raise DataError(f"{source}: labels are text in one split and numbers in the other")
    # Unique values of each split first: uint64 and int64 have no common dtype.
    occurring = [np.unique(y) for y in splits]
    values = sorted({value for found in occurring for value in found.tolist()})
    if not values:
        raise DataError(f"{source}: holds no examples")
    if len(values) == 1:
        only = listed([_name(values[0])])
        raise DataError(f"{source}: all labels are {only}: there is nothing to learn")
    numbers = {value: number for number, value in enumerate(values)}
    labels = []
    for y, found in zip(splits, occurring, strict=True):
        table = np.array([numbers[value] for value in found.tolist()], np.int64)
        labels.append(table[np.searchsorted(found, y)])
    plain = values == list(range(len(values))) and not isinstance(values[0], bool)
    return Classes(labels, len(values), None if plain else tuple(map(_name, values)))


def as_text(labels: NDArray[np.bytes_]) -> NDArray[np.str_]:
    r"""Decode labels of bytes as UTF-8; bytes that are not valid UTF-8 are written as \xff."""
    return np.char.decode(labels, "utf-8", "backslashreplace")


def are_labels(y: NDArray[Any]) -> bool:
    """Return whether y holds labels: other than floats, or whole floats with enough per class.

    Args:
        y: labels or targets, any shape.
    """
    if y.dtype.kind != "f":
        return True
    return y.ndim == 1 and is_whole(y) and EXAMPLES_A_CLASS * len(np.unique(y)) <= len(y)


def is_whole(y: NDArray[Any]) -> bool:
    """Return whether all numbers are finite and whole."""
    return bool(np.isfinite(y).all() and (y == np.trunc(y)).all())


def listed(names: Sequence[object]) -> str:
    """Return the names separated by commas; if there are many, the middle ones are left out."""
    shown = [quoted(str(name)) or "''" for name in names]
    if len(shown) > MOST_LISTED:
        shown = [*shown[: MOST_LISTED - 2], "...", shown[-1]]
    return ", ".join(shown)


def _name(value: object) -> str:
    """Return a label as text; whole floats without a decimal point."""
    return str(int(value)) if isinstance(value, float) else str(value)
