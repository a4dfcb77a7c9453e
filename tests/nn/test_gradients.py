"""Backpropagation against complex-step differentiation of a looped forward pass."""

from __future__ import annotations

import numpy as np
import oracles
import pytest

from bpexp.nn import ACTIVATIONS, COSTS, Choice, Network

RTOL = 1e-9  # float64; two orders above what the oracle and the kernel differ by at depth 30
EXAMPLES, INPUTS, WIDTH, OUTPUTS = 3, 4, 5, 3


def make(activation, cost, depth, dtype="float64"):
    init = Choice("glorot_normal", {"bias_std": 0.3})
    sizes = [INPUTS, *[WIDTH] * depth, OUTPUTS]
    network = Network.create(
        sizes, activation=activation, cost=cost, init=init, seed=depth, dtype=dtype
    )
    rng = np.random.default_rng(7)
    x = rng.standard_normal((EXAMPLES, INPUTS))
    return network, x, rng.integers(0, OUTPUTS, EXAMPLES)


def places(network, n):
    """Choose n parameters, in all layers, the first layer's bias among them."""
    rng = np.random.default_rng(1)
    every = [
        (layer, row, column)
        for layer, theta in enumerate(network.layers)
        for row in range(theta.shape[0])
        for column in range(theta.shape[1])
    ]
    chosen = rng.choice(len(every), size=min(n, len(every)), replace=False)
    return [(0, 0, 0), *(every[i] for i in chosen)]


def oracle(network, x, y, where):
    activation, cost = network.architecture.activation, network.architecture.cost
    layers = [(theta[1:].tolist(), theta[0].tolist()) for theta in network.layers]
    targets = np.eye(OUTPUTS)[y].tolist()

    def g(z):
        return oracles.ACTIVATIONS[activation.name](z, **activation.parameters)

    def c(z, t):
        return oracles.COSTS[cost.name](z, t, **cost.parameters)

    return [oracles.derivative(layers, x.tolist(), targets, g, c, place) for place in where]


def agree(gradients, expected, where, rtol=RTOL):
    found = np.array([gradients[layer][row, column] for layer, row, column in where])
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)


@pytest.mark.parametrize("depth", [0, 1, 10, 30])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_the_complex_step(activation, cost, depth):
    network, x, y = make(activation, cost, depth)
    where = places(network, 12)
    agree(network.gradients(x, y), oracle(network, x, y, where), where)


@pytest.mark.parametrize(
    ("activation", "cost"),
    [
        (Choice("leaky", {"negative_slope": 0.2}), "cross_entropy"),
        (Choice("elu", {"alpha": 1.5}), "cross_entropy"),
        ("tanh", Choice("squared_error", {"factor": 0.5})),
        *[("tanh", Choice("squared_error", {"output": name})) for name in ACTIVATIONS],
    ],
    ids=str,
)
def test_gradients_with_parameters_equal_the_complex_step(activation, cost):
    network, x, y = make(activation, cost, depth=3)
    where = places(network, 12)
    agree(network.gradients(x, y), oracle(network, x, y, where), where)


def test_every_parameter_of_a_small_network_is_right():
    network, x, y = make("tanh", "cross_entropy", depth=2)
    where = places(network, 10**6)
    assert len(where) == network.theta.size + 1
    agree(network.gradients(x, y), oracle(network, x, y, where), where)


@pytest.mark.parametrize("depth", [1, 30])
def test_the_oracle_rejects_an_error_of_a_thousandth(depth):
    network, x, y = make("sigmoid", "cross_entropy", depth)
    where = places(network, 12)
    wrong = [gradient * 1.001 for gradient in network.gradients(x, y)]
    with pytest.raises(AssertionError):
        agree(wrong, oracle(network, x, y, where), where)


def test_the_oracle_sees_gradients_far_below_any_absolute_tolerance():
    network, x, y = make("sigmoid", "cross_entropy", depth=30)
    assert np.abs(network.gradients(x, y)[0]).max() < 1e-14


@pytest.mark.parametrize("depth", [0, 1, 10, 30])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float32_gradients_are_the_float64_ones_rounded(activation, cost, depth):
    """Each layer adds some roundings of 6e-8 to the relative error of the whole gradient."""
    wide, x, y = make(activation, cost, depth)
    narrow = Network(wide.architecture, wide.theta.astype(np.float32))
    exact = Network(wide.architecture, narrow.theta.astype(np.float64))
    x = x.astype(np.float32)
    for found, expected in zip(narrow.gradients(x, y), exact.gradients(x, y), strict=True):
        error = np.linalg.norm((found - expected) / np.linalg.norm(expected))
        assert error < 2e-6 * (depth + 1)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "silu"])
def test_gradients_equal_autograd(activation):
    torch = pytest.importorskip("torch")
    network, x, y = make(activation, "cross_entropy", depth=10)
    thetas = [torch.tensor(theta, requires_grad=True) for theta in network.layers]
    a = torch.tensor(x)
    g = {"silu": torch.nn.functional.silu}.get(activation) or getattr(torch, activation)
    for number, theta in enumerate(thetas, start=1):
        z = theta[0] + a @ theta[1:]
        a = z if number == len(thetas) else g(z)
    torch.nn.functional.cross_entropy(a, torch.tensor(y)).backward()
    for found, theta in zip(network.gradients(x, y), thetas, strict=True):
        np.testing.assert_allclose(found, theta.grad.numpy(), rtol=1e-9, atol=0)
