"""Theory against closed forms, published values, other quadrature, and wide random networks."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import one_hot
from scipy.integrate import quad

from bpexp.nn import ACTIVATIONS, Architecture, Choice
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.probes import Measurer
from bpexp.theory import (
    MeanField,
    critical_line,
    critical_sigma_w2,
    field_of,
    forecast,
    layer_variances,
    predict,
    score,
    trained,
)
from bpexp.theory.gaussian import mean, mean_product
from bpexp.theory.mean_field import activity, slope_moment


@pytest.mark.parametrize("q", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_moments_equal_adaptive_quadrature(name, q):
    g = ACTIVATIONS[name]()

    def density(z):
        return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    for which, moment in ((0, activity(g, q)), (1, slope_moment(g, q))):
        halves = (
            quad(lambda z, w=which: density(z) * float(g(np.sqrt(q) * z)[w]) ** 2, *ends,
                 epsabs=0, epsrel=1e-11, limit=200)[0]
            for ends in ((-12, 0), (0, 12))
        )  # fmt: skip
        assert moment == pytest.approx(sum(halves), rel=1e-9)


@pytest.mark.parametrize("c", [-0.9, 0.0, 0.5, 0.99, 1.0])
def test_products_of_relu_have_their_closed_form(c):
    """The arc-cosine kernel (Cho & Saul 2009): E[relu relu] and E[relu' relu']."""
    angle = np.arccos(c)
    relu = ACTIVATIONS["relu"]()
    first = (np.sin(angle) + (np.pi - angle) * c) / (2 * np.pi)
    assert mean_product(lambda u: relu(u)[0], 3.0, c) == pytest.approx(3 * first, rel=1e-10)
    second = (np.pi - angle) / (2 * np.pi)
    assert mean_product(lambda u: relu(u)[1], 3.0, c) == pytest.approx(second, rel=1e-10)


def test_the_gaussian_has_its_moments():
    assert mean(np.ones_like, 2.0) == pytest.approx(1, rel=1e-13)
    assert mean(lambda u: u**2, 2.0) == pytest.approx(2, rel=1e-13)
    assert mean(lambda u: u**4, 2.0) == pytest.approx(12, rel=1e-13)
    assert mean_product(lambda u: u, 2.0, 0.3) == pytest.approx(0.6, rel=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.2, 1.0])
@pytest.mark.parametrize("sigma_w2", [1.0, 2.0, 3.0])
def test_leaky_has_its_closed_form(slope, sigma_w2):
    field = MeanField(Choice("leaky", {"negative_slope": slope}), sigma_w2)
    expected = sigma_w2 * (1 + slope**2) / 2
    assert field.chi(1.7) == pytest.approx(expected, rel=1e-12)
    assert field.next_length(1.7) == pytest.approx(1.7 * expected, rel=1e-12)
    assert field.chi_1() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "sigma_w2", "sigma_b2", "q", "chi_1"),
    [
        ("tanh", 1.76, 0.05, 0.569463, 0.999796),
        ("sigmoid", 1.5, 0.0, 0.407052, 0.079423),
        ("selu", 1.0, 0.0, 1.0, 1.071575),
    ],
)
def test_fixed_points_have_their_known_values(name, sigma_w2, sigma_b2, q, chi_1):
    field = MeanField(Choice(name), sigma_w2, sigma_b2)
    assert field.fixed_length() == pytest.approx(q, rel=2e-6)
    assert field.chi_1() == pytest.approx(chi_1, rel=1e-5)


def test_the_critical_line_has_its_known_values():
    assert critical_sigma_w2(Choice("tanh"), 0.05) == pytest.approx(1.760955, rel=1e-6)
    assert critical_sigma_w2(Choice("relu"), 0.0) == pytest.approx(2, rel=1e-6)


def test_scales_diverge_on_the_critical_line_and_part_beyond_it():
    ordered, chaotic = (MeanField(Choice("tanh"), w, 0.05) for w in (1.2, 3.0))
    assert ordered.fixed_correlation() == 1
    assert ordered.correlation_scale() == pytest.approx(ordered.gradient_scale(), rel=1e-12)
    c = chaotic.fixed_correlation()
    assert 0 < c < 1
    assert chaotic.next_correlation(c, chaotic.fixed_length()) == pytest.approx(c, abs=1e-8)
    assert chaotic.gradient_scale() < 0 < chaotic.correlation_scale()
    assert MeanField(Choice("relu"), 2.0).correlation_scale() == np.inf
    critical = critical_sigma_w2(Choice("tanh"), 0.05)
    assert MeanField(Choice("tanh"), critical, 0.05).correlation_scale() > 1e5


@pytest.mark.parametrize("first", [1e-30, 1.0, 1e12])
def test_lengths_without_a_limit_are_0_or_infinite(first):
    assert MeanField(Choice("relu"), 2.5, 0.0, first).fixed_length() == np.inf
    assert MeanField(Choice("relu"), 1.5, 0.0, first).fixed_length() == 0
    assert MeanField(Choice("relu"), 2.0, 0.0, first).fixed_length() == pytest.approx(first)
    assert MeanField(Choice("tanh"), 2.0, 0.1, first).fixed_length() == pytest.approx(0.8146440100)


@pytest.mark.parametrize("input_moment", [0.0, 1.0, 4.0, 9.0, 20.0])
def test_the_length_converges_from_that_of_the_networks_own_inputs(input_moment):
    """SiLU at (1.995, 0.5) has two stable lengths; the oracle iterates the map by plain sums."""
    sigma_w2, sigma_b2 = 1.995, 0.5
    z = np.linspace(-12, 12, 401)
    density = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    q = sigma_w2 * input_moment + sigma_b2
    for _ in range(20_000):
        u = np.sqrt(q) * z
        q = sigma_w2 * density @ (u / (1 + np.exp(-u))) ** 2 + sigma_b2
    sigma = 1 / (1 + np.exp(-np.sqrt(q) * z))
    chi_1 = sigma_w2 * density @ (sigma * (1 + np.sqrt(q) * z * (1 - sigma))) ** 2
    assert (chi_1 > 1) == (input_moment > 5)
    shape = Architecture.dense((10, *[50] * 6, 3), Choice("silu"))
    variances = [(sigma_w2 / n, sigma_b2) for n in shape.sizes[:-1]]
    field = field_of(shape, variances, input_moment)
    assert field.fixed_length() == pytest.approx(q, rel=1e-6)
    assert forecast(shape, variances, input_moment).chi_1 == pytest.approx(chi_1, rel=1e-6)


WIDTH, DEPTH, SEEDS = 500, 6, 20


def measured(activation, init):
    """Mean squared delta and q of each layer over wide random networks."""
    sizes = (WIDTH, *[WIDTH] * DEPTH, 10)
    architecture = Architecture.dense(sizes, Choice(activation), Choice("cross_entropy"))
    rng = np.random.default_rng(0)
    x = with_constant_unit(rng.standard_normal((64, WIDTH)), np.float32)
    columns = one_hot(rng.integers(0, 10, 64), 10, np.float32).T
    squares, lengths, measurer = [], [], None
    for seed in range(SEEDS):
        stack = Stack.of(architecture, [initial_theta(architecture, init, seed)], np.float32)
        measurer = measurer or Measurer(stack, x, columns)
        measure = measurer(stack, None, np.array([True]))
        squares.append(measure["delta_norm"][0] ** 2 / measure["delta_norm"][0, -2] ** 2)
        lengths.append(measure["q"][0])
    return sizes, np.mean(squares, axis=0), np.mean(lengths, axis=0)


@pytest.mark.parametrize(
    ("activation", "sigma_w2", "sigma_b2", "tolerance"),
    [
        ("tanh", 1.2, 0.05, 0.005),
        ("tanh", 1.76, 0.05, 0.005),
        ("relu", 2.0, 0.0, 0.005),
        ("sigmoid", 1.5, 0.0, 0.005),
        ("softsign", 1.5, 0.05, 0.005),
        ("gelu", 2.0, 0.05, 0.01),  # 0.64 % off was measured at this width
        ("tanh", 3.0, 0.05, 0.015),
    ],
)
def test_wide_random_networks_do_as_predicted(activation, sigma_w2, sigma_b2, tolerance):
    """The mean of ||delta||^2 ratios, not of their logarithms; a factor is its L-th root."""
    init = Choice("mean_field", {"sigma_w2": sigma_w2, "sigma_b2": sigma_b2})
    sizes, squares, lengths = measured(activation, init)
    architecture = Architecture.dense(sizes, Choice(activation), Choice("cross_entropy"))
    expected = predict(architecture, layer_variances(architecture, init), input_moment=1.0)
    np.testing.assert_allclose(lengths[:-1], expected.q[:-1], rtol=0.05)
    found = squares[0] ** (1 / (DEPTH - 1))
    ratio = expected.delta_norm[0] / expected.delta_norm[-2]
    assert found == pytest.approx(ratio ** (2 / (DEPTH - 1)), rel=tolerance)


@pytest.mark.parametrize("init", ["orthogonal", "lsuv", "glorot_uniform", "he_normal"])
def test_every_scheme_has_its_variances(init):
    batch = np.random.default_rng(1).standard_normal((200, 40))
    architecture = Architecture.dense((40, 60, 30, 10), Choice("tanh"), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice(init), batch=batch)
    draws = [initial_theta(architecture, Choice(init), seed, batch) for seed in range(100, 160)]
    tolerance = 0.05 if init == "lsuv" else 0.02  # lsuv's own are means over 16 draws
    for i, (var_w, var_b) in enumerate(variances):
        found = np.mean([(architecture.thetas(draw)[i][1:] ** 2).mean() for draw in draws])
        assert var_w == pytest.approx(found, rel=tolerance)
        assert var_b == 0


def forecast_of(activation, depth, init="he_normal", **parameters):
    sizes = (64, *[64] * depth, 10)
    architecture = Architecture.dense(sizes, Choice(activation), Choice("cross_entropy"))
    variances = layer_variances(architecture, Choice(init, parameters))
    return forecast(architecture, variances, input_moment=0.3)


def test_the_forecast_knows_what_is_known():
    assert forecast_of("relu", 8).trains
    assert forecast_of("leaky", 8).trains
    assert forecast_of("sigmoid", 2).trains
    deep = forecast_of("sigmoid", 8)
    assert not deep.trains
    assert "6 xi_c" in deep.reason
    assert deep.first_to_last < 1e-3


@pytest.mark.parametrize(
    ("activation", "depth", "std", "trains", "reason"),
    [
        ("relu", 1, 1e3, False, "explodes"),
        ("sigmoid", 1, 1e-4, False, "vanishes"),
        ("sigmoid", 1, 1e-2, True, "pass"),  # 6 xi_c < 1, but one layer is no depth
        ("sigmoid", 2, 1e-2, False, "6 xi_c"),
    ],
)
def test_the_forecast_gives_its_reason(activation, depth, std, trains, reason):
    found = forecast_of(activation, depth, "normal", std=std)
    assert (found.trains, reason in found.reason) == (trains, True), found


def test_scores_are_a_confusion_matrix():
    found = score([True, True, False, False, True], [True, False, True, False, True])
    assert (found.hits, found.false_alarms, found.misses, found.rejections) == (2, 1, 1, 1)
    assert found.accuracy == 0.6
    assert trained(0.56, 0.1)
    assert not trained(0.55, 0.1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_lengths_beside_the_critical_line_return_to_it(name):
    """Of SiLU most points with chi_1 = 1 are unstable: at (3.5, 0.0045) q grows without bound."""
    lengths = np.geomspace(1e-3, 30, 12)
    line = np.transpose(critical_line(Choice(name), lengths))
    for sigma_w2, sigma_b2 in line:
        fields = [
            MeanField(Choice(name), float(sigma_w2), float(sigma_b2), float(first))
            for first in 1.02 * lengths
        ]
        assert min(abs(field.chi_1() - 1) for field in fields) < 1e-9
    least = {"silu": 1, "gelu": 3, "sigmoid": 0, "softplus": 0}
    assert len(line) == least.get(name, len(lengths))


@pytest.mark.parametrize(
    ("name", "sigma_w2", "sigma_b2"), [("gelu", 1.98306, 0.17292), ("silu", 1.98800, 0.55514)]
)
def test_the_line_begins_at_the_half_stable_point(name, sigma_w2, sigma_b2):
    """As published by Roberts, Yaida & Hanin (2022), section 5.3.4; their GELU is the exact one."""
    line = critical_line(Choice(name), np.linspace(2, 20, 2000))
    assert [line[0][0], line[1][0]] == pytest.approx([sigma_w2, sigma_b2], rel=2e-3)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softsign", "gelu"])
def test_points_of_the_critical_line_are_critical(name):
    lengths = np.array([0.3, 1.0, 3.0, 10.0, 30.0])
    line = critical_line(Choice(name), lengths)
    for q, sigma_w2, sigma_b2 in zip(lengths[5 - len(line[0]) :], *line, strict=True):
        field = MeanField(Choice(name), float(sigma_w2), float(sigma_b2))
        assert field.next_length(q) == pytest.approx(q, rel=1e-12)
        assert field.chi(q) == pytest.approx(1, rel=1e-12)
    if name == "tanh":
        sigma_w2, sigma_b2 = critical_line(Choice(name), np.array([0.5, 0.6]))
        assert sigma_b2[0] < 0.05 < sigma_b2[1]
        assert sigma_w2[0] < 1.760955 < sigma_w2[1]


def test_networks_of_all_depths_share_one_point_of_the_plane():
    """Else a map over depth would draw them beside each other, and colour by the last alone."""
    init = Choice("mean_field", {"sigma_w2": 1.3, "sigma_b2": 0.05})
    shapes = [
        Architecture.dense((64, *[100] * depth, 10), Choice("tanh"), Choice("cross_entropy"))
        for depth in range(2, 101)
    ]
    fields = {field_of(shape, layer_variances(shape, init)) for shape in shapes}
    assert {field.sigma_w2 for field in fields} == {1.3}


@pytest.mark.parametrize(
    ("activation", "sigma_w2", "chi_1"),
    [
        ("softsign", 1.0, 1.0),  # q* = 0: chi_1 = sigma_w2 (g'(0+)^2 + g'(0-)^2) / 2
        ("softsign", 0.5, 0.5),
        ("tanh", 0.5, 0.5),
        ("elu", 1.0, 1.0),
        ("gelu", 2.0, 0.5),  # g'(0) = 1/2
        ("relu", 1.0, 0.5),
        ("leaky", 1.0, (1 + 0.01**2) / 2),
        ("leaky", 3.0, 3 * (1 + 0.01**2) / 2),  # q grows without bound: g'(inf), g'(-inf)
        ("softplus", 3.0, 1.5),
        ("identity", 2.0, 2.0),
    ],
)
def test_chi_1_has_its_limit_where_q_has_none_that_is_finite_and_positive(
    activation, sigma_w2, chi_1
):
    field = MeanField(Choice(activation), sigma_w2, 0.0)
    assert field.chi_1() == pytest.approx(chi_1, rel=1e-14)
    scale = np.inf if chi_1 == 1 else abs(1 / np.log(chi_1))
    assert field.correlation_scale() == pytest.approx(scale, rel=1e-12)


@pytest.mark.parametrize("activation", ["softsign", "tanh", "elu"])
def test_without_biases_the_critical_weight_variance_is_1(activation):
    assert critical_sigma_w2(Choice(activation), 0.0) == pytest.approx(1, abs=2e-7)


@pytest.mark.parametrize("excess", [1e-3, 1e-5, 1e-7])
def test_softsigns_small_fixed_point_has_its_expansion(excess):
    """1 / sigma_w2 = 1 - 2 E|z|^3 sqrt(q*) + 9 q* - ..., E|z|^3 = 2 sqrt(2 / pi)."""
    q = MeanField(Choice("softsign"), 1 + excess, 0.0).fixed_length()
    assert np.sqrt(q) == pytest.approx(excess / (4 * np.sqrt(2 / np.pi)), rel=4 * excess)
