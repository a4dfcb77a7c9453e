"""Finite width against many small random networks."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.theory import log_norm_std, moment_ratio

DRAWS = 40_000


@pytest.mark.parametrize("widths", [(8,), (16, 16), (40, 20, 10)])
def test_relu_networks_fluctuate_by_the_sum_of_inverse_widths(widths):
    """The signal forwards, and outputs pulled back through the same weights and gates."""
    rng = np.random.default_rng(3)
    a = np.tile(rng.standard_normal(12), (DRAWS, 1))
    weights, gates = [], []
    for n in widths:
        w = rng.standard_normal((DRAWS, a.shape[1], n)) * np.sqrt(2 / a.shape[1])
        z = np.einsum("di,dij->dj", a, w)
        a = np.maximum(z, 0)
        weights.append(w)
        gates.append(z > 0)
    delta = rng.standard_normal((DRAWS, widths[-1])) * gates[-1]
    for w, gate in zip(weights[:0:-1], gates[-2::-1], strict=True):
        delta = gate * np.einsum("dij,dj->di", w, delta)
    for signal in (a, delta):
        square = np.sum(signal**2, axis=1)
        found = np.mean(square**2) / np.mean(square) ** 2
        assert found == pytest.approx(moment_ratio(widths), rel=0.03)


def test_the_spread_grows_as_depth_over_width():
    assert moment_ratio([100] * 20) == pytest.approx(1.05**20, rel=1e-12)
    assert log_norm_std([100] * 20) == pytest.approx(np.sqrt(20 * np.log(1.05)) / 2, rel=1e-12)
    assert moment_ratio([]) == 1
