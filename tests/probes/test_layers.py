"""Layer instruments against loops over examples, and over the whole range of float32."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from helpers import one_hot

from bpexp.data import load
from bpexp.nn import ACTIVATIONS, Choice, Network
from bpexp.nn.activations import Activation
from bpexp.nn.stack import Stack, with_constant_unit
from bpexp.probes import INSTRUMENTS, Measurer
from bpexp.probes.norms import norm
from bpexp.probes.values import unravel
from bpexp.training import train

B = 9
LARGEST_SLOPE = {"sigmoid": 0.25, "tanh": 1.0, "softsign": 1.0}  # of the bounded activations
EVERYTHING = {name: 2 for name, row in INSTRUMENTS.items() if not row.standard}
OF_LAYERS = [
    name
    for name, row in INSTRUMENTS.items()
    if row.standard and not row.optional and row.dims == ("layer",)
]


def examples():
    rng = np.random.default_rng(5)
    return rng.standard_normal((B, 6)), rng.integers(0, 4, B)


def make(activation="tanh", depth=3, dtype="float64", scale=1.0):
    """Return a network of 6 inputs and 4 classes, its parameters times a scale."""
    init = Choice("glorot_normal", {"bias_std": 0.2})
    network = Network.create(
        [6, *[5] * depth, 4], activation=activation, init=init, seed=2, dtype=dtype
    )
    with np.errstate(over="ignore"):
        network.theta *= scale
    return network


def measure(network, before=None):
    """Measure a network's layers on the examples: all standard instruments and global_grad_norm."""
    x, y = examples()
    dtype = network.theta.dtype
    stack = Stack(network.architecture, network.theta[None])
    measurer = Measurer(
        stack, with_constant_unit(x, dtype), one_hot(y, 4, dtype).T, {"global_grad_norm": 0}
    )
    measured = measurer(stack, None if before is None else before[None], np.array([True]))
    return {name: values[0] for name, values in measured.items() if values[0] is not None}


def root_of_squares(numbers):
    return math.sqrt(math.fsum(float(number) ** 2 for number in np.ravel(numbers)))


def propagate(network, inputs, label):
    """Return z, a, g'(z) and delta of each layer for one example, one after another."""
    g = ACTIVATIONS[network.architecture.activation.name]()
    a, zs, activities, slopes = inputs, [], [], []
    for number, theta in enumerate(network.layers, start=1):
        z = theta[0] + a @ theta[1:]
        zs.append(z)
        if number < len(network.layers):
            a, slope = g(z)
            slopes.append(slope)
        else:
            a = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        activities.append(a)
    deltas = [a - np.eye(len(a))[label]]
    for number in range(len(network.layers) - 1, 0, -1):
        deltas.insert(0, slopes[number - 1] * (network.layers[number][1:] @ deltas[0]))
    return zs, activities, slopes, deltas


def defined(network, before):
    """Return every instrument of layers from its definition: loops over examples and layers."""
    x, y = examples()
    passes = [propagate(network, *example) for example in zip(x, y, strict=True)]
    activation = network.architecture.activation.name
    found = {name: [] for name in OF_LAYERS}
    for number, theta in enumerate(network.layers):
        hidden = number < len(network.layers) - 1
        z, a, delta = (np.array([p[place][number] for p in passes]) for place in (0, 1, 3))
        below = x if number == 0 else np.array([p[1][number - 1] for p in passes])
        mean = sum(np.outer(one, other) for one, other in zip(below, delta, strict=True)) / B
        biases = sum(delta) / B
        tiny = np.finfo(theta.dtype).tiny
        cosines = [
            one @ other / (root_of_squares(one) * root_of_squares(other))
            for one, other in itertools.permutations(z, 2)
        ]
        row = {
            "grad_norm": root_of_squares(mean),
            "bias_grad_norm": root_of_squares(biases),
            "delta_norm": math.sqrt(np.mean([root_of_squares(one) ** 2 for one in delta])),
            "update_ratio": root_of_squares(theta - before[number]) / root_of_squares(theta),
            "zero_share": np.mean([entry == 0 for entry in mean.ravel()]),
            "subnormal_share": np.mean([0 < abs(entry) < tiny for entry in mean.ravel()]),
            "activation_mean": math.fsum(a.ravel()) / a.size,
            "activation_variance": np.mean([(one - np.mean(a)) ** 2 for one in a.ravel()]),
            "q": math.fsum(z.ravel() ** 2) / z.size,
            "correlation": np.mean(cosines),
        }
        nothing = dict.fromkeys(("weight_factor", "slope_factor", "saturation", "dead"), math.nan)
        if hidden:
            slope = np.array([p[2][number] for p in passes])
            above = network.layers[number + 1][1:]
            signal = [above @ p[3][number + 1] for p in passes]
            next_delta = [p[3][number + 1] for p in passes]
            nothing |= {
                "weight_factor": root_of_squares(signal) / root_of_squares(next_delta),
                "slope_factor": root_of_squares(delta) / root_of_squares(signal),
                "dead": np.mean([all(unit == 0) for unit in slope.T]),
            }
            if largest := LARGEST_SLOPE.get(activation):
                nothing["saturation"] = np.mean([abs(s) < 0.05 * largest for s in slope.ravel()])
        for name, value in (row | nothing).items():
            found[name].append(value)
    whole = root_of_squares([*found["grad_norm"], *found["bias_grad_norm"]])
    return {**found, "global_grad_norm": whole}


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("scale", [1.0, 6.0])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "gelu"])
def test_instruments_equal_their_definitions(activation, scale, depth):
    network = make(activation, depth, scale=scale)
    before = make(activation, depth, scale=scale)
    before.theta += np.random.default_rng(1).standard_normal(len(before.theta))
    found, expected = measure(network, before.theta), defined(network, before.layers)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=0, err_msg=name)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_the_order_of_the_examples_changes_nothing_but_last_digits(activation, monkeypatch):
    network, (x, y) = make(activation), examples()
    found = measure(network, 0.9 * network.theta)
    order = np.random.default_rng(0).permutation(B)
    monkeypatch.setitem(globals(), "examples", lambda: (x[order], y[order]))
    again = measure(network, 0.9 * network.theta)
    assert again.keys() == found.keys()
    for name, values in found.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-11, atol=0, err_msg=name)


def test_zeros_and_subnormals_are_those_of_the_mean_costs_gradient():
    """Exact zeros by a dead unit, subnormal entries by a weight of 1e-310 above another."""
    network = make("relu", depth=1)
    network.layers[0][0, 0] = -1e6  # never active
    network.layers[0][0, 1:] = 10.0  # always
    network.layers[1][2] = 1e-310 * np.arange(1, 5)
    found, expected = measure(network), defined(network, make("relu", depth=1).layers)
    for name in ("zero_share", "subnormal_share"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=0)
    assert found["zero_share"][0] == pytest.approx(0.2)
    assert found["subnormal_share"][0] == pytest.approx(0.2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_split_of_the_shrinkage_is_exact(activation):
    found = measure(make(activation, depth=10))
    product = found["weight_factor"] * found["slope_factor"]
    ratio = found["delta_norm"][:-1] / found["delta_norm"][1:]
    np.testing.assert_allclose(product[:-1], ratio, rtol=1e-12, atol=0)
    assert np.isnan(product[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [-38, -30, -20, 0, 20, 37])
def test_norms_are_right_over_the_range_of_float32(exponent, dtype):
    x = np.array([3, 4], dtype) * np.asarray(10.0**exponent, dtype)
    assert norm(x) == pytest.approx(5 * 10.0**exponent, rel=2e-7, abs=0)


@pytest.mark.parametrize("exponent", [-300, -160, 160, 300])
def test_norms_are_right_over_the_range_of_float64(exponent):
    with np.errstate(over="ignore"):
        found = norm(np.array([3, 4]) * 10.0**exponent)
    assert found == pytest.approx(5 * 10.0**exponent, rel=1e-14, abs=0)


def test_norms_of_nothing_and_of_what_is_not_finite():
    assert norm(np.zeros(3)) == 0
    assert norm(np.array([1, np.inf])) == np.inf
    assert np.isnan(norm(np.array([1, np.nan])))


@pytest.fixture(scope="module", params=[512, 300])
def deep(request):
    """A sigmoid network of depth 90 in float32: network, batch, and the mean cost's gradient."""
    digits = load("digits", limit=512)
    network = Network.create([64, *[16] * 90, 10], activation="sigmoid", seed=0, dtype="float32")
    x, y = digits.x_train[: request.param], digits.y_train[: request.param]
    history = train(network, digits, epochs=0, probe_examples=request.param)
    return network, x, y, history[0].layers, network.gradients(x, y)


def test_zeros_and_subnormals_are_exactly_those_of_the_networks_gradients(deep):
    *_, found, gradients = deep
    tiny = np.finfo(np.float32).tiny
    weights = [gradient[1:] for gradient in gradients]
    assert found["zero_share"].tolist() == [np.mean(part == 0) for part in weights]
    subnormal = [np.mean((part != 0) & (np.abs(part) < tiny)) for part in weights]
    np.testing.assert_allclose(found["subnormal_share"], subnormal, rtol=1e-12, atol=1e-16)
    norms = [root_of_squares(part) for part in weights]
    np.testing.assert_allclose(found["grad_norm"], norms, rtol=1e-12, atol=0)
    biases = [root_of_squares(gradient[0]) for gradient in gradients]
    np.testing.assert_allclose(found["bias_grad_norm"], biases, rtol=1e-12, atol=0)
    zero = [bool((part == 0).all()) for part in weights]
    assert (found["zero_share"] == 1).tolist() == zero
    assert 4 < sum(zero) < 12


def test_deltas_of_a_deep_network_are_those_of_each_examples_own_cost(deep):
    """A loop over examples in float64, whose range ends far below float32's."""
    network, x, y, found, _ = deep
    squares = np.zeros(len(network.layers))
    signals = np.zeros(len(network.layers))
    for inputs, label in zip(x, y, strict=True):
        _, _, slopes, deltas = propagate(network, inputs, label)
        squares += [root_of_squares(delta) ** 2 for delta in deltas]
        for number in range(len(slopes)):
            signal = network.layers[number + 1][1:] @ deltas[number + 1]
            signals[number] += root_of_squares(signal) ** 2
    expected = np.sqrt(squares / len(x))
    normal = expected > 1e-36  # subnormal entries have fewer digits, and round as they are added
    assert normal.sum() > 60
    np.testing.assert_allclose(found["delta_norm"][normal], expected[normal], rtol=1e-4, atol=0)
    few = expected > 5e-44
    np.testing.assert_allclose(found["delta_norm"][few], expected[few], rtol=0.2, atol=0)
    kept = normal & (signals > 0)
    ratio = np.sqrt(squares[kept] / signals[kept])
    np.testing.assert_allclose(found["slope_factor"][kept], ratio, rtol=1e-4, atol=0)


def test_a_deep_sigmoid_network_has_its_tiny_norms_in_float32():
    narrow, (x, y) = make("sigmoid", depth=30, dtype="float32", scale=0.5), examples()
    found = measure(narrow)
    wide = Network(narrow.architecture, narrow.theta.astype(np.float64))
    expected = [np.linalg.norm(g[1:]) for g in wide.gradients(x.astype(np.float32), y)]
    assert 1e-38 < expected[0] < 1e-25
    np.testing.assert_allclose(found["grad_norm"], expected, rtol=1e-4, atol=0)


def test_zeros_and_subnormals_are_counted():
    found = measure(make("sigmoid", depth=30, dtype="float32", scale=0.1))
    assert found["zero_share"][0] == 1
    assert found["grad_norm"][0] == 0
    some = found["subnormal_share"]
    assert some[0] == 0
    assert some.max() > 0.5
    assert some[-1] == 0


def test_dead_units_are_units_without_slope_anywhere():
    sizes = [2, 3, 2]
    network = Network.create(sizes, activation="relu", dtype="float64")
    network.layers[0][:] = 0
    network.layers[0][0] = [-1, 1, -1]  # biases decide: dead, alive, dead
    stack = Stack(network.architecture, network.theta[None])
    measurer = Measurer(stack, with_constant_unit(np.eye(2), "float64"), np.eye(2))
    assert measurer(stack, None, np.array([True]))["dead"][0, 0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("output", ["sigmoid", "tanh", "softsign"])
@pytest.mark.parametrize("depth", [0, 2])
def test_output_saturation_is_the_share_of_outputs_on_an_asymptote(output, depth):
    cost = Choice("squared_error", {"output": output})
    network = Network.create([6, *[5] * depth, 4], cost=cost, seed=1, dtype="float64")
    network.layers[-1][:] *= 8
    a, g, h = examples()[0], ACTIVATIONS[output](), 1e-6
    for theta in network.layers[:-1]:
        a = np.maximum(theta[0] + a @ theta[1:], 0)
    z = network.layers[-1][0] + a @ network.layers[-1][1:]
    slopes = (g(z + h)[0] - g(z - h)[0]) / (2 * h)
    expected = np.mean([abs(one) < 0.05 * LARGEST_SLOPE[output] for one in slopes.ravel()])
    assert 0 < expected < 1
    found = measure(network)
    assert found["output_saturation"] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(found["saturation"][-1])


@pytest.mark.parametrize(
    "cost",
    [
        "cross_entropy",
        "binary_cross_entropy",
        Choice("squared_error", {"output": "relu"}),
        Choice("squared_error", {"output": "identity"}),
    ],
)
def test_where_no_slope_is_in_the_way_there_is_no_output_saturation(cost):
    assert "output_saturation" not in measure(Network.create([6, 4], cost=cost, dtype="float64"))


def test_saturation_is_of_the_size_of_the_slope(monkeypatch):
    """A bounded activation may fall: its negative slopes are not small for being negative."""

    def falling():
        def evaluate(emit, z, a, slope, scratch):
            ACTIVATIONS["tanh"]().evaluate(emit, z, a, slope, scratch)
            emit(np.negative, a, a)
            if slope is not None:
                emit(np.negative, slope, slope)

        return Activation(evaluate, bounded=True)

    monkeypatch.setitem(ACTIVATIONS, "falling", falling)
    rising = make("tanh", depth=1, scale=3.0)
    found = measure(Network.create([6, 5, 4], activation="falling", dtype="float64"))
    assert found["saturation"][0] < 0.5
    network = Network.create([6, 5, 4], activation="falling", dtype="float64")
    network.theta[:] = rising.theta
    assert measure(network)["saturation"][0] == measure(rising)["saturation"][0] > 0


def test_the_first_probe_has_no_update_ratio():
    assert np.isnan(measure(make())["update_ratio"]).all()


def test_what_has_moved_to_zero_has_no_update_ratio():
    network = make(scale=0)
    assert np.isnan(measure(network, network.theta + 1)["update_ratio"]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e-300, 1e-170, 1e160, 0])
def test_correlations_are_right_or_not_a_number(scale, dtype):
    expected = measure(make("identity", depth=0, dtype=dtype))
    found = measure(make("identity", depth=0, dtype=dtype, scale=scale))
    if not np.isnan(found["correlation"]).all():
        np.testing.assert_allclose(found["correlation"], expected["correlation"], rtol=1e-5)
        assert scale == 1e-30


def test_a_measurement_does_not_depend_on_those_before_it():
    networks = [
        Network.create([6, 5, 5, 4], activation="relu", dtype="float32", seed=seed)
        for seed in range(4)
    ]
    with np.errstate(over="ignore"):
        networks[1].theta *= 1e38
    networks[2].theta[:] = 0
    stack = Stack(networks[0].architecture, np.array([network.theta for network in networks]))
    x, y = examples()
    batch = with_constant_unit(x, "float32"), one_hot(y, 4, "float32").T
    together = Measurer(stack, *batch, EVERYTHING)
    halves = 0.5 * stack.theta
    for before, which in ((halves, [True, True, False, True]), (None, [True] * 4)):
        found = together(stack, before, np.array(which))
        for r, network in enumerate(networks):
            alone = Stack(stack.architecture, network.theta[None])
            last = None if before is None else before[r : r + 1]
            own = Measurer(alone, *batch, EVERYTHING)(alone, last, np.array(which[r : r + 1]))
            assert found.keys() == INSTRUMENTS.keys()
            for name, values in found.items():
                if values[r] is None or own[name][0] is None:
                    undefined = name == "output_saturation" or INSTRUMENTS[name].optional
                    assert not which[r] or undefined
                else:
                    one, other = unravel(values[r]), unravel(own[name][0])
                    np.testing.assert_array_equal(one[0], other[0])
                    np.testing.assert_array_equal(one[1], other[1])
    assert not np.isfinite(found["grad_norm"][1]).any()
    assert (found["grad_norm"][2, :-1] == 0).all()


def test_lengths_beyond_float64_are_infinite():
    assert measure(make("identity", depth=3, scale=1e80))["q"][-1] == np.inf


@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_the_global_norm_is_right_where_squares_leave_the_range_of_float64(scale):
    network, (x, y) = make("identity", depth=0), examples()
    stack = Stack(network.architecture, network.theta[None])
    targets = scale * one_hot(y, 4, "float64").T  # delta is p less this
    measurer = Measurer(stack, with_constant_unit(x, "float64"), targets, {"global_grad_norm": 0})
    (found,) = measurer(stack, None, np.array([True]))["global_grad_norm"]
    p = np.array([propagate(network, *example)[1][-1] for example in zip(x, y, strict=True)])
    delta = (p - targets.T) / scale
    gradient = sum(np.outer([1, *one], other) for one, other in zip(x, delta, strict=True)) / B
    assert found / scale == pytest.approx(root_of_squares(gradient), rel=1e-12, abs=0)
