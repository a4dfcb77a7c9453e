"""Arrays that begin at the start of a cache line, for everything that a step reads and writes.

NumPy's own arrays begin at any multiple of 16 bytes. A vector of 64 bytes, which AVX-512 loads at
once, then lies on two cache lines. Aligned, a product of two arrays in the cache takes up to half
the time, and a product of small matrices a tenth less.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

LINE = 64  # bytes of a cache line


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialized array in C order."""
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def empty_like(array: NDArray[Any], dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return an uninitialized array of the same shape, its axes in the same order in memory.

    Args:
        array: gives the shape and the order of the axes.
        dtype: the new array's; the same as that of `array` if None.
    """
    axes = np.argsort(array.strides)[::-1]
    ordered = empty(tuple(array.shape[axis] for axis in axes), dtype or array.dtype)
    return ordered.transpose(np.argsort(axes))


def copy(values: ArrayLike, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return a copy in C order.

    Args:
        values: what is copied.
        dtype: the copy's; that of `values` if None.
    """
    values = np.asarray(values, dtype)
    array = empty(values.shape, values.dtype)
    array[...] = values
    return array
