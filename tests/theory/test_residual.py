"""Residual networks in mean field against closed forms, other quadrature and wide networks.

Yang & Schoenholz 2017 (arXiv 1712.08969) for order full.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from theory.plain import mean_factor, network
from theory.plain import norm as plain_norm

from bpexp.nn import Architecture, Choice
from bpexp.nn.skips import Skip
from bpexp.theory import layer_variances, predict
from bpexp.theory.passes import Wide, pair_moments


def full(v2, a2=0.0):
    return Choice(
        "identity", {"order": "full", "outer_weight_variance": v2, "outer_bias_variance": a2}
    )


def predicted(activation, skip, blocks, *, w2=1.0, b2=0.0, norm="none", start=1.0):
    """The stream's mean square and its gradient's at the start and after each block."""
    every = skip.parameters.get("every", 1)
    sizes = (9, *[20] * (1 + blocks * every), 3)
    shape = Architecture.dense(sizes, activation, skip=skip, norm=norm)
    init = Choice("mean_field", {"sigma_w2": w2, "sigma_b2": b2})
    found = predict(shape, layer_variances(shape, init), (start - b2) / w2)
    return found.stream_square[:-1:every], found.stream_gradient[:-1:every] ** 2


def measured(draws, *args, **settings):
    found = [network(seed, *args, **settings) for seed in range(draws)]
    return (np.array(each) for each in zip(*found, strict=True))


def test_relu_grows_by_a_quarter_a_block():
    """Order full, sigma_v2 sigma_w2 = 1/2: both mean squares grow 1.25 times."""
    squares, gradients = predicted("relu", full(0.5), 20)
    np.testing.assert_allclose(squares, 1.25 ** np.arange(21), rtol=1e-12)
    np.testing.assert_allclose(gradients, 1.25 ** np.arange(20, -1, -1), rtol=1e-12)


def test_wide_relu_networks_grow_by_a_quarter_a_block():
    squares, gradients = measured(4, "full", "relu", width=500, blocks=40, v2=0.5)
    assert mean_factor(squares) == pytest.approx(1.25, rel=0.005)
    assert mean_factor(gradients[:, ::-1]) == pytest.approx(1.25, rel=0.005)


def tanh_recursion(blocks, v2, w2, a2, b2):
    """p and ln of the gradient's growth of order full, by the trapezoid rule."""
    z = np.linspace(-14, 14, 8001)
    density = np.exp(-(z**2) / 2)
    density /= density.sum()
    p, growth = 1.0, 0.0
    for _ in range(blocks):
        u = np.sqrt(w2 * p + b2) * z
        growth += math.log1p(v2 * w2 * (density @ np.cosh(u) ** -4.0))
        p += v2 * (density @ np.tanh(u) ** 2) + a2
    return p, growth


def test_a_hundred_tanh_blocks_have_their_known_values():
    """Gauss-Hermite quadrature with 200 nodes gives 11.49 for 10.18."""
    squares, gradients = predicted("tanh", full(1.0, 0.05), 100, b2=0.05)
    assert squares[0] == pytest.approx(1, rel=1e-12)
    assert squares[-1] == pytest.approx(90.04, rel=1e-4)
    assert np.log(gradients[0]) == pytest.approx(10.18, rel=5e-4)
    p, growth = tanh_recursion(100, 1.0, 1.0, 0.05, 0.05)
    assert squares[-1] == pytest.approx(p, rel=1e-9)
    assert np.log(gradients[0]) == pytest.approx(growth, rel=1e-6)


@pytest.mark.full
def test_a_hundred_wide_tanh_blocks_have_their_known_values():
    squares, gradients = measured(
        16, "full", "tanh", width=300, blocks=100, v2=1.0, a2=0.05, b2=0.05
    )
    assert squares[:, -1].mean() == pytest.approx(90.04, rel=0.03)
    growth = (gradients[:, 0] / gradients[:, -1]).mean()  # its logarithm's mean is lower
    assert np.log(growth) == pytest.approx(10.18, rel=0.03)


@pytest.mark.full
def test_far_out_the_gradient_of_tanh_grows_with_the_root_of_depth():
    """ln growth ~ A sqrt(L), A = (4 / 3) sqrt(2 / pi) sigma_v2 sigma_w / sqrt(sigma_v2 + sigma_a2).

    Yang & Schoenholz 2017, theorem 3.5, here with weights and biases of both matrices.
    """
    blocks, v2, w2, a2, b2 = 40_000, 1.0, 1.0, 0.05, 0.05
    skip = Skip("full", 1, 1.0, False, False, v2, a2)
    shape = Wide((1, *[1] * (blocks + 1), 1), ((w2, b2),) * (blocks + 2), skip, (v2, a2))
    moments = pair_moments(Choice("tanh"), Choice("none"))
    gradients = shape.stream_gradients(shape.forward(np.array([0.95, 0.0]), moments))
    logs = np.log([gradients[1] / gradients[number] for number in (10_001, 40_001)])
    rate = (logs[1] - logs[0]) / (math.sqrt(40_000) - math.sqrt(10_000))
    formula = 4 / 3 * math.sqrt(2 / math.pi) * v2 * math.sqrt(w2) / math.sqrt(v2 + a2)
    assert formula == pytest.approx(1.0382, rel=1e-4)
    assert rate == pytest.approx(formula, rel=0.01)


EVERY_2 = {"order": "pre", "every": 2}


def test_two_layers_a_block_double_the_stream():
    squares, gradients = predicted("relu", Choice("identity", EVERY_2), 12, w2=2.0)
    np.testing.assert_allclose(squares, 2.0 ** np.arange(13), rtol=1e-12)
    np.testing.assert_allclose(gradients, 2.0 ** np.arange(12, -1, -1), rtol=1e-12)
    found, _ = measured(4, "pre", "relu", every=2, width=500, blocks=30, w2=2.0)
    assert mean_factor(found) == pytest.approx(2, rel=0.02)


def test_branches_over_the_root_of_their_number_grow_e_fold():
    skip = Choice("identity", {**EVERY_2, "scale": "1/sqrt(blocks)"})
    squares, _ = predicted("relu", skip, 64, w2=2.0)
    assert squares[-1] == pytest.approx((1 + 1 / 64) ** 64, rel=1e-12)
    assert squares[-1] == pytest.approx(2.697, rel=2e-4)


@pytest.mark.full
def test_wide_branches_over_the_root_of_their_number_grow_e_fold():
    settings = {"every": 2, "width": 300, "blocks": 64, "w2": 2.0, "scale": 1 / 8}
    squares, _ = measured(40, "pre", "relu", **settings)
    assert (squares[:, -1] / squares[:, 0]).mean() == pytest.approx(2.697, rel=0.05)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_normalised_branch_adds_one_to_the_stream(norm):
    squares, gradients = predicted(
        "relu", Choice("identity"), 30, w2=2.0, norm=Choice(norm, {"eps": 1e-12})
    )
    np.testing.assert_allclose(squares, np.arange(1, 32), rtol=1e-9)
    np.testing.assert_allclose(gradients, 31 / np.arange(1, 32), rtol=1e-9)
    # Relative to its end the gradient's square grows L + 1 times, as the stream does.
    found, backward = measured(4, "pre", "relu", kind=norm, width=400, blocks=30, w2=2.0)
    assert found[:, -1].mean() == pytest.approx(31, rel=0.03)
    assert (backward[:, 0] / backward[:, -1]).mean() == pytest.approx(31, rel=0.1)


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_rezero_passes_the_stream_and_its_gradient_exactly(order, norm):
    skip = Choice("rezero", {"order": order})
    squares, gradients = predicted("relu", skip, 20, w2=2.0, norm=norm)
    assert (squares == squares[0]).all()
    assert (gradients == 1).all()


def test_fixup_passes_the_stream_and_outputs_zero():
    blocks, skip = 16, Choice("fixup")
    shape = Architecture.dense((9, *[20] * (1 + 2 * blocks), 3), "relu", skip=skip)
    variances = layer_variances(shape, Choice("he_normal"))
    found = predict(shape, variances, 0.5)
    weights = np.array([weight for weight, _ in variances])
    assert (weights[2::2] == 0).all()  # of each block's last layer, and of the output layer
    np.testing.assert_allclose(weights[1:-1:2], 2 / 20 / blocks, rtol=1e-12)  # B^(-1/2), squared
    assert weights[0] == 2 / 9
    assert (found.stream_square[:-1:2] == 1).all()
    assert (found.stream_gradient[:-1:2] == 1).all()
    assert found.q[-1] == 0
    assert found.first_to_last == 1


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms"])
@pytest.mark.parametrize("order", ["plain", "pre", "full"])
@pytest.mark.parametrize("g", ["relu", "tanh"])
def test_every_kind_of_block_is_as_in_wide_networks(g, order, norm):
    """8 blocks of a Gaussian batch of 64."""
    blocks, settings = 8, {"w2": 1.5, "b2": 0.1, "v2": 0.8, "a2": 0.05}
    kind = None if norm == "none" else norm
    squares, gradients = measured(
        6, order, g, kind=kind, width=400, blocks=blocks, examples=64, **settings
    )
    parameters = {} if order == "plain" else {"order": order}
    if order == "full":
        parameters |= {"outer_weight_variance": 0.8, "outer_bias_variance": 0.05}
    skip = Choice("none" if order == "plain" else "identity", parameters)
    shape = Architecture.dense((9, *[400] * (blocks + 1), 3), g, skip=skip, norm=norm)
    wide = Wide.of(shape, [(1 / 9, 0.0), *[(1.5 / 400, 0.1)] * (blocks + 1)])
    forward = wide.forward(np.array([1.0, 0.0]), pair_moments(shape.activation, shape.norm))
    if order == "plain":  # the loop's signal is u, which begins with that of layer 1
        u = [1.0, *(wide.hop(n + 1) * forward.read[n][0] + 0.1 for n in range(1, blocks + 1))]
        below = wide.backward(forward, np.array([1.0, np.nan])).u
        expected = np.array([below[n][0] for n in range(1, blocks + 2)])
    else:
        u = [forward.streams[n].square[0] for n in range(1, blocks + 2)]
        expected = np.array(list(wide.stream_gradients(forward).values()))
    np.testing.assert_allclose(squares.mean(axis=0), u, rtol=0.08)
    ratio = mean_factor(expected[None, ::-1], left_out=0)
    assert mean_factor(gradients[:, ::-1], left_out=0) == pytest.approx(ratio, rel=0.03)


@pytest.mark.parametrize("norm", ["none", "rms", "batch"])
def test_order_post_adds_means_too(norm):
    """The stream of ReLU branches, whose means add up, in a plain loop that begins with g(z)."""
    blocks, width, kind = 6, 400, None if norm == "none" else norm
    squares, means = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        u = rng.standard_normal((64, width))
        a = np.maximum(plain_norm(kind, u)[0], 0)
        for _ in range(blocks):
            w = rng.standard_normal((width, width)) / np.sqrt(width)
            a = a + 0.7 * np.maximum(plain_norm(kind, a @ w)[0], 0)
        squares.append(np.mean(a**2))
        means.append(a.mean())
    skip = Choice("identity", {"order": "post", "scale": 0.7})
    shape = Architecture.dense((9, *[width] * (blocks + 1), 3), "relu", skip=skip, norm=norm)
    wide = Wide.of(shape, [(1 / 9, 0.0), *[(1 / width, 0.0)] * (blocks + 1)])
    forward = wide.forward(np.array([1.0, 0.0]), pair_moments(shape.activation, shape.norm))
    stream = forward.streams[blocks + 1]
    assert np.mean(squares) == pytest.approx(stream.square[0], rel=0.04)
    assert np.mean(means) == pytest.approx(float(stream.mean), rel=0.03)
