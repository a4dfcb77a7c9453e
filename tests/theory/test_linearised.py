"""The linearised network against closed forms, plain loops and wide networks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from helpers import make_config

from bpexp.config import Config
from bpexp.data import load, load_once
from bpexp.nn import Architecture, Choice, Network
from bpexp.nn.targets import Targets
from bpexp.results.forecasts import _descent, forecast_run
from bpexp.theory import Descent, Learning, forecast, layer_variances, learn, tangent_kernel
from bpexp.training import train

LINEAR = Choice("squared_error", {"output": "identity"})


def regression(sizes, activation="identity"):
    return Architecture.dense(sizes, Choice(activation), LINEAR, "regression")


def batch(n, n_in, n_out, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((n, n_out))
    return rng.standard_normal((n, n_in)), Targets.of(y, n_out, np.float64, False)


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_a_linear_network_has_its_closed_form(frozen):
    """theta^(1) moves the outputs by (x.x + 1) n_2 Var W^(2) n_1 Var W^(3), and so on."""
    x, _ = batch(5, 4, 2)
    variances = [(0.3, 0.1), (0.2, 0.0), (0.1, 0.4)]
    theta, covariance = tangent_kernel(regression((4, 7, 9, 2)), variances, x, frozen)
    k_0 = x @ x.T
    k_1 = 7 * (0.3 * k_0 + 0.1)
    k_2 = 9 * (0.2 * k_1)
    parts = [(k_0 + 1) * (7 * 0.2) * (9 * 0.1), (k_1 + 1) * (9 * 0.1), k_2 + 1]
    np.testing.assert_allclose(theta, sum(parts[frozen:]), rtol=1e-3)
    np.testing.assert_allclose(covariance, 0.1 * k_2 + 0.4, rtol=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_wide_networks_have_the_tangent_kernel(activation):
    """The products of the gradients of one output, over weights and biases, in plain NumPy."""
    sizes, variance = (6, 600, 600, 600, 1), 1.5
    x, _ = batch(4, 6, 1)
    architecture = regression(sizes, activation)
    init = Choice("mean_field", {"sigma_w2": variance, "sigma_b2": 0.2})
    theta, _ = tangent_kernel(architecture, layer_variances(architecture, init), x)
    rng, draws = np.random.default_rng(1), []
    for _ in range(20):
        weights = [rng.standard_normal((a, b)) * np.sqrt(variance / a) for a, b in pairwise(sizes)]
        a, slopes = [x], []
        for w in weights[:-1]:
            z = a[-1] @ w + rng.standard_normal(w.shape[1]) * np.sqrt(0.2)
            a.append(np.tanh(z) if activation == "tanh" else np.maximum(z, 0))
            slopes.append(1 - a[-1] ** 2 if activation == "tanh" else (z > 0) * 1.0)
        delta, found = np.ones((4, 1)), 0
        for layer in range(3, -1, -1):
            found = found + (a[layer] @ a[layer].T + 1) * (delta @ delta.T)
            if layer:
                delta = (delta @ weights[layer].T) * slopes[layer - 1]
        draws.append(found)
    size = np.sqrt(np.diag(theta))
    assert np.abs((np.mean(draws, axis=0) - theta) / np.outer(size, size)).max() < 0.05


def plain(kernel, covariance, targets, rate, steps, momentum):
    """Squared-error descent on the outputs, a loop over all steps; R2 at the end."""
    values, vectors = np.linalg.eigh(covariance)
    t = targets.columns
    z = np.random.default_rng(0).standard_normal(t.shape) * np.sqrt(np.maximum(values, 0))
    z = z @ vectors.T
    move = np.zeros_like(z)
    for _ in range(steps):
        move = momentum * move - rate / len(targets) * 2 * (z - t) @ kernel
        z = z + move
    around = t - t.mean(axis=1, keepdims=True)
    return 1 - np.sum((z - t) ** 2) / np.sum(around**2)


@pytest.mark.parametrize(
    ("steps", "momentum", "tolerance"),
    [(1, 0.0, 1e-12), (150, 0.0, 1e-12), (150, 0.9, 1e-12), (3000, 0.0, 0.01), (3000, 0.8, 0.01)],
)
def test_descent_is_that_of_a_plain_loop_also_where_strides_cover_it(steps, momentum, tolerance):
    x, targets = batch(40, 30, 2)
    architecture = regression((30, 50, 2), "tanh")
    variances = layer_variances(architecture, Choice("glorot_normal"))
    kernel, covariance = tangent_kernel(architecture, variances, x)
    rate = 0.02 * (1 - momentum)
    found = learn(architecture, kernel, covariance, targets, Descent(rate, steps, momentum))
    expected = plain(kernel, covariance, targets, rate, steps, momentum)
    assert found.score == pytest.approx(expected, abs=tolerance)
    assert not found.rises
    assert found.largest_step == pytest.approx(rate * np.linalg.eigvalsh(kernel)[-1] / 40, rel=1e-9)


@pytest.mark.parametrize(("share", "rises"), [(0.95, False), (1.1, True)])
def test_the_cost_rises_where_descent_is_unstable(share, rises):
    """The squared error has curvature 2: stable if 2 eta lambda_max / B is at most 2."""
    x, targets = batch(20, 8, 2)
    architecture = regression((8, 30, 2), "tanh")
    variances = layer_variances(architecture, Choice("glorot_normal"))
    kernel, covariance = tangent_kernel(architecture, variances, x)
    limit = 20 / np.linalg.eigvalsh(kernel)[-1]
    found = learn(architecture, kernel, covariance, targets, Descent(share * limit, 200))
    assert found.rises == rises


def test_overflow_is_a_rise():
    architecture = regression((8, 30, 2))
    found = learn(
        architecture, np.full((3, 3), np.inf), np.eye(3), batch(3, 8, 2)[1], Descent(0.1, 5)
    )
    assert found.rises


@pytest.mark.parametrize(("rate", "epochs"), [(0.003, 10), (0.01, 30), (0.02, 60)])
def test_wide_networks_learn_as_fast_as_their_linearisation(rate, epochs):
    """Train accuracy on digits, mean over four draws, from .1 to .9; theory's is of one start."""
    data = load("digits", limit=256)
    sizes = (64, 256, 256, 10)
    scores = []
    for seed in range(4):
        network = Network.create([*sizes], activation="tanh", init="glorot_normal", seed=seed)
        train(network, data, lr=rate, epochs=epochs, batch_size=len(data.x_train))
        scores.append(np.mean(network.predict(data.x_train) == data.y_train))
    architecture = Architecture.dense(sizes, Choice("tanh"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("glorot_normal"))
    kernels = tangent_kernel(architecture, variances, data.x_train.astype(float))
    found = learn(architecture, *kernels, data.targets(data.y_train), Descent(rate, epochs))
    assert found.score == pytest.approx(np.mean(scores), abs=0.1)


def told(learning):
    architecture = Architecture.dense((64, *[64] * 8, 10), Choice("relu"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice("he_normal"))
    return forecast(architecture, variances, 0.3, learning and (lambda: learning), guess=0.1)


@pytest.mark.parametrize(
    ("learning", "trains", "reason"),
    [
        (None, True, "signal and gradient pass"),
        (Learning(0.9, False, 5.0), True, "signal and gradient pass, in time"),
        (Learning(0.54, False, 5.0), False, "too slow: the linearised network reaches accuracy"),
        (Learning(np.nan, True, 5.0), False, "the cost of the linearised network rises"),
        (Learning(0.9, False, 100.0), False, "a step changes the kernel 12-fold"),
    ],
)
def test_the_forecast_says_why_descent_fails(learning, trains, reason):
    found = told(learning)
    assert found.trains == trains
    assert reason in found.reason


def test_a_network_without_signal_is_not_trained():
    def learning():
        raise AssertionError

    architecture = Architecture.dense((64, *[64] * 9, 10), Choice("sigmoid"), LINEAR, "regression")
    variances = layer_variances(architecture, Choice("he_normal"))
    assert not forecast(architecture, variances, 0.3, learning).trains


def test_a_runs_descent_is_that_of_its_configuration():
    config = make_config(epochs=3, batch_size=10, lr=0.25, frozen=1)
    data = load_once("digits", **config.data.parameters)
    steps = 3 * int(np.ceil(len(data.x_train) / 10))
    assert _descent(config, data) == Descent(0.25, steps, 0.0, 1)

    def changed(**changes):
        return _descent(make_config(epochs=3, batch_size=10, lr=0.25, **changes), data)

    assert changed(optimizer={"name": "nesterov", "momentum": 0.7}).momentum == 0.7
    assert changed(schedule={"name": "linear"}).steps == pytest.approx(steps / 2, abs=1)
    assert changed(optimizer="adam") is None
    assert _descent(make_config(epochs=0), data) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 20}, "in time"),
        ({"epochs": 1, "lr": 1e-4}, "too slow"),
        ({"epochs": 20, "lr": 300.0}, "rises"),
    ],
)
def test_a_run_is_forecast_by_its_steps_and_learning_rate(changes, reason):
    config: Config = make_config(data="digits", width=64, **changes)
    data = load_once("digits", **config.data.parameters)
    assert reason in forecast_run(config, data).reason
