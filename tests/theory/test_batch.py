"""Theory of a concrete batch against wide random networks and against the fine quadrature."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.data import load
from bpexp.nn import ACTIVATIONS, Choice
from bpexp.nn.network import one_hot
from bpexp.nn.stack import Architecture, Stack, initial_theta, with_constant_unit
from bpexp.probes import Prober
from bpexp.theory import layer_variances, predict, predict_batch
from bpexp.theory.gaussian import COARSE, FINE, mean_products

B, SEEDS = 256, 16


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_coarse_rule_is_near_the_fine_one(name):
    g = ACTIVATIONS[name]()
    variance_1, variance_2 = np.array([0.1, 1.0, 3.0, 1.0]), np.array([0.2, 1.0, 5.0, 0.1])
    correlation = np.array([-0.3, 0.5, 0.9, 1.0])
    arguments = (lambda u: np.stack(g(u)), variance_1, variance_2, correlation)
    np.testing.assert_allclose(
        mean_products(*arguments, COARSE), mean_products(*arguments, FINE), rtol=2e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    ("activation", "init", "cost"),
    [
        ("tanh", "glorot_normal", "cross_entropy"),
        ("tanh", "orthogonal", "squared_error"),
        ("relu", "he_normal", "cross_entropy"),
        ("sigmoid", "he_normal", "cross_entropy"),
        ("selu", "lecun_normal", "binary_cross_entropy"),
    ],
)
def test_every_layer_of_a_wide_network_is_as_predicted(activation, init, cost):
    """Root mean squares over draws; gradients, heavy-tailed and of a sampled batch, within 25 %."""
    data, depth, width = load("digits"), 5, 300
    architecture = Architecture((64, *[width] * depth, 10), Choice(activation), Choice(cost))
    x, y = data.x_train[:B], data.y_train[:B]
    thetas = [initial_theta(architecture, Choice(init), seed) for seed in range(SEEDS)]
    stack = Stack.of(architecture, thetas, np.float32)
    prober = Prober(stack, with_constant_unit(x, np.float32), one_hot(y, 10, np.float32).T)
    measure = prober(stack, None, np.ones(SEEDS, bool))
    expected = predict_batch(architecture, layer_variances(architecture, Choice(init)), x, y)
    for name, tolerance in (
        ("delta_norm", 0.06),
        ("grad_norm", 0.25),
        ("bias_grad_norm", 0.3),
    ):
        found = np.sqrt(np.mean(measure[name] ** 2, axis=0))
        np.testing.assert_allclose(found, getattr(expected, name), rtol=tolerance, err_msg=name)
    np.testing.assert_allclose(measure["q"].mean(axis=0)[:-1], expected.q[:-1], rtol=0.1)
    np.testing.assert_allclose(
        measure["correlation"].mean(axis=0)[:-1], expected.correlation[:-1], rtol=0.04
    )


def test_a_batch_of_equal_lengths_has_the_simple_prediction():
    architecture = Architecture((20, 30, 40, 3), Choice("tanh"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("glorot_normal", {"bias_std": 0.3}))
    x = np.random.default_rng(0).standard_normal((12, 20))
    x /= np.sqrt((x**2).mean(axis=1, keepdims=True))
    whole = predict_batch(architecture, variances, x, np.arange(12) % 3)
    simple = predict(architecture, variances, input_moment=1.0)
    np.testing.assert_allclose(whole.q, simple.q, rtol=1e-3)
    np.testing.assert_allclose(whole.slope_factor[:-1], simple.slope_factor[:-1], rtol=1e-3)
    np.testing.assert_allclose(whole.weight_factor[:-1], simple.weight_factor[:-1], rtol=1e-12)


def test_pairs_stand_for_the_whole_batch():
    from bpexp.theory.batch import _represented

    labels = np.array([0] * 50 + [1] * 30 + [2])
    x = np.random.default_rng(0).standard_normal((81, 4))
    _, targets, weights = _represented(x, labels, 3)
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    shares = targets.T @ weights @ targets * 81**2
    np.testing.assert_allclose(shares, np.outer([50, 30, 1], [50, 30, 1]), rtol=1e-12)
    assert np.trace(weights) == pytest.approx(1 / 81, rel=1e-12)


def test_representatives_come_from_all_over_an_ordered_batch():
    data = load("parity")
    architecture = Architecture((10, 200, 200, 2), Choice("tanh"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("glorot_normal"))
    x, y = data.x_train[:512], data.y_train[:512]
    length = np.mean(np.sum(x**2, axis=1)) * variances[0][0]
    assert predict_batch(architecture, variances, x, y).q[0] == pytest.approx(length, rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_never_less_than_of_examples_that_do_not_agree(seed):
    data = load("gaussian", features=8, examples=512, classes=2, seed=seed)
    architecture = Architecture((8, 50, 50, 2), Choice("relu"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("he_normal"))
    found = predict_batch(architecture, variances, data.x_train, data.y_train)
    assert (found.grad_norm > 0).all()


def test_large_variances_are_integrated_finely():
    architecture = Architecture((30, *[300] * 4, 10), Choice("tanh"), Choice("cross_entropy"))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((128, 30)), rng.integers(0, 10, 128)
    init = Choice("normal", {"std": 0.5})  # q is about 75
    thetas = [initial_theta(architecture, init, seed) for seed in range(12)]
    stack = Stack.of(architecture, thetas, np.float64)
    prober = Prober(stack, with_constant_unit(x, np.float64), one_hot(y, 10, np.float64).T)
    found = np.sqrt(np.mean(prober(stack, None, np.ones(12, bool))["delta_norm"] ** 2, axis=0))
    expected = predict_batch(architecture, layer_variances(architecture, init), x, y)
    np.testing.assert_allclose(found, expected.delta_norm, rtol=0.1)
