"""Instruments that depend on the parameters only."""

from __future__ import annotations

import numpy as np

from bpexp.probes.network import ProbedNetwork
from bpexp.probes.norms import norm
from bpexp.probes.statistics import Values


def weight_norm(probed: ProbedNetwork) -> Values:
    """||W^(l)||_F, without the bias row."""
    return np.array([norm(theta[1:]) for theta in probed.layers])


def weight_spectrum(probed: ProbedNetwork) -> list[Values]:
    """Singular values of W^(l), largest first; layer l has min(n_{l-1}, n_l) of them.

    They are computed in float64 for networks of any dtype: values below 1e-16 of the largest are
    rounding errors. If a weight is not finite, they are NaN.
    """
    return [_singular_values(theta[1:].astype(np.float64)) for theta in probed.layers]


def _singular_values(matrix: Values) -> Values:
    if not np.isfinite(matrix).all():
        return np.full(min(matrix.shape), np.nan)
    return np.asarray(np.linalg.svd(matrix, compute_uv=False), np.float64)
