"""Choose some examples of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices 0 .. n - 1, evenly spaced, since data may be sorted."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)
