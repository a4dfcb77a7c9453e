"""The norm of an array, without overflow or underflow."""

from __future__ import annotations

import math

import numpy as np

from bpexp.nn.activations import Array


def norm(x: Array) -> float:
    """Return the Frobenius norm, without overflow or underflow of the squares.

    Unlike the norm of `bpexp.nn.updates`, which training steps use, it allocates a copy in float64
    and is also exact for small numbers of float64.

    Squares of float32 numbers are in the range of float64. If squares of float64 numbers are not,
    x is scaled; NumPy then warns of the overflow unless the caller disables it.
    """
    wide = np.asarray(x, dtype=np.float64, order="C").ravel()
    square = float(wide.dot(wide))
    if 1e-280 < square < 1e280 or not wide.size:
        return math.sqrt(square)
    largest = float(np.abs(wide).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    wide = wide / largest
    return largest * math.sqrt(wide.dot(wide))
