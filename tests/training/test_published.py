"""Published numbers of the source texts."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import MNIST, needs_mnist

from bpexp.data import load
from bpexp.nn import Choice, Network
from bpexp.nn.stack import Architecture, Stack
from bpexp.training import STOPS, Trainer, run

EPOCHS = 1000
PUBLISHED = [
    0.48236, 0.3234, 0.16235, 0.075001, 0.040232, 0.025256, 0.017793, 0.013523, 0.010801, 0.0089463,
]  # fmt: skip
PUBLISHED_MNIST = [
    1.1664, 0.837, 0.74615, 0.66387, 0.61246, 0.57026, 0.54528, 0.52077, 0.49434, 0.47249, 0.44921,
]  # fmt: skip


def backward_pass(data, hidden, size, dtype="float64"):
    """A trainer that draws as 'Neural Networks: The Backward Pass' (Tashfeen) does.

    All sigmoid, E = sum (y - a)^2, weights and biases N(0, 1) from numpy's legacy generator, seed
    0, W (out, in) before b, layer by layer; each epoch shuffles a fresh arange; eta 0.3; the last
    batch of an epoch takes the rest and is divided by the batches' size too.
    """
    random = np.random.RandomState(0)
    cost = Choice("squared_error", {"output": "sigmoid", "factor": 1.0})
    sizes = (data.n_features, hidden, data.n_outputs)
    architecture = Architecture(sizes, Choice("sigmoid"), cost)
    theta = np.zeros(architecture.n_parameters)
    for layer in architecture.layers(theta):
        n_in, n_out = layer.shape[0] - 1, layer.shape[1]
        layer[1:] = random.randn(n_out, n_in).T
        layer[0] = random.randn(n_out)

    def batches(epoch):
        order = np.arange(len(data.x_train))
        random.shuffle(order)
        starts = range(0, len(order) // size * size, size)
        ends = [*starts[1:], len(order)]
        return [order[None, a:b] for a, b in zip(starts, ends, strict=True)]

    return Trainer(
        Stack.of(architecture, [theta], dtype),
        data,
        rates=[0.3],
        seeds=[0],
        optimizer=Choice("sgd"),
        batch_size=size,
        batches=batches,
        divisor=size,
    )


def errors(trainer, data, size, epochs):
    """The error of each epoch as the text prints it: the mean of its batches' errors.

    A batch's error is a sum over its examples divided by the batches' size.
    """
    records = list(run(trainer, epochs=epochs, stop=STOPS["none"](), probe_every=0))[1:]
    examples = len(data.x_train)
    scale = examples / (size * (examples // size))
    return [record.metrics["loss/train"][0] * scale for record in records]


def test_the_parity_network_has_the_published_errors_and_accuracy():
    """Source: section 7.1; [10, 3, 2], batches of 8."""
    data = load("parity")
    trainer = backward_pass(data, 3, 8)
    found = errors(trainer, data, 8, EPOCHS)
    np.testing.assert_allclose(found[:10], PUBLISHED, rtol=1e-4)
    assert found[998] == pytest.approx(4.031e-5, rel=1e-4)
    network = Network(trainer.stack.architecture, trainer.stack.theta[0])
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
    found = errors(backward_pass(data, 32, 256), data, 256, epochs=11)
    np.testing.assert_allclose(found, PUBLISHED_MNIST, rtol=0.12)


@needs_mnist
@pytest.mark.full
def test_scaled_mnist_reaches_the_published_accuracy():
    """Source: section 7.2, test accuracy .9259 after 300 epochs; with pixels in [0, 1]."""
    data = load("mnist", root=str(MNIST))
    trainer = backward_pass(data, 32, 256, "float32")
    records = list(run(trainer, epochs=200, stop=STOPS["none"](), probe_every=0))
    assert records[-1].metrics["accuracy/test"][0] >= 0.9259
