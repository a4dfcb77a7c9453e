"""Probes against loops over examples, and over the whole range of float32."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import one_hot

from bpexp.nn import ACTIVATIONS, Choice, Network
from bpexp.nn.stack import Stack, with_constant_unit
from bpexp.probes import PROBES, Prober, norm

B = 9


def measure(activation="tanh", depth=3, dtype="float64", before=None, scale=1.0):
    sizes = [6, *[5] * depth, 4]
    init = Choice("glorot_normal", {"bias_std": 0.2})
    network = Network.create(sizes, activation=activation, init=init, seed=2, dtype=dtype)
    with np.errstate(over="ignore"):
        network.theta *= scale
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((B, 6)), rng.integers(0, 4, B)
    stack = Stack(network.architecture, network.theta[None])
    prober = Prober(stack, with_constant_unit(x, dtype), one_hot(y, 4, dtype).T)
    found = prober(stack, before, np.array([True]))
    return network, x, y, {name: values[0] for name, values in found.items()}


def deltas(network, x, y):
    """delta_i^(l) of each example by the recursion, one example and one layer at a time."""
    g = ACTIVATIONS[network.architecture.activation.name]()
    per_example = []
    for inputs, label in zip(x, y, strict=True):
        a, slopes, zs, activities = inputs, [], [], []
        for number, theta in enumerate(network.layers, start=1):
            z = theta[0] + a @ theta[1:]
            zs.append(z)
            a, slope = g(z) if number < len(network.layers) else (z, None)
            activities.append(a)
            slopes.append(slope)
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        delta = [p - np.eye(len(p))[label]]
        for number in range(len(network.layers) - 1, 0, -1):
            delta.insert(0, slopes[number - 1] * (network.layers[number][1:] @ delta[0]))
        per_example.append((delta, zs, slopes, activities))
    return per_example


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu"])
def test_probes_equal_loops(activation, depth):
    network, x, y, found = measure(activation, depth)
    loops = deltas(network, x, y)
    n_layers = depth + 1
    gradients = network.gradients(x, y)
    for number in range(n_layers):
        delta = np.array([example[0][number] for example in loops])
        z = np.array([example[1][number] for example in loops])
        close = {"rtol": 1e-12, "atol": 0}
        rms = np.sqrt((delta**2).sum(axis=1).mean())
        np.testing.assert_allclose(found["delta_norm"][number], rms, **close)
        np.testing.assert_allclose(found["q"][number], (z**2).mean(), **close)
        w, b = gradients[number][1:], gradients[number][0]
        np.testing.assert_allclose(found["grad_norm"][number], np.sqrt((w**2).sum()), **close)
        np.testing.assert_allclose(found["bias_grad_norm"][number], np.sqrt((b**2).sum()), **close)
        cosines = [
            z[i] @ z[j] / np.sqrt((z[i] @ z[i]) * (z[j] @ z[j]))
            for i in range(B)
            for j in range(B)
            if i != j
        ]
        np.testing.assert_allclose(found["correlation"][number], np.mean(cosines), rtol=1e-9)
        if number < depth:
            slope = np.array([example[2][number] for example in loops])
            a = np.array([example[3][number] for example in loops])
            np.testing.assert_allclose(found["activation_mean"][number], a.mean(), rtol=1e-12)
            np.testing.assert_allclose(found["activation_variance"][number], a.var(), rtol=1e-12)
            dead = (slope == 0).all(axis=0).mean()
            assert found["dead"][number] == pytest.approx(dead, abs=1e-15)
            if activation == "sigmoid":
                assert found["saturation"][number] == (slope < 0.0125).mean()
            else:
                assert np.isnan(found["saturation"][number])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_split_of_the_shrinkage_is_exact(activation):
    _, _, _, found = measure(activation, depth=10)
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


def test_a_deep_sigmoid_network_has_its_tiny_norms_in_float32():
    narrow, x, y, found = measure("sigmoid", depth=30, dtype="float32", scale=0.5)
    wide = Network(narrow.architecture, narrow.theta.astype(np.float64))
    expected = [np.linalg.norm(g[1:]) for g in wide.gradients(x.astype(np.float32), y)]
    assert 1e-38 < expected[0] < 1e-25
    np.testing.assert_allclose(found["grad_norm"], expected, rtol=1e-4, atol=0)


def test_zeros_and_subnormals_are_counted():
    _, _, _, found = measure("sigmoid", depth=30, dtype="float32", scale=0.1)
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
    prober = Prober(stack, with_constant_unit(np.eye(2), "float64"), np.eye(2))
    assert prober(stack, None, np.array([True]))["dead"][0, 0] == pytest.approx(2 / 3)


def test_update_ratio_is_the_relative_step():
    network, _, _, first = measure()
    assert np.isnan(first["update_ratio"]).all()
    _, _, _, found = measure(before=network.theta[None] * 1.5)
    np.testing.assert_allclose(found["update_ratio"], 0.5, rtol=1e-12)


def test_what_has_moved_to_zero_has_no_relative_step():
    _, _, _, found = measure(scale=0, before=np.ones((1, 119)))
    assert np.isnan(found["update_ratio"]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e-300, 1e-170, 1e160, 0])
def test_correlations_are_right_or_not_a_number(scale, dtype):
    _, _, _, expected = measure("identity", depth=0, dtype=dtype)
    _, _, _, found = measure("identity", depth=0, dtype=dtype, scale=scale)
    if not np.isnan(found["correlation"]).all():
        np.testing.assert_allclose(found["correlation"], expected["correlation"], rtol=1e-5)
        assert scale == 1e-30


def test_a_look_does_not_see_the_ones_before_it():
    networks = [
        Network.create([6, 5, 5, 4], activation="relu", dtype="float32", seed=seed)
        for seed in range(4)
    ]
    with np.errstate(over="ignore"):
        networks[1].theta *= 1e38
    networks[2].theta[:] = 0
    stack = Stack(networks[0].architecture, np.array([network.theta for network in networks]))
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((B, 6)), rng.integers(0, 4, B)
    batch = with_constant_unit(x, "float32"), one_hot(y, 4, "float32").T
    together = Prober(stack, *batch)
    halves = 0.5 * stack.theta
    for before, which in ((halves, [True, True, False, True]), (None, [True] * 4)):
        found = together(stack, before, np.array(which))
        for r, network in enumerate(networks):
            alone = Stack(stack.architecture, network.theta[None])
            last = None if before is None else before[r : r + 1]
            own = Prober(alone, *batch)(alone, last, np.array(which[r : r + 1]))
            for name, values in found.items():
                np.testing.assert_array_equal(values[r], own[name][0])
    assert not np.isfinite(found["grad_norm"][1]).any()
    assert (found["grad_norm"][2, :-1] == 0).all()


def test_lengths_beyond_float64_are_infinite():
    _, _, _, found = measure("identity", depth=3, scale=1e80)
    assert found["q"][-1] == np.inf


def test_every_probe_is_documented():
    assert all(probe.__doc__ for probe in PROBES.values())
