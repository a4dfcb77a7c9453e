"""Published numbers of the source texts."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import MNIST, needs_mnist, one_hot

from bpexp.data import load
from bpexp.nn import Architecture, Choice, Network
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, with_constant_unit

EPOCHS = 1000
PUBLISHED = [
    0.48236, 0.3234, 0.16235, 0.075001, 0.040232, 0.025256, 0.017793, 0.013523, 0.010801, 0.0089463,
]  # fmt: skip
PUBLISHED_MNIST = [
    1.1664, 0.837, 0.74615, 0.66387, 0.61246, 0.57026, 0.54528, 0.52077, 0.49434, 0.47249, 0.44921,
]  # fmt: skip


def descend(data, hidden, size, epochs, dtype="float64"):
    """Train as 'Neural Networks: The Backward Pass' (Tashfeen) does.

    All sigmoid, E = sum (y - a)^2, weights and biases N(0, 1) from numpy's legacy generator, seed
    0, W (out, in) before b, layer by layer; each epoch shuffles a fresh arange; eta 0.3; the last
    batch of an epoch takes the rest and is divided by the batches' size too. `Trainer` draws and
    divides otherwise, so the passes are driven here.

    Returns:
        The network, and the error of each epoch as the text prints it: the mean of its batches'
        errors, each a sum over examples divided by the batches' size.
    """
    random = np.random.RandomState(0)
    cost = Choice("squared_error", {"output": "sigmoid", "factor": 1.0})
    architecture = Architecture.dense((data.n_features, hidden, data.n_outputs), "sigmoid", cost)
    theta = np.zeros(architecture.n_parameters)
    for layer in architecture.thetas(theta):
        n_in, n_out = layer.shape[0] - 1, layer.shape[1]
        layer[1:] = random.randn(n_out, n_in).T
        layer[0] = random.randn(n_out)
    stack = Stack.of(architecture, [theta], dtype)
    rows = with_constant_unit(data.x_train, dtype)
    targets = one_hot(data.y_train, data.n_outputs, dtype).T
    gradient, passes, errors = np.zeros_like(stack.theta), {}, []
    for _ in range(epochs):
        order, costs = np.arange(len(rows)), []
        random.shuffle(order)
        starts = range(0, len(order) // size * size, size)
        for index in np.split(order, starts[1:]):
            if (n := len(index)) not in passes:
                batch = np.empty((1, n, rows.shape[1]), dtype)
                passes[n] = Propagation(stack, batch, gradient=gradient, scale=0.3 / size)
            now = passes[n]
            rows.take(index, 0, now.rows[0], "clip")
            now.targets[0] = targets[:, index]
            with np.errstate(all="ignore"):
                costs.append(stack.cost.value(now.forward()[0], targets[:, index]).sum() / size)
                now.backward()
            stack.theta -= gradient
        errors.append(np.mean(costs))
    return Network.of(stack, 0), errors


def test_the_parity_network_has_the_published_errors_and_accuracy():
    """Source: section 7.1; [10, 3, 2], batches of 8."""
    data = load("parity")
    network, found = descend(data, 3, 8, EPOCHS)
    np.testing.assert_allclose(found[:10], PUBLISHED, rtol=1e-4)
    assert found[998] == pytest.approx(4.031e-5, rel=1e-4)
    assert (network.predict(data.x_test) == data.y_test).all()
    assert len(data.y_test) == 324


@needs_mnist
@pytest.mark.full
def test_raw_mnist_follows_the_published_errors():
    """Source: section 7.2; [784, 32, 10], batches of 256, pixels 0 to 255.

    Pre-activations are thousands, so that the last digit of a rounding soon decides between 0 and
    1: the text's numbers are followed to a tenth, not to their last digit.
    """
    data = load("mnist", root=str(MNIST), scale=False)
    _, found = descend(data, 32, 256, epochs=11)
    np.testing.assert_allclose(found, PUBLISHED_MNIST, rtol=0.12)


@needs_mnist
@pytest.mark.full
def test_scaled_mnist_reaches_the_published_accuracy():
    """Source: section 7.2, test accuracy .9259 after 300 epochs; with pixels in [0, 1]."""
    data = load("mnist", root=str(MNIST))
    network, _ = descend(data, 32, 256, epochs=200, dtype="float32")
    assert (network.predict(data.x_test) == data.y_test).mean() >= 0.9259
