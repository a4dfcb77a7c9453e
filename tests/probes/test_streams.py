"""Instruments of residual and normalised networks, against loops and the complex step."""

from __future__ import annotations

import math

import numpy as np
import oracles
import pytest
from helpers import one_hot

from bpexp.analysis.signal import Signal
from bpexp.analysis.summaries import decay, decay_of_stream
from bpexp.data import load
from bpexp.nn import Architecture, Choice, Network
from bpexp.nn.stack import Stack, with_constant_unit
from bpexp.probes import INSTRUMENTS, Measurer, ProbedNetwork
from bpexp.probes.shattering import gradient_correlation
from bpexp.training import train

B = 4
STREAMS = [name for name in INSTRUMENTS if name.startswith(("stream_", "branch_"))]
SKIPS = {
    "none": ("none", {}),
    "pre": ("identity", {"scale": 0.8}),
    "pre by two": ("identity", {"every": 2}),
    "post": ("identity", {"order": "post"}),
    "full by two": ("identity", {"order": "full", "every": 2, "scale": 0.5}),
    "rezero": ("rezero", {"order": "post"}),
    "fixup": ("fixup", {}),
}


def given(skip, norm):
    name, parameters = SKIPS[skip]
    plain = {"none": "none", "fixup": "fixup"}
    return {
        "order": plain.get(name, parameters.get("order", "pre")),
        "every": parameters.get("every", 2 if name == "fixup" else 1),
        "scale": parameters.get("scale", 1.0),
        "norm": norm,
    }


def make(skip, norm, dtype="float64", depth=3):
    sizes = [6, *[5] * depth, 4]
    shape = Architecture.dense(sizes, "tanh", skip=Choice(*SKIPS[skip]), norm=norm)
    init = Choice("glorot_normal", {"bias_std": 0.2})
    network = Network.draw(shape, init=init, seed=2, dtype="float64")
    network.theta += 0.2 * np.random.default_rng(0).standard_normal(network.theta.shape)
    return Network(shape, network.theta.astype(dtype))


def examples():
    rng = np.random.default_rng(5)
    return rng.standard_normal((B, 6)), rng.integers(0, 4, B)


def measure(network, chosen=("global_grad_norm",)):
    x, y = examples()
    dtype = network.theta.dtype
    stack = Stack(network.architecture, network.theta[None], network.state[None])
    rows, targets = with_constant_unit(x, dtype), one_hot(y, 4, dtype).T
    measured = Measurer(stack, rows, targets, dict.fromkeys(chosen, 0))
    found = measured(stack, None, np.array([True]))
    return {name: values[0] for name, values in found.items() if values[0] is not None}


def loop(network, skip, norm, **options):
    arrays = [{k: v.tolist() for k, v in own.items()} for own in network.parameters]
    g = oracles.ACTIVATIONS["tanh"]
    return oracles.residual(arrays, examples()[0].tolist(), g, **given(skip, norm), **options)


def cost(network, skip, norm, **options):
    """The sum of all examples' costs."""
    targets = np.eye(4)[examples()[1]].tolist()
    outputs = loop(network, skip, norm, **options)[2]
    return sum(oracles.cross_entropy(z, t) for z, t in zip(outputs, targets, strict=True))


def stream_gradient(network, skip, norm, layer):
    """Root mean square over examples of the gradient's norm, an entry of the stream at a time."""
    squares = []
    for i, j in np.ndindex(B, 5):
        step = np.zeros((B, 5), complex)
        step[i, j] = 1j * oracles.H
        moved = cost(network, skip, norm, moved=(layer, step.tolist()))
        squares.append((moved.imag / oracles.H) ** 2)
    return math.sqrt(math.fsum(squares) / B)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("skip", [skip for skip in SKIPS if skip != "none"])
def test_streams_equal_their_definitions(skip, norm):
    network = make(skip, norm)
    found, (streams, _, _) = measure(network), loop(network, skip, norm)
    every = given(skip, norm)["every"]
    for layer in range(1, 5):
        place = layer - 1
        if layer == 4 or place % every:
            assert all(np.isnan(found[name][place]) for name in STREAMS)
            continue
        stream = np.real(streams[place])
        expected = {
            "stream_gradient": stream_gradient(network, skip, norm, layer),
            "stream_mean": stream.mean(),
            "stream_mean_square": (stream**2).mean(),
            "stream_squared_mean": (stream.mean(axis=0) ** 2).mean(),
            "stream_variance": stream.var(axis=0).mean(),
            "branch_variance": math.nan,
        }
        if layer > 1:
            branch = stream - np.real(streams[place - every])
            expected["branch_variance"] = branch.var(axis=0).mean()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][place], value, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms"])
def test_the_factors_of_a_plain_network_give_the_ratio(norm, dtype):
    found = measure(make("none", norm, dtype))
    product = found["weight_factor"] * found["slope_factor"] * found.get("norm_factor", 1.0)
    ratio = found["delta_norm"][:-1] / found["delta_norm"][1:]
    np.testing.assert_allclose(product[:-1], ratio, rtol=1e-12 if dtype == "float64" else 1e-5)
    assert ("norm_factor" in found) == (norm != "none")
    if norm != "none":
        assert found["norm_factor"][2] == 1  # the output layer has no norm
        assert (found["norm_factor"][:2] != 1).all()
    assert not {*STREAMS} & {*found}


@pytest.mark.parametrize("skip", ["pre", "post", "full by two", "fixup"])
def test_a_residual_network_has_no_factors(skip):
    found = measure(make(skip, "layer"))
    assert "norm_factor" not in found
    assert np.isnan(found["weight_factor"]).all()
    assert np.isnan(found["slope_factor"]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", ["none", "batch", "rms"])
@pytest.mark.parametrize("skip", SKIPS)
def test_the_global_gradient_norm_is_of_all_parameters(skip, norm, dtype):
    network = make(skip, norm, dtype)
    parts = network.parameter_gradients(*examples())
    whole = np.concatenate([np.ravel(a) for own in parts for a in own.values()]).astype(float)
    found = measure(network)["global_grad_norm"]
    np.testing.assert_allclose(found, np.linalg.norm(whole), rtol=1e-6, atol=0)
    if norm != "none":
        thetas = np.concatenate([np.ravel(own["theta"]) for own in parts])
        assert found > np.linalg.norm(thetas) * (1 + 1e-6)


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("skip", SKIPS)
def test_the_correlation_of_gradients_is_that_of_the_complex_step(skip, norm):
    network = make(skip, norm)
    x = examples()[0]
    near = x + (np.roll(x, -1, axis=0) - x) / 16
    arrays = [{k: v.tolist() for k, v in own.items()} for own in network.parameters]

    def gradients(rows):
        found = np.empty((B, 4, 6))
        for j in range(6):
            moved = rows.astype(complex)
            moved[:, j] += 1j * oracles.H
            g = oracles.ACTIVATIONS["tanh"]
            outputs = oracles.residual(arrays, moved.tolist(), g, **given(skip, norm))[2]
            found[:, :, j] = np.imag(outputs) / oracles.H
        return found

    one, other = gradients(x), gradients(near)
    expected = np.sum(one * other) / math.sqrt(np.sum(one**2) * np.sum(other**2))
    found = measure(network, ["gradient_correlation"])["gradient_correlation"]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert 0.5 < found < 1 - 1e-6


def correlation(network, x):
    stack = Stack(network.architecture, network.theta[None])
    rows = with_constant_unit(x, network.theta.dtype)
    return gradient_correlation(
        ProbedNetwork(stack, rows, np.zeros((network.layers[-1].shape[1], len(x))))
    )


def test_a_linear_network_has_gradients_that_do_not_change():
    x = np.random.default_rng(0).standard_normal((8, 6))
    for skip in ("none", "identity"):
        net = Network.create([6, 5, 5, 3], activation="identity", skip=skip, dtype="float64")
        np.testing.assert_allclose(correlation(net, x), 1, rtol=1e-12)
    assert math.isnan(
        correlation(Network.create([6, 5, 3], init=Choice("normal", {"std": 0.0})), x)
    )


def test_relu_correlates_as_the_share_of_units_that_stay_active():
    """R = 1 - angle / pi for one wide hidden layer without biases."""
    x = np.random.default_rng(0).standard_normal((8, 6))
    nets = [Network.create([6, 400, 30], dtype="float64", seed=seed) for seed in range(20)]
    near = x + (np.roll(x, -1, axis=0) - x) / 16
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(near, axis=1)
    angles = np.arccos((x * near).sum(axis=1) / lengths)
    expected = np.mean(1 - angles / np.pi)
    assert 0.95 < expected < 0.985
    found = np.mean([correlation(net, x) for net in nets])
    np.testing.assert_allclose(1 - found, 1 - expected, rtol=0.05)


def test_gradients_shatter_with_depth_and_less_with_skip_connections():
    x = load("digits", limit=64).x_train
    found = {
        (skip, depth): correlation(
            Network.create([64, *[64] * depth, 10], skip=skip, norm="batch", seed=0), x
        )
        for skip in ("none", "identity")
        for depth in (2, 24)
    }
    assert found["none", 24] < found["none", 2] - 0.3
    assert found["identity", 24] > found["none", 24] + 0.2


def test_the_decay_of_a_stream_is_over_its_own_layers():
    values = np.array([8.0, np.nan, 4.0, np.nan, 1.0, np.nan])
    found = decay_of_stream(values)
    assert found["gradient/first_to_last"] == pytest.approx(8)
    assert found["gradient/decay_rate"] == pytest.approx(math.log(8) / 4)
    assert found["gradient/decay_rate_se"] == pytest.approx(math.log(2) / 4)
    every = np.array([8.0, 4.0, 1.0, np.nan])
    assert decay_of_stream(every) == decay(every[:3])
    assert decay_of_stream(np.array([8.0, np.nan])) == {}
    assert decay_of_stream(np.array([8.0, 0.0, 1.0, np.nan])) == {}
    assert decay_of_stream(np.array([8.0, np.nan, np.nan, np.nan])) == {}


def first_probe(skip, **options):
    data = load("digits", limit=96)
    network = Network.create([64, *[16] * 9, 10], skip=skip, **options)
    return train(network, data, epochs=0)[0]


@pytest.mark.parametrize("skip", ["rezero", Choice("rezero", {"order": "post"}), "fixup"])
@pytest.mark.parametrize("first", [0, 1, 2, 5])
def test_a_branch_that_starts_at_0_is_not_dead(skip, first):
    """Whatever layer is the first that is trained."""
    seen = first_probe(skip)
    found = Signal.of(seen.layers | seen.arrays, first=first, start=True, wrong=True)
    assert found.word == "preserved"


def test_the_signal_of_a_residual_network_is_that_of_its_stream():
    probe = first_probe("identity", norm="layer").layers
    stream = probe["stream_gradient"]
    found = Signal.of(probe, first=0, start=True, wrong=True)
    assert found.ratio == stream[0] / stream[8]
    assert "times the last block's" in found.phrase
    frozen = Signal.of(probe, first=4, start=True, wrong=True)
    assert frozen.ratio == stream[4] / stream[8]
    last = Signal.of(probe, first=9, start=True, wrong=True)
    assert last.ratio == 1
