"""Jacobians against the complex step through a forward pass written out."""

from __future__ import annotations

import cmath

import numpy as np
import oracles
import pytest

from bpexp import load_data, train
from bpexp.analysis.summaries import isometry
from bpexp.nn import Choice, Network
from bpexp.nn.stack import Stack, with_constant_unit
from bpexp.probes import ProbedNetwork
from bpexp.probes.jacobian import jacobian_spectrum
from bpexp.training import STOPS, Trainer, run

CHOSEN = {"jacobian_spectrum": 2}


def same(one, other):
    return np.array_equal(*(seen.arrays["jacobian_spectrum"] for seen in (one, other)))


def spectrum(network, x):
    """The singular values at all inputs x (E, n_0)."""
    dtype = network.theta.dtype
    stack = Stack(network.architecture, network.theta[None])
    targets = np.zeros((network.architecture.sizes[-1], len(x)), dtype)
    return jacobian_spectrum(ProbedNetwork(stack, with_constant_unit(x, dtype), targets), len(x))


def last_hidden(layers, z, activation):
    """z^(L-1) from z^(1), in complex arithmetic."""
    for weights, biases in layers:
        a = [activation(value) for value in z]
        z = [
            biases[k] + sum(a[j] * weights[j][k] for j in range(len(a))) for k in range(len(biases))
        ]
    return z


@pytest.mark.parametrize("depth", [2, 3, 10])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "gelu"])
def test_singular_values_equal_the_complex_steps(activation, depth):
    init = Choice("glorot_normal", {"bias_std": 0.3})
    network = Network.create(
        [4, *[5] * depth, 3], activation=activation, init=init, seed=1, dtype="float64"
    )
    x = np.random.default_rng(2).standard_normal((3, 4))
    found = spectrum(network, x)
    hidden = [(theta[1:].tolist(), theta[0].tolist()) for theta in network.layers[1:-1]]
    for inputs, values in zip(x, found, strict=True):
        first = network.layers[0][0] + inputs @ network.layers[0][1:]
        columns = []
        for j in range(5):
            z = [complex(value) for value in first]
            z[j] += 1j * oracles.H
            out = last_hidden(hidden, z, oracles.ACTIVATIONS[activation])
            columns.append([value.imag / oracles.H for value in out])
        expected = np.linalg.svd(np.array(columns).T, compute_uv=False)
        # singular values are exact to 1e-15 of the largest
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-14 * expected[0])
    assert cmath.isfinite(found.sum())


def test_an_orthogonal_linear_network_is_an_isometry():
    network = Network.create([6, 5, 5, 5, 3], activation="identity", init="orthogonal")
    found = spectrum(network, np.ones((2, 6)))
    np.testing.assert_allclose(found, 1, rtol=1e-6)
    told = isometry(found)
    assert told["jacobian/mean_square"] == pytest.approx(1, rel=1e-6)
    assert told["jacobian/relative_variance"] < 1e-10


def test_training_measures_spectra_where_they_are_chosen():
    digits = load_data("digits", limit=96)
    net = Network.create([64, 8, 8, 10], activation="tanh")
    history = train(net, digits, epochs=2, measure=CHOSEN)
    spectra = [seen.arrays["jacobian_spectrum"] for seen in history]
    assert [values.shape for values in spectra] == [(2, 8)] * 3
    assert not np.array_equal(spectra[0], spectra[-1])
    plain = Network.create([64, 8, 8, 10], activation="tanh")
    assert all(not seen.arrays for seen in train(plain, digits, epochs=2))
    np.testing.assert_array_equal(net.theta, plain.theta)
    shallow = Network.create([64, 8, 10])
    assert not train(shallow, digits, epochs=1, measure=CHOSEN)[0].arrays


def test_changes_that_are_not_finite_are_left_out():
    assert isometry(np.array([[1.0, np.nan]])) == {}
    assert "jacobian/relative_variance" not in isometry(np.zeros((1, 3)))


@pytest.mark.parametrize("activation", ["relu", "elu", "tanh"])
def test_a_network_that_is_not_finite_has_no_spectrum(activation):
    net = Network.create([3, 4, 4, 4, 2], activation=activation)
    net.layers[0][0, 1] = np.nan
    found = spectrum(net, np.ones((2, 3)))
    assert found.shape == (2, 4)
    assert np.isnan(found).all()


def test_networks_of_a_stack_have_their_own_spectra():
    digits = load_data("digits", limit=96)
    alone = [
        train(
            Network.create([64, 8, 8, 10], seed=seed), digits, epochs=2, seed=seed, measure=CHOSEN
        )
        for seed in (0, 1)
    ]
    networks = [Network.create([64, 8, 8, 10], seed=seed) for seed in (0, 1)]
    stack = Stack.of(networks[0].architecture, [net.theta for net in networks], "float32")
    trainer = Trainer(
        stack, digits, learning_rates=[0.1, 0.1], seeds=[0, 1], optimizer=Choice("sgd"),
        batch_size=32, epochs=2, instruments=CHOSEN,
    )  # fmt: skip
    for seen in run(trainer, epochs=1, stop=STOPS["none"]()):
        for r in (0, 1):
            assert same(seen.of(r), alone[r][int(seen.epoch)])
    trainer.keep(np.array([False, True]))
    kept = list(run(trainer, epochs=2, stop=STOPS["none"]()))
    assert same(kept[-1].of(0), alone[1][-1])
