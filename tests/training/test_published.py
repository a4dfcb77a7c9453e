"""Published numbers of the source texts."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.data import load
from bpexp.nn import Choice, Network
from bpexp.nn.stack import Architecture, Stack
from bpexp.training import STOPS, Trainer, run

EPOCHS = 1000
PUBLISHED = [
    0.48236, 0.3234, 0.16235, 0.075001, 0.040232, 0.025256, 0.017793, 0.013523, 0.010801, 0.0089463,
]  # fmt: skip


def parity_trainer():
    """Source: 'Neural Networks: The Backward Pass' (Tashfeen), section 7.1.

    [10, 3, 2], all sigmoid, E = sum (y - a)^2, weights and biases N(0, 1) from numpy's legacy
    generator, seed 0, W (out, in) before b, layer by layer; each epoch shuffles a fresh arange;
    batches of 8, the last one takes the rest and is divided by 8 too.
    """
    data = load("parity")
    random = np.random.RandomState(0)
    cost = Choice("squared_error", {"output": "sigmoid", "factor": 1.0})
    architecture = Architecture((10, 3, 2), Choice("sigmoid"), cost)
    theta = np.zeros(architecture.n_parameters)
    for layer in architecture.layers(theta):
        n_in, n_out = layer.shape[0] - 1, layer.shape[1]
        layer[1:] = random.randn(n_out, n_in).T
        layer[0] = random.randn(n_out)

    def batches(epoch):
        order = np.arange(len(data.x_train))
        random.shuffle(order)
        starts = range(0, len(order) // 8 * 8, 8)
        ends = [*starts[1:], len(order)]
        return [order[None, a:b] for a, b in zip(starts, ends, strict=True)]

    stack = Stack(architecture, theta[None])
    trainer = Trainer(
        stack,
        data,
        rates=[0.3],
        seeds=[0],
        optimizer=Choice("sgd"),
        batch_size=8,
        batches=batches,
        divisor=8,
    )
    return trainer, data


def test_the_parity_network_has_the_published_errors_and_accuracy():
    trainer, data = parity_trainer()
    records = run(trainer, epochs=EPOCHS, stop=STOPS["none"](), probe_every=0)
    # The text averages the batches' errors, each a sum over its examples divided by 8.
    n_batches = len(data.x_train) // 8
    errors = [
        record.metrics["loss/train"][0] * len(data.x_train) / (8 * n_batches) for record in records
    ][1:]
    np.testing.assert_allclose(errors[:10], PUBLISHED, rtol=1e-4)
    assert errors[998] == pytest.approx(4.031e-5, rel=1e-4)
    network = Network(trainer.stack.architecture, trainer.stack.theta[0])
    assert (network.predict(data.x_test) == data.y_test).all()
    assert len(data.y_test) == 324
