"""Values of instruments: a number, an array, or a list of arrays that differ in length."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = float | NDArray[np.float64] | list["Value"]
"""A float without dimensions, else a float64 array with an axis for each dimension; if the length
of an axis varies along the axis before it, a list of such values."""


def as_value(nested: Any, axes: int | None = None) -> Value:
    """Convert nested lists or an array-like to a value.

    >>> as_value([[1, 2], [3]])
    [array([1., 2.]), array([3.])]

    Args:
        nested: numbers in lists, tuples or arrays.
        axes: the required number of axes; None: any.

    Raises:
        ValueError: the value has another number of axes.
    """
    try:
        array = np.asarray(nested, np.float64)
    except ValueError:  # lengths differ
        return [as_value(part, None if axes is None else axes - 1) for part in nested]
    if axes is not None and array.ndim != axes:
        raise ValueError(f"{array.ndim} axes instead of {axes}")
    return array if array.ndim else float(array)


def as_lists(value: Value) -> Any:
    """Convert a value to a float or nested lists of floats, for JSON."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [as_lists(part) for part in value] if isinstance(value, list) else value


def unravel(value: Value) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the indices (axes, n) and the numbers (n,) of a value, the last index fastest.

    >>> indices, numbers = unravel([np.array([1.0, 2.0]), np.array([3.0])])
    >>> indices.tolist(), numbers.tolist()
    ([[0, 0, 1], [0, 1, 0]], [1.0, 2.0, 3.0])
    """
    if not isinstance(value, list):
        array = np.asarray(value)
        return np.indices(array.shape).reshape(array.ndim, array.size), array.ravel()
    parts = [unravel(part) for part in value]
    first = np.repeat(np.arange(len(parts)), [len(numbers) for _, numbers in parts])
    rest = np.concatenate([indices for indices, _ in parts], axis=1)
    return np.vstack([first, rest]), np.concatenate([numbers for _, numbers in parts])
