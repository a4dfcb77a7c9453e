"""Instruments of the parameters against matrices whose norm and singular values are known."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.nn import Network
from bpexp.nn.stack import Stack
from bpexp.probes import ProbedNetwork
from bpexp.probes.parameters import weight_norm, weight_spectrum

VALUES = ([5.0, 3.0, 1e-3], [4.0, 2.0], [7.0, 0.0])  # singular values of W^(1), W^(2), W^(3)


def orthonormal(n, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def probed(dtype):
    """Return a network of sizes 3-4-2-6 whose weights have the singular values VALUES."""
    network = Network.create([3, 4, 2, 6], dtype=dtype)
    for number, (theta, values) in enumerate(zip(network.layers, VALUES, strict=True)):
        n_in, n_out = theta[1:].shape
        rank = len(values)
        left, right = orthonormal(n_in, number), orthonormal(n_out, 10 + number)
        theta[1:] = left[:, :rank] @ np.diag(values) @ right[:, :rank].T
        theta[0] = 100.0  # biases are left out
    stack = Stack(network.architecture, network.theta[None])
    return ProbedNetwork(stack, np.ones((2, 4), dtype), np.zeros((6, 2), dtype))


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-6), ("float64", 1e-14)])
def test_norms_and_singular_values_are_those_of_the_weights(dtype, error):
    norms, spectra = weight_norm(probed(dtype)), weight_spectrum(probed(dtype))
    assert [len(values) for values in spectra] == [3, 2, 2]
    for norm, found, values in zip(norms, spectra, VALUES, strict=True):
        np.testing.assert_allclose(norm, np.sqrt(np.sum(np.square(values))), rtol=error)
        np.testing.assert_allclose(found, values, atol=error * max(values), rtol=0)


def test_weights_that_are_not_finite_have_no_singular_values():
    network = probed("float32")
    network.layers[1][1, 0] = np.inf
    first, second, third = weight_spectrum(network)
    assert np.isfinite(first).all()
    assert np.isfinite(third).all()
    assert second.shape == (2,)
    assert np.isnan(second).all()
    assert weight_norm(network)[1] == np.inf


def test_a_norm_of_float32_weights_may_exceed_its_squares_range():
    network = probed("float32")
    network.layers[0][1:] = 1e30
    assert weight_norm(network)[0] == pytest.approx(1e30 * 12**0.5, rel=1e-7)
