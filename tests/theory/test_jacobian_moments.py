"""Moments of the Jacobian's spectrum against closed forms and wide random networks."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.nn import ACTIVATIONS, Architecture, Choice
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.probes import ProbedNetwork
from bpexp.probes.jacobian import jacobian_spectrum
from bpexp.theory import jacobian_moments, layer_variances, predict


def moments(activation, hops, sigma_w2, q=1.0, *, orthogonal):
    g = ACTIVATIONS[activation]()
    lengths = np.full(hops, q)
    return jacobian_moments(g, np.full(hops, sigma_w2), lengths, orthogonal=orthogonal)


def test_linear_networks_have_their_closed_form():
    """Products of L Gaussian matrices: E s^2 = 1, var s^2 = L; orthogonal ones are isometries."""
    assert moments("identity", 7, 1.0, orthogonal=False) == pytest.approx((1.0, 7.0), rel=1e-12)
    assert moments("identity", 7, 1.0, orthogonal=True) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_relu_is_no_isometry_whatever_the_weights():
    """mu_1 = mu_2 = 1/2: var s^2 = L (2 - 1) at least (Pennington et al. 2017, section 4.1)."""
    assert moments("relu", 5, 2.0, orthogonal=True) == pytest.approx((1.0, 5.0), rel=1e-9)


@pytest.mark.parametrize("init", ["orthogonal", "mean_field"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_wide_networks_have_the_predicted_moments(activation, init):
    width, depth = 300, 6
    gain2 = 2.0 if activation == "relu" else 1.3
    parameters = {"gain": gain2**0.5} if init == "orthogonal" else {"sigma_w2": gain2}
    architecture = Architecture.dense(
        (width, *[width] * depth, 2), Choice(activation), Choice("cross_entropy")
    )
    choice = Choice(init, parameters)
    x = np.random.default_rng(0).standard_normal((3, width))
    told = predict(architecture, layer_variances(architecture, choice), 1.0)
    thetas = [initial_theta(architecture, choice, seed) for seed in range(6)]
    stack = Stack.of(architecture, thetas, np.float64)
    probed = ProbedNetwork(stack, with_constant_unit(x, np.float64), np.eye(2, 3))
    spectra = []
    for r in range(len(stack)):
        probed.load(stack, r)
        spectra.append(jacobian_spectrum(probed, 3))
    squares = np.square(spectra)
    square, variance = jacobian_moments(
        ACTIVATIONS[activation](),
        told.sigma_w2[1:depth],
        told.q[: depth - 1],
        orthogonal=init == "orthogonal",
    )
    assert squares.mean() == pytest.approx(square, rel=0.12)
    each = squares.reshape(18, -1)
    found = np.mean((each / each.mean(axis=1, keepdims=True)).var(axis=1))
    assert found == pytest.approx(variance, rel=0.1)
