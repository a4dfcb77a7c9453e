"""Growth of the gradient with a norm before the activation, against wide networks in plain NumPy.

Yang et al. 2019 (arXiv 1902.08129) for batch normalisation.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from theory.plain import G, mean_factor, network

from bpexp.nn import ACTIVATIONS, Choice
from bpexp.theory import MeanField, batch_norm_growth, normalised_field
from bpexp.theory.batch_norm import BatchNormMoments
from bpexp.theory.gaussian import FINE, sphere_products

TANH = 1.17781  # E[g'^2] / E[g^2] of tanh, whose mean is 0


def growth(draws, g, kind, **settings):
    """The factor of the squared gradient a layer towards the input, in plain networks."""
    squares = [network(seed, "plain", g, kind=kind, **settings)[1][::-1] for seed in range(draws)]
    return mean_factor(squares)


def expectation(f):
    x = np.linspace(-12, 12, 40001)
    return np.sum(np.exp(-(x**2) / 2) * f(x)) / np.sum(np.exp(-(x**2) / 2))


@pytest.mark.parametrize(
    ("g", "value"), [("relu", math.pi / (math.pi - 1)), ("tanh", TANH), ("identity", 1.0)]
)
def test_a_large_batch_has_its_known_growth(g, value):
    assert batch_norm_growth(Choice(g)) == pytest.approx(value, rel=3e-6)
    field = normalised_field(MeanField(Choice(g), 1.3, 0.2), Choice("batch"))
    assert field.chi_1() == pytest.approx(value, rel=3e-6)
    assert field.fixed_correlation() == (1.0 if g == "identity" else 0.0)
    assert batch_norm_growth(Choice(g), 10**6) == pytest.approx(value, rel=1e-5)
    plain, slope = G[g]
    variance = expectation(lambda z: plain(z) ** 2) - expectation(plain) ** 2
    assert expectation(lambda z: slope(z) ** 2) / variance == pytest.approx(value, rel=3e-4)


@pytest.mark.parametrize("batch", [4, 8, 16, 32, 256])
def test_linear_layers_have_their_closed_form(batch):
    expected = (batch - 2) / (batch - 3)
    assert batch_norm_growth(Choice("identity"), batch) == pytest.approx(expected, rel=1e-10)


def test_three_examples_have_no_finite_expectation():
    assert batch_norm_growth(Choice("relu"), 3) == np.inf


@pytest.mark.parametrize("g", ["relu", "tanh"])
def test_a_batch_of_five_is_an_average_over_the_sphere(g):
    """d = 4: two coordinates of a point of the sphere are uniform in a disc."""
    plain, slope = G[g]
    c = -1 / 4

    def mean(f):
        def integrand(t, r):
            y1, y2 = 2 * r * np.cos(t), 2 * r * (c * np.cos(t) + np.sqrt(1 - c**2) * np.sin(t))
            return f(y1, y2) * r / np.pi

        return dblquad(integrand, 0, 1, 0, 2 * np.pi, epsabs=1e-5)[0]

    own, other = mean(lambda y, _: plain(y) ** 2), mean(lambda y, v: plain(y) * plain(v))
    trace = (
        5 * 0.8**2 * mean(lambda y, _: slope(y) ** 2)
        + 0.8 * mean(lambda y, v: slope(y) * slope(v))
        - 0.8 * mean(lambda y, _: (slope(y) * y) ** 2)
        + 0.8 * mean(lambda y, v: slope(y) * y * slope(v) * v)
    )
    expected = trace / (4 * (own - other)) * 5 / 2
    assert batch_norm_growth(Choice(g), 5) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dimension", [3, 4, 7, 400])
def test_projections_of_a_sphere_have_their_moments(dimension):
    own, other = sphere_products(lambda u: np.stack([u, u**2]), dimension, [1.0, 0.3], FINE).T
    assert own == pytest.approx([1, 3 * dimension / (dimension + 2)], rel=1e-12)
    assert other[0] == pytest.approx(0.3, rel=1e-12)
    half = quad(lambda t: abs(t) * (1 - t**2) ** ((dimension - 3) / 2), -1, 1)[0]
    whole = quad(lambda t: (1 - t**2) ** ((dimension - 3) / 2), -1, 1)[0]
    root = sphere_products(lambda u: np.sqrt(np.abs(u)), dimension, [1.0], FINE)[0]
    assert root == pytest.approx(np.sqrt(dimension) * half / whole, rel=1e-6)


@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize(("g", "value"), [("relu", 1.0), ("tanh", TANH)])
def test_norms_over_units_have_their_known_growth(g, value, kind):
    field = normalised_field(MeanField(Choice(g), 1.7), Choice(kind))
    assert field.chi_1() == pytest.approx(value, rel=3e-6)
    assert field.fixed_length() == pytest.approx(1, rel=1e-12)


def test_biases_weaken_the_growth_of_norms_over_units():
    chi = normalised_field(MeanField(Choice("relu"), 2.0, 0.5), Choice("rms")).chi_1()
    assert chi == pytest.approx(2 * 0.5 / (2 * 0.5 + 0.5), rel=1e-12)


WIDE = {"width": 500, "blocks": 20, "examples": 256}
FULL = pytest.mark.full


@pytest.mark.parametrize(
    ("g", "value", "settings"),
    [
        ("relu", math.pi / (math.pi - 1), WIDE),
        ("tanh", TANH, WIDE),
        pytest.param("relu", math.pi / (math.pi - 1), {**WIDE, "width": 1000}, marks=FULL),
        pytest.param("tanh", TANH, {**WIDE, "width": 1000}, marks=FULL),
        ("identity", 1.2, {"width": 400, "blocks": 60, "examples": 8}),
        ("identity", 1.0769, {"width": 400, "blocks": 40, "examples": 16}),
        ("identity", 1.0345, {"width": 400, "blocks": 40, "examples": 32}),
    ],
)
def test_wide_networks_with_batch_norm_grow_as_predicted(g, value, settings):
    """Within 1 %, as the value of the limit and as that of this batch."""
    found = growth(2, g, "batch", **settings)
    assert found == pytest.approx(value, rel=0.01)
    assert found == pytest.approx(batch_norm_growth(Choice(g), settings["examples"]), rel=0.01)


@pytest.mark.parametrize(("g", "kind", "value"), [
    ("relu", "rms", 1.0), ("relu", "layer", 1.0), ("tanh", "rms", TANH),
])  # fmt: skip
def test_wide_networks_with_norms_over_units_grow_as_predicted(g, kind, value):
    found = growth(8, g, kind, width=500, blocks=60, examples=4)
    assert found == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize("g", ["relu", "tanh"])
def test_drawn_moments_of_an_even_batch_are_those_of_the_sphere(g):
    """The covariance of equal pairs, forward and backward, of 16 examples."""
    b = 16
    moments = BatchNormMoments(Choice(g), 1e-12, 0.7 * np.eye(b) + 0.3)
    signal = np.eye(b) - 1 / b
    below = moments.below(signal)
    forward = np.trace(moments.a) / b - (moments.a.sum() - np.trace(moments.a)) / (b * (b - 1))
    own, other = sphere_products(lambda u: ACTIVATIONS[g]()(u)[0], b - 1, [1, -1 / (b - 1)], FINE)
    assert forward == pytest.approx(own - other, rel=0.01)
    # below is J (g' g'^T * G) J for u of variance 0.7; the next layer's is own - other
    found = np.trace(below) / (b - 1) * 0.7 / (own - other)
    assert found == pytest.approx(batch_norm_growth(Choice(g), b), rel=0.02)
    np.testing.assert_allclose(below.sum(axis=0), 0, atol=1e-12)


def test_drawn_moments_take_the_gradient_as_a_loop_over_units_does():
    """Per unit, with the norm's derivative by complex step."""
    rng = np.random.default_rng(3)
    b, units = 12, 40000
    x = rng.standard_normal((b, 4))
    root = rng.standard_normal((b, 3))
    covariance, signal = x @ x.T / 4 + 0.2 * np.eye(b), root @ root.T
    moments = BatchNormMoments(Choice("tanh"), 1e-3, covariance)
    u = rng.standard_normal((units, b)) @ np.linalg.cholesky(covariance).T
    d = rng.standard_normal((units, 3)) @ root.T

    def normalise(u):
        centred = u - u.mean(axis=1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-3)

    found = np.empty((units, b))
    for i in range(b):
        moved = u.astype(complex)
        moved[:, i] += 1e-200j
        found[:, i] = np.sum(d * np.tanh(normalise(moved)).imag / 1e-200, axis=1)
    expected = found.T @ found / units
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(moments.below(signal) / scale, expected / scale, atol=0.05)
    z = normalise(u)
    np.testing.assert_allclose(moments.z, z.T @ z / units, atol=0.04)
    np.testing.assert_allclose(moments.mean, 0, atol=1e-12)
