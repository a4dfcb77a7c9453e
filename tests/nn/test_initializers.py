"""Initial weights: variances, bounds, pairing."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.nn import ACTIVATIONS, INITIALIZERS, Architecture, Choice
from bpexp.nn.initializers import BIASES, WEIGHTS, batch_order, stream
from bpexp.nn.stack import initial_theta, with_constant_unit

N_IN, N_OUT, SLOPE = 400, 600, 0.2
VARIANCE = {
    "uniform": 1 / 3,
    "normal": 1.0,
    "standard": 1 / (3 * N_IN),
    "lecun_normal": 1 / N_IN,
    "glorot_uniform": 2 / (N_IN + N_OUT),
    "glorot_normal": 2 / (N_IN + N_OUT),
    "he_uniform": 2 / ((1 + SLOPE**2) * N_IN),
    "he_normal": 2 / ((1 + SLOPE**2) * N_IN),
    "orthogonal": 1 / N_OUT,  # N_IN orthonormal rows in N_OUT dimensions
    "mean_field": 1 / N_IN,
    "lsuv": 1 / N_OUT,
}


def draw(name, seed=0, activation="relu", sizes=(30, 20, 20, 5), **parameters):
    architecture = Architecture.dense(sizes, Choice(activation), Choice("cross_entropy"))
    batch = np.random.default_rng(3).standard_normal((64, sizes[0]))
    flat = initial_theta(architecture, Choice(name, parameters), seed, batch)
    return architecture.thetas(flat), batch


@pytest.mark.parametrize("name", INITIALIZERS)
def test_weights_have_their_variance(name):
    weights = INITIALIZERS[name]().weights(stream(0, 0, 1), N_IN, N_OUT, SLOPE)
    # 240,000 draws: the sample variance of normal numbers errs by sqrt(2 / n) = 0.3 %
    assert weights.var() == pytest.approx(VARIANCE[name], rel=0.015)
    assert abs(weights.mean()) < 5 * np.sqrt(VARIANCE[name] / weights.size)


def test_uniform_fills_its_bounds():
    weights = INITIALIZERS["uniform"](bound=0.5).weights(stream(0), 300, 300, 0.0)
    assert -0.5 <= weights.min() < -0.499
    assert 0.499 < weights.max() <= 0.5


@pytest.mark.parametrize("name", INITIALIZERS)
def test_biases_are_zero_unless_asked_for(name):
    layers, _ = draw(name)
    assert not any(theta[0].any() for theta in layers)


def test_biases_have_their_standard_deviation():
    layers, _ = draw("mean_field", sizes=(5, 20_000, 2), sigma_b2=0.09)
    assert layers[0][0].std() == pytest.approx(0.3, rel=0.02)
    layers, _ = draw("normal", sizes=(5, 20_000, 2), bias_std=2.0)
    assert layers[0][0].std() == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("shape", [(7, 7), (7, 4), (4, 7)])
def test_orthogonal_is_orthogonal(shape):
    w = INITIALIZERS["orthogonal"](gain=1.5).weights(stream(1), *shape, 0.0)
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 2.25 * np.eye(len(gram)), atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_lsuv_gives_every_layer_unit_variance_on_its_batch(activation):
    layers, batch = draw("lsuv", activation=activation)
    a = with_constant_unit(batch, np.float64)
    for theta in layers:
        z = a @ theta
        assert z.var() == pytest.approx(1, rel=1e-12)
        a = with_constant_unit(ACTIVATIONS[activation]()(z)[0], np.float64)


def test_schemes_of_a_family_scale_one_draw():
    normal, _ = draw("normal")
    for name in ("lecun_normal", "glorot_normal", "he_normal", "mean_field"):
        for base, theta in zip(normal, draw(name)[0], strict=True):
            ratio = theta[1:] / base[1:]
            np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)


def test_the_draw_depends_on_seed_and_layer_and_on_nothing_else():
    first, _ = draw("lecun_normal", activation="tanh")
    again, _ = draw("lecun_normal", activation="sigmoid")
    deeper, _ = draw("lecun_normal", sizes=(30, 20, 20, 20, 20, 5))
    other, _ = draw("lecun_normal", seed=1)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] == deeper[0]).all()
    assert (first[1] == deeper[1]).all()
    assert not (first[1][1:] == deeper[2][1:]).any()
    assert not np.isclose(first[0][1:], other[0][1:]).any()


def test_weights_biases_and_batch_order_have_streams_of_their_own():
    layers, _ = draw("normal", bias_std=1.0)
    for theta in layers:
        assert not np.isclose(theta[0], theta[1]).any()  # biases are not the first weights again
    order = batch_order(0, 1, 100).tolist()
    assert sorted(order) == [*range(100)]
    for purpose in (WEIGHTS, BIASES):
        assert stream(0, purpose, 1).permutation(100).tolist() != order


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("uniform", {"bound": 0.0}),
        ("normal", {"std": -1.0}),
        ("normal", {"bias_std": float("nan")}),
        ("mean_field", {"sigma_w2": 0.0}),
        ("mean_field", {"sigma_b2": -0.1}),
        ("orthogonal", {"gain": float("inf")}),
    ],
)
def test_parameters_out_of_range_are_refused(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        INITIALIZERS[name](**parameters)
