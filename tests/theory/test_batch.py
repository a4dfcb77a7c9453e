"""Theory of a concrete batch against wide random networks and against the fine quadrature."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest
from helpers import one_hot

from bpexp.data import load
from bpexp.nn import ACTIVATIONS, COSTS, Architecture, Choice
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.probes import Measurer
from bpexp.theory import UnknownCostError, layer_variances, predict, predict_batch
from bpexp.theory.gaussian import FINE, MEDIUM, USUAL, mean, mean_products
from bpexp.theory.kernels import Pairs
from bpexp.theory.moments import activation_means

B, SEEDS = 256, 16


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_medium_rule_is_near_the_fine_one(name):
    g = ACTIVATIONS[name]()
    variance_1, variance_2 = np.array([0.1, 1.0, 3.0, 1.0]), np.array([0.2, 1.0, 5.0, 0.1])
    correlation = np.array([-0.3, 0.5, 0.9, 1.0])
    arguments = (lambda u: np.stack(g(u)), variance_1, variance_2, correlation)
    np.testing.assert_allclose(
        mean_products(*arguments, MEDIUM), mean_products(*arguments, FINE), rtol=5e-6, atol=1e-7
    )


def test_memory_does_not_grow_with_the_pairs():
    variance, correlation = np.linspace(0.1, 3, 4000), np.linspace(-1, 1, 4000)
    tracemalloc.start()
    try:
        found = mean_products(np.abs, variance, 2.0, correlation, USUAL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20  # the values of all pairs take 190 MiB
    some = slice(7, None, 997)
    expected = mean_products(np.abs, variance[some], 2.0, correlation[some], USUAL)
    np.testing.assert_allclose(found[some], expected, rtol=1e-13)


@pytest.mark.parametrize(("scale", "tolerance"), [(0.5, 1e-4), (60.0, 4e-3)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_interpolated_pairs_equal_the_quadrature_of_each(name, scale, tolerance):
    x = np.random.default_rng(1).standard_normal((10, 6)) * np.linspace(0.5, 2, 10)[:, None]
    covariance = scale * (x @ x.T / 6) + 0.1
    found = activation_means(Choice(name), covariance.tobytes())
    g = ACTIVATIONS[name]()
    i, j = np.triu_indices(10)
    variance = np.diag(covariance)
    correlation = covariance[i, j] / np.sqrt(variance[i] * variance[j])
    exact = mean_products(lambda u: np.stack(g(u)), variance[i], variance[j], correlation, FINE)
    size = np.sqrt(found[:, i, i] * found[:, j, j])
    assert np.abs((found[:, i, j] - exact) / size).max() < tolerance


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_example_of_length_0_has_g_of_0(name):
    x = np.random.default_rng(1).standard_normal((6, 4))
    x[2] = 0
    covariance = x @ x.T / 4
    found = activation_means(Choice(name), covariance.tobytes())
    g = ACTIVATIONS[name]()
    for k, products in enumerate(found):  # of g, and of g', whose value at 0 is that of the code
        at_0 = float(g(np.zeros(1))[k][0])
        means = [mean(lambda u: g(u)[k], variance) for variance in np.diag(covariance)]  # noqa: B023
        np.testing.assert_allclose(products[2], at_0 * np.array(means), rtol=1e-4, atol=1e-12)
        np.testing.assert_allclose(products[:, 2], products[2], rtol=1e-12, atol=1e-12)
        assert products[2, 2] == pytest.approx(at_0**2, rel=1e-5, abs=1e-12)
    rest = [0, 1, 3, 4, 5]
    without = activation_means(Choice(name), covariance[np.ix_(rest, rest)].tobytes())
    np.testing.assert_array_equal(found[:, rest][..., rest], without)
    blank = activation_means(Choice(name), np.zeros((2, 2)).tobytes())
    np.testing.assert_allclose(blank, np.broadcast_to(found[:, 2:3, 2:3], (2, 2, 2)), rtol=1e-5)


def test_a_blank_example_passes_no_gradient_through_relu():
    """Against wide networks in plain NumPy: z = 0 without biases, where the slope of ReLU is 0."""
    rng, n = np.random.default_rng(3), 600
    x, targets = np.random.default_rng(1).standard_normal((6, 4)), np.eye(3)[np.arange(6) % 3]
    x[0] = 0
    squares = []
    for _ in range(60):
        w = [rng.standard_normal((a, b)) * np.sqrt(2 / a) for a, b in [(4, n), (n, n), (n, 3)]]
        z1 = x @ w[0]
        z2 = np.maximum(z1, 0) @ w[1]
        d3 = one_hot_delta("cross_entropy", np.maximum(z2, 0) @ w[2], targets)
        d2 = (d3 @ w[2].T) * (z2 > 0)
        d1 = (d2 @ w[1].T) * (z1 > 0)
        squares.append([(d**2).sum(axis=1).mean() for d in (d1, d2, d3)])
    architecture = Architecture.dense((4, n, n, 3), Choice("relu"), Choice("cross_entropy"))
    found = predict_batch(
        architecture, layer_variances(architecture, Choice("he_normal")), x, targets
    )
    np.testing.assert_allclose(found.delta_norm**2, np.mean(squares, axis=0), rtol=0.06)


@pytest.mark.parametrize("blank", [1e-9, 0.0])
def test_a_blank_example_has_a_prediction(blank):
    """Rounding may make the square of its length negative."""
    x = np.random.default_rng(1).standard_normal((6, 4))
    x[0] *= blank
    architecture = Architecture.dense((4, 8, 8, 3), Choice("relu"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("he_normal"))
    found = predict_batch(architecture, variances, x, np.eye(3)[np.arange(6) % 3])
    length = np.sum(x[1:] ** 2) / 6 * 2 / 4  # he_normal keeps the mean square of every layer
    np.testing.assert_allclose(found.q, length, rtol=1e-6)
    assert np.isfinite([found.delta_norm, found.grad_norm, found.bias_grad_norm]).all()
    assert np.isnan(found.correlation).all() or blank


@pytest.mark.parametrize("value", [np.inf, np.nan, None])
def test_the_table_of_angles_has_an_end(value):
    rng, asked = np.random.default_rng(0), []

    def table(deviations, angles):
        asked.append(len(angles))
        noise = rng.standard_normal((len(deviations), len(deviations), len(angles)))
        return noise if value is None else np.full_like(noise, value)

    with np.errstate(invalid="ignore"):
        found = Pairs.of(np.array([[1.0, 0.5], [0.5, 2.0]])).interpolate(table)
        assert asked == ([6, 12, 24, 48, 96] if value is None else [6])
        assert np.isfinite(found).all() == (value is None)


def test_lengths_beyond_float64_have_no_prediction():
    architecture = Architecture.dense((4, 8, 8, 3), Choice("relu"), Choice("cross_entropy"))
    x = np.random.default_rng(1).standard_normal((6, 4))
    with np.errstate(all="ignore"):
        found = predict_batch(architecture, [(1e200, 0.0)] * 3, x, np.eye(3)[np.arange(6) % 3])
    assert np.isfinite(found.q).tolist() == [True, False, False]
    assert np.isnan(found.grad_norm).all()


def arc_cosine(covariance, slope):
    """E[g g] and E[g' g'] of leaky ReLU in closed form (Cho & Saul 2009)."""
    s = np.sqrt(np.diag(covariance))
    angle = np.arccos(np.clip(covariance / np.outer(s, s), -1, 1))
    ramp = np.outer(s, s) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    step = (np.pi - angle) / (2 * np.pi)
    # g(u) = (1 - slope) relu(u) + slope u, and E[relu(u) v] = E[u v] / 2
    whole = (1 - slope) ** 2 * ramp + slope * (1 - slope) * covariance + slope**2 * covariance
    return whole, (1 - slope) ** 2 * step + slope * (1 - slope) + slope**2


def one_hot_delta(cost, z, targets):
    """dC/dz in plain NumPy, z and targets (..., K)."""
    if cost == "cross_entropy":
        p = np.exp(z - z.max(-1, keepdims=True))
        return p / p.sum(-1, keepdims=True) - targets
    a = 1 / (1 + np.exp(-z))
    return a - targets if cost == "binary_cross_entropy" else 2 * (a - targets) * a * (1 - a)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("init", ["standard", "he_normal", "glorot_normal"])
@pytest.mark.parametrize(("activation", "slope"), [("relu", 0.0), ("leaky", 0.01)])
def test_every_quantity_agrees_with_closed_forms_over_all_pairs(activation, slope, init, cost):
    """Depth 3, in the limit of width: within 3 %; the outputs' expectations are draws here."""
    data, sizes, count = load("digits"), (64, 100, 100, 100, 10), 100
    architecture = Architecture.dense(sizes, Choice(activation), Choice(cost))
    variances = layer_variances(architecture, Choice(init))
    x, targets = data.x_train[:count].astype(float), np.eye(10)[data.y_train[:count]]
    kernel, covariances, kernels, slopes = x @ x.T / 64, [], [], []
    for n_in, (var_w, var_b) in zip(sizes, variances, strict=False):
        kernels.append(kernel)
        covariances.append(n_in * var_w * kernel + var_b)
        kernel, step = arc_cosine(covariances[-1], slope)
        slopes.append(step)
    values, vectors = np.linalg.eigh(covariances[-1])
    z = np.random.default_rng(5).standard_normal((2000, 10, count))
    z = z @ (vectors * np.sqrt(np.maximum(values, 0))).T
    delta = one_hot_delta(cost, z.swapaxes(1, 2), targets)
    rows = delta.swapaxes(0, 1).reshape(count, -1)
    product = rows @ rows.T / 2000
    products = [product]
    for n, (var_w, _), step in zip(sizes[3:0:-1], variances[:0:-1], slopes[2::-1], strict=True):
        products.insert(0, n * var_w * step * products[0])
    found = predict_batch(architecture, variances, x, targets)
    averages = [np.mean(n * k * d) for n, k, d in zip(sizes, kernels, products, strict=False)]
    off = ~np.eye(count, dtype=bool)
    weight_factors = [math.sqrt(100 * var_w) for var_w, _ in variances[1:]]
    slope_factors = [  # root mean squares of g' over units, each weighted by its signal
        np.sqrt(np.sum(np.diag(step) * np.diag(after)) / np.trace(after))
        for step, after in zip(slopes[:3], products[1:], strict=True)
    ]
    for name, expected in {
        "q": [np.diag(s).mean() for s in covariances],
        "correlation": [
            (s / np.sqrt(np.outer(np.diag(s), np.diag(s))))[off].mean() for s in covariances
        ],
        "delta_norm": [np.sqrt(np.diag(d).mean()) for d in products],
        "grad_norm": np.sqrt(averages),
        "bias_grad_norm": [np.sqrt(d.mean()) for d in products],
        "weight_factor": [*weight_factors, np.nan],
        "slope_factor": [*slope_factors, np.nan],
    }.items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=0.03, err_msg=name)


def test_a_cost_that_is_not_affine_in_its_targets_is_refused(monkeypatch):
    def delta(emit, z, t, out, slope, scratch):
        emit(np.subtract, z, np.square(t), out)

    cost = dataclasses.replace(COSTS["squared_error"](), delta=delta)
    monkeypatch.setitem(COSTS, "odd", lambda: cost)
    architecture = Architecture.dense((2, 3, 2), Choice("relu"), Choice("odd"))
    with pytest.raises(UnknownCostError, match="theory does not know the cost odd"):
        predict_batch(architecture, [(1.0, 0.0)] * 2, np.eye(2), np.eye(2))


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
    architecture = Architecture.dense((64, *[width] * depth, 10), Choice(activation), Choice(cost))
    x, y = data.x_train[:B], data.y_train[:B]
    thetas = [initial_theta(architecture, Choice(init), seed) for seed in range(SEEDS)]
    stack = Stack.of(architecture, thetas, np.float32)
    measurer = Measurer(stack, with_constant_unit(x, np.float32), one_hot(y, 10, np.float32).T)
    measure = measurer(stack, None, np.ones(SEEDS, bool))
    expected = predict_batch(
        architecture, layer_variances(architecture, Choice(init)), x, np.eye(10)[y]
    )
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


@pytest.mark.parametrize(("activation", "init"), [("relu", "he_normal"), ("tanh", "glorot_normal")])
def test_a_wide_network_for_regression_is_as_predicted(activation, init):
    data = load("teacher")
    cost = Choice("squared_error", {"output": "identity"})
    architecture = Architecture.dense((16, 300, 300, 1), Choice(activation), cost, "regression")
    x, y = data.x_train[:B], data.y_train[:B]
    thetas = [initial_theta(architecture, Choice(init), seed) for seed in range(3 * SEEDS)]
    stack = Stack.of(architecture, thetas, np.float64)
    measurer = Measurer(stack, with_constant_unit(x, np.float64), y.T)
    measure = measurer(stack, None, np.ones(len(thetas), bool))
    expected = predict_batch(architecture, layer_variances(architecture, Choice(init)), x, y)
    np.testing.assert_allclose(measure["q"].mean(axis=0)[:-1], expected.q[:-1], rtol=0.03)
    for name, tolerance in (("delta_norm", 0.05), ("grad_norm", 0.1)):
        found = np.sqrt(np.mean(measure[name] ** 2, axis=0))
        np.testing.assert_allclose(found, getattr(expected, name), rtol=tolerance, err_msg=name)


def test_a_batch_of_equal_lengths_has_the_simple_prediction():
    architecture = Architecture.dense((20, 30, 40, 3), Choice("tanh"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("glorot_normal", {"bias_std": 0.3}))
    x = np.random.default_rng(0).standard_normal((12, 20))
    x /= np.sqrt((x**2).mean(axis=1, keepdims=True))
    whole = predict_batch(architecture, variances, x, np.eye(3)[np.arange(12) % 3])
    simple = predict(architecture, variances, input_moment=1.0)
    np.testing.assert_allclose(whole.q, simple.q, rtol=1e-3)
    np.testing.assert_allclose(whole.slope_factor[:-1], simple.slope_factor[:-1], rtol=1e-3)
    np.testing.assert_allclose(whole.weight_factor[:-1], simple.weight_factor[:-1], rtol=1e-12)


def test_a_large_batch_is_represented_evenly():
    data = load("parity")
    architecture = Architecture.dense((10, 200, 200, 2), Choice("tanh"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("glorot_normal"))
    x, targets = data.x_train, np.eye(2)[data.y_train]  # 700 numbers in their order
    length = np.mean(np.sum(x**2, axis=1)) * variances[0][0]
    found = predict_batch(architecture, variances, x, targets)
    assert found.q[0] == pytest.approx(length, rel=0.01)


def test_large_variances_are_integrated_finely():
    architecture = Architecture.dense((30, *[300] * 4, 10), Choice("tanh"), Choice("cross_entropy"))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((128, 30)), rng.integers(0, 10, 128)
    init = Choice("normal", {"std": 0.5})  # q is about 75
    thetas = [initial_theta(architecture, init, seed) for seed in range(12)]
    stack = Stack.of(architecture, thetas, np.float64)
    measurer = Measurer(stack, with_constant_unit(x, np.float64), one_hot(y, 10, np.float64).T)
    found = np.sqrt(np.mean(measurer(stack, None, np.ones(12, bool))["delta_norm"] ** 2, axis=0))
    expected = predict_batch(architecture, layer_variances(architecture, init), x, np.eye(10)[y])
    np.testing.assert_allclose(found, expected.delta_norm, rtol=0.1)
