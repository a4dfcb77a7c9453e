"""Arrays that begin where a cache line does, for what is read and written in every step.

NumPy's own begin at any multiple of 16 bytes: then each vector of 64, as AVX-512 moves them, lies
on two lines. A product of two arrays in the cache takes up to twice as long there, one of small
matrices a tenth longer.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

LINE = 64  # bytes


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Allocate without filling."""
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def empty_like(array: NDArray[Any], dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Allocate an array of the same shape, its axes in the same order in memory."""
    axes = np.argsort(array.strides)[::-1]
    ordered = empty(tuple(array.shape[axis] for axis in axes), dtype or array.dtype)
    return ordered.transpose(np.argsort(axes))


def copy(values: ArrayLike, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Copy into an array in C order."""
    values = np.asarray(values, dtype)
    array = empty(values.shape, values.dtype)
    array[...] = values
    return array
