"""Check arguments of public functions: arrays of inputs and targets, integers and dtypes.

They are checked once for each call; training steps check nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.nn.choices import require

HELD = {"c": "complex numbers", "U": "text", "S": "text", "T": "text", "O": "objects", "M": "dates"}


def as_inputs(name: str, value: Any, n: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return inputs as an array (N, n).

    Args:
        name: the argument's name.
        value: the argument: an array or nested lists of at least one example.
        n: the number of inputs of an example.
        dtype: float32 or float64, the dtype of the computation.

    Raises:
        ValueError: they are not finite real numbers in the range of `dtype`, or have another shape.
    """
    x = _numbers(name, value, f"an array of shape (N, {n})")
    if x.ndim != 2 or x.shape[1] != n:
        hint = ""
        if x.shape == (n,):
            hint = f"; one example is {name}[None]"
        elif x.ndim > 2 and x[:1].size == n:
            hint = f"; use {name}.reshape(len({name}), -1)"
        raise ValueError(f"{name}: shape {x.shape} is not (N, {n}){hint}")
    _check_values(name, x, dtype)
    return x


def as_targets(
    name: str, value: Any, examples: int, n_outputs: int, labels: bool, dtype: DTypeLike
) -> NDArray[Any]:
    """Return labels (N,) as int64, or targets (N, K).

    Args:
        name: the argument's name.
        value: the argument.
        examples: N, the number of inputs.
        n_outputs: K.
        labels: whether one number for each example is a label of a class, 0 .. K - 1.
        dtype: float32 or float64, the dtype of the computation.

    Raises:
        ValueError: they have another shape, number or range, or are not finite real numbers.
    """
    shapes = f"(N, {n_outputs})" if n_outputs > 1 and not labels else f"(N,) or (N, {n_outputs})"
    y = _numbers(name, value, f"an array of shape {shapes}")
    single = y.ndim == 1 and (labels or n_outputs == 1)
    if not single and (y.ndim != 2 or y.shape[1] != n_outputs):
        raise ValueError(f"{name}: shape {y.shape} is not {shapes}")
    if len(y) != examples:
        raise ValueError(f"{name}: {len(y)} examples are not the {examples} of the inputs")
    _check_values(name, y, dtype)
    if not (single and labels):
        return y
    if y.dtype.kind == "f" and (y != np.trunc(y)).any():
        raise ValueError(f"{name}: labels of dtype {y.dtype} are not integers")
    for label in (y.min(), y.max()):
        require(name, label.item(), f"a label of 0 to {n_outputs - 1}", 0 <= label < n_outputs)
    return y.astype(np.int64)


def require_integer(name: str, value: object, least: int, *, nullable: bool = False) -> None:
    """Raise ValueError unless value is an integer of at least `least`, or None if `nullable`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    allowed = f"an integer of at least {least}{', or None' if nullable else ''}"
    fits = (value is None and nullable) or (whole and value >= least)  # type: ignore[operator]
    require(name, value, allowed, fits)


def as_float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64.

    Raises:
        ValueError: it is another dtype.
    """
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    require("dtype", dtype, "float32 or float64", found in (np.float32, np.float64))
    assert found is not None
    return found


def _numbers(name: str, value: Any, allowed: str) -> NDArray[Any]:
    """Return an array of booleans, integers or floats."""
    kind = type(value).__name__
    if hasattr(value, "toarray"):
        raise ValueError(f"{name}: a sparse {kind} is not {allowed}; use {name}.toarray()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name}: a {kind} with masked entries is not {allowed}")
    try:
        array = np.asarray(value)
    except Exception as error:  # lists of unequal lengths, and exceptions of other libraries
        message = str(error).partition(". ")[0].partition("\n")[0]
        raise ValueError(f"{name}: a {kind} is not {allowed}: {message}") from None
    if array.dtype.kind not in "buif":
        held = HELD.get(array.dtype.kind, f"dtype {array.dtype}")
        raise ValueError(f"{name}: a {kind} of {held} is not {allowed} of real numbers")
    return array


def _check_values(name: str, array: NDArray[Any], dtype: DTypeLike) -> None:
    if not array.size:
        raise ValueError(f"{name}: shape {array.shape} has no examples")
    if array.dtype.kind == "f":
        largest = float(np.fmax.reduce(np.abs(array), axis=None))
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: NaN or infinity is not a finite number")
        if largest > float(np.finfo(np.dtype(dtype)).max):
            raise ValueError(f"{name}: {largest:.3g} is not in the range of {np.dtype(dtype)}")
