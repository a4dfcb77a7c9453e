"""Norms of arrays of any size of number."""

from __future__ import annotations

import math

import numpy as np

from bpexp.nn.activations import Array


def norm(x: Array) -> float:
    """Return the Frobenius norm, right over the whole range of float32 and float64.

    Squares of float32 numbers fit float64. Where squares of float64 numbers leave its range, x is
    scaled first; NumPy then warns of the overflow unless the caller disables it.
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
