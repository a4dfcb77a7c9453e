"""A network by hand: predict, save, load."""

from __future__ import annotations

import cmath
import json
import math

import numpy as np
import oracles
import pytest

from bpexp.nn import COSTS, Architecture, Choice, Network
from bpexp.nn.activations import Scratch
from bpexp.nn.stack import Stack
from bpexp.nn.tape import call_now


def test_saving_and_loading_keeps_every_bit(tmp_path):
    activation = Choice("leaky", {"negative_slope": 0.2})
    network = Network.create([5, 4, 3], activation=activation, dtype="float32", seed=3)
    network.save(tmp_path / "net.npz")
    loaded = Network.load(tmp_path / "net.npz")
    assert loaded.architecture == network.architecture
    assert loaded.theta.dtype == np.float32
    assert loaded.theta.tobytes() == network.theta.tobytes()


def test_a_file_of_version_0_1_is_read(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "theta_001": rng.standard_normal((6, 4)).astype(np.float32),
        "theta_002": rng.standard_normal((5, 3)).astype(np.float32),
    }
    activation = {"name": "leaky", "negative_slope": 0.2}
    fields = {"sizes": [5, 4, 3], "activation": activation, "cost": {"name": "cross_entropy"}}
    np.savez(tmp_path / "net.npz", architecture=np.array(json.dumps(fields)), **arrays)
    loaded = Network.load(tmp_path / "net.npz")
    leaky = Choice("leaky", {"negative_slope": 0.2})
    assert loaded.architecture == Architecture.dense((5, 4, 3), leaky, "cross_entropy")
    for layer, expected in zip(loaded.layers, arrays.values(), strict=True):
        assert layer.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"theta_002": np.zeros((3, 5))}, r"theta_002: shape \(3, 5\) is not \(5, 3\)"),
        ({"architecture": np.array("{")}, "Expecting property name"),
        ({"architecture": np.array('{"sizes": [5, 4, 3]}')}, "not an architecture: KeyError"),
        ({"theta_001": None}, "theta_001 is not a file in the archive"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path, change, told):
    Network.create([5, 4, 3]).save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as file:
        arrays = {**file, **change}
    np.savez(tmp_path / "other.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(ValueError, match=told) as caught:
        Network.load(tmp_path / "other.npz")
    assert str(caught.value).count("\n") == 0


def test_networks_stacks_architectures_and_choices_are_shown_by_what_they_are():
    network = Network.create([64, *[32] * 8, 10], activation="tanh")
    shape = "64-32x8-10, tanh, cross_entropy"
    assert repr(network) == f"<Network {shape}, 9802 parameters, float32>"
    assert repr(network.architecture) == f"<Architecture {shape}>"
    stack = Stack(network.architecture, network.theta[None])
    assert repr(stack) == f"<Stack of 1: <Architecture {shape}>, float32>"
    steep = Choice("leaky", {"negative_slope": 0.2})
    assert eval(repr(steep)) == steep
    assert eval(repr(Choice("relu"))) == Choice("relu")
    assert str(steep) == "leaky(negative_slope=0.2)"


def test_outputs_are_probabilities_and_predictions_their_largest():
    network = Network.create([5, 4, 3], seed=3)
    x = np.random.default_rng(0).standard_normal((20, 5))
    outputs = network.outputs(x)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)
    assert (network.predict(x) == outputs.argmax(axis=1)).all()


@pytest.mark.parametrize("cost", COSTS)
def test_the_loss_is_the_mean_cost(cost):
    net = Network.create([3, 4, 2], activation="tanh", cost=cost, dtype="float64", seed=3)
    x = np.linspace(-1.0, 2.0, 15).reshape(5, 3)
    y = np.eye(2)[[0, 1, 1, 0, 1]]
    layers = [(theta[1:].tolist(), theta[0].tolist()) for theta in net.layers]
    parameters = net.architecture.cost.parameters
    expected = oracles.mean_cost(
        layers, x, y, cmath.tanh, lambda z, t: oracles.COSTS[cost](z, t, **parameters)
    ).real
    assert net.loss(x, y) == pytest.approx(expected, rel=1e-12, abs=0)


def test_labels_and_one_hot_targets_are_the_same():
    network = Network.create([5, 4, 3], seed=3, dtype="float64")
    x, y = np.random.default_rng(0).standard_normal((20, 5)), np.arange(20) % 3
    assert network.loss(x, y) == network.loss(x, np.eye(3)[y])


def test_a_wrong_number_of_parameters_is_refused():
    network = Network.create([5, 4, 3])
    with pytest.raises(ValueError, match="theta"):
        Network(network.architecture, network.theta[:-1])


def test_a_network_needs_two_layers_of_units():
    with pytest.raises(ValueError, match="sizes"):
        Network.create([5])


@pytest.mark.parametrize(
    ("cost", "z", "t", "expected"),
    [
        ("cross_entropy", [1e4, 0, -1e4], [1, 0, 0], 0.0),
        ("cross_entropy", [1e4, 0, -1e4], [0, 0, 1], 2e4),
        ("cross_entropy", [0, 0, 0], [0, 1, 0], math.log(3)),
        ("binary_cross_entropy", [1e4, -1e4, 0], [1, 0, 0], math.log(2)),
        ("binary_cross_entropy", [1e4, -1e4, 0], [0, 0, 0], 1e4 + math.log(2)),
        ("squared_error", [1e4, -1e4, 0], [0, 0, 0], 1.25),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_costs_of_large_logits_are_right(cost, z, t, expected, dtype):
    z, t = np.array(z, dtype)[:, None], np.array(t, dtype)[:, None]
    with np.errstate(all="raise", under="ignore"):
        assert COSTS[cost]().value(z, t)[0] == pytest.approx(expected, rel=1e-12)
        out = np.empty_like(z)
        COSTS[cost]().delta(call_now, z, t, out, np.empty_like(z), Scratch.like(z))
    assert np.isfinite(out).all()


@pytest.mark.parametrize("margin", [1.0, 5.0, 10.0, 15.0])
def test_a_small_cost_keeps_its_digits_in_float32(margin):
    z, t = np.float32([margin, 0, 0])[:, None], np.float32([1, 0, 0])[:, None]
    expected = math.log1p(2 * math.exp(-margin))
    assert COSTS["cross_entropy"]().value(z, t)[0] == pytest.approx(expected, rel=1e-6, abs=0)


def test_squared_error_knows_both_conventions():
    z, t = np.zeros((2, 1)), np.array([1.0, 0.0])[:, None]
    assert COSTS["squared_error"](factor=1.0).value(z, t)[0] == 0.5
    assert COSTS["squared_error"](factor=0.5).value(z, t)[0] == 0.25
    with pytest.raises(ValueError, match="factor"):
        COSTS["squared_error"](factor=0.3)
    with pytest.raises(ValueError, match="output"):
        COSTS["squared_error"](output="sigmoit")
