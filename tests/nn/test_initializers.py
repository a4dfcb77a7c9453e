"""Initial weights: variances, bounds, pairing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

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


def normals(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def draw(name, seed=0, activation="relu", sizes=(30, 20, 20, 5), **parameters):
    architecture = Architecture.dense(sizes, Choice(activation), Choice("cross_entropy"))
    batch = np.random.default_rng(3).standard_normal((64, sizes[0]))
    flat = initial_theta(architecture, Choice(name, parameters), seed, batch)
    return architecture.thetas(flat), batch


@pytest.mark.parametrize("name", INITIALIZERS)
def test_weights_have_their_variance(name):
    weights = INITIALIZERS[name]().weights(normals(0, N_IN, N_OUT), SLOPE)
    # 240,000 draws: the sample variance of normal numbers errs by sqrt(2 / n) = 0.3 %
    assert weights.var() == pytest.approx(VARIANCE[name], rel=0.015)
    assert abs(weights.mean()) < 5 * np.sqrt(VARIANCE[name] / weights.size)


def test_uniform_fills_its_bounds():
    weights = INITIALIZERS["uniform"](bound=0.5).weights(normals(0, 300, 300), 0.0)
    assert -0.5 * (1 + 1e-15) <= weights.min() < -0.499
    assert 0.499 < weights.max() <= 0.5 * (1 + 1e-15)
    # the quantiles of 90,000 uniform numbers err by at most 1 / (2 * 300), about
    quantiles = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(weights, quantiles), quantiles - 0.5, rtol=0, atol=0.01)


def test_uniform_weights_are_the_distribution_function_of_the_draw():
    draw = np.array([[-9.0, -3.0, -0.5, 0.0, 1e-9, 0.5, 3.0, 9.0]])
    weights = INITIALIZERS["uniform"](bound=2.0).weights(draw, 0.0)
    np.testing.assert_allclose(weights, 2 * (2 * norm.cdf(draw) - 1), rtol=0, atol=4e-16)
    # near 0 the density of the normal is 1 / sqrt(2 pi), and no digit is lost
    assert weights[0, 4] == pytest.approx(4e-9 / np.sqrt(2 * np.pi), rel=1e-15)


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
    draw = normals(1, *shape)
    w = INITIALIZERS["orthogonal"](gain=1.5).weights(draw, 0.0)
    short, long = (w, draw) if shape[0] <= shape[1] else (w.T, draw.T)
    np.testing.assert_allclose(short @ short.T, 2.25 * np.eye(len(short)), atol=1e-12)
    # the polar factor Q of G = S Q: G Q^T is symmetric and positive definite
    rest = long @ short.T
    np.testing.assert_allclose(rest, rest.T, atol=1e-12)
    assert np.linalg.eigvalsh(rest).min() > 0


def test_orthogonal_matrices_are_haar_distributed():
    """A rotation by a uniform angle, or a reflection, each as often as the other."""
    draws = normals(2, 4000, 4).reshape(4000, 2, 2)
    w = np.array([INITIALIZERS["orthogonal"]().weights(draw, 0.0) for draw in draws])
    assert np.mean(np.linalg.det(w) > 0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(4000))
    angles = np.arctan2(w[:, 0, 1], w[:, 0, 0])
    assert kstest(angles, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3


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


NORMAL = ("normal", "lecun_normal", "glorot_normal", "he_normal", "mean_field")
UNIFORM = ("uniform", "standard", "glorot_uniform", "he_uniform")
ORTHOGONAL = ("orthogonal", "lsuv")
PAIRED = {  # closed forms; of orthogonal ones in the limit of large square layers
    (NORMAL, NORMAL): (1.0, 1e-12),
    (UNIFORM, UNIFORM): (1.0, 1e-12),
    (ORTHOGONAL, ORTHOGONAL): (1.0, 1e-12),
    (NORMAL, UNIFORM): (np.sqrt(3 / np.pi), 0.005),
    (NORMAL, ORTHOGONAL): (8 / (3 * np.pi), 0.01),
    (UNIFORM, ORTHOGONAL): (0.829, 0.01),  # measured
}


@pytest.mark.parametrize(("one", "other"), PAIRED)
def test_all_schemes_are_paired(one, other):
    expected, error = PAIRED[one, other]
    shape = (100, 100, 10)
    for first in one:
        for second in other:
            w, v = (draw(name, sizes=shape)[0][0][1:].ravel() for name in (first, second))
            assert np.corrcoef(w, v)[0, 1] == pytest.approx(expected, abs=error), (first, second)


def test_all_schemes_are_in_a_family():
    assert {*NORMAL, *UNIFORM, *ORTHOGONAL} == INITIALIZERS.keys()


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
