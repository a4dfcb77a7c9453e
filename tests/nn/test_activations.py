"""g and g' against their definitions in 50-digit arithmetic, in both tails."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from bpexp.nn import ACTIVATIONS
from bpexp.nn.activations import Scratch
from bpexp.nn.tape import call_now

getcontext().prec = 60
D = Decimal
POINTS = [0.0, 1e-30, 1e-6, 0.1, 0.5, 1.0, 2.5, 5.0, 9.0, 17.0, 20.0, 35.0, 50.0, 85.0]
POINTS = sorted({*POINTS, *(-p for p in POINTS)})


def _tanh(z):
    e = (-2 * abs(z)).exp()
    value = (1 - e) / (1 + e)
    return value if z >= 0 else -value


def _sigmoid(z):
    return 1 / (1 + (-z).exp())


def _gelu_inner(z):
    # the kernel's constant is sqrt(2/pi) in float64
    return 2 * D(np.sqrt(2 / np.pi).item()) * (z + D(0.044715) * z**3)


def _elu(z, alpha):
    return z if z > 0 else alpha * (z.exp() - 1)


def _elu_slope(z, alpha):
    return D(1) if z > 0 else alpha * z.exp()


ALPHA, SCALE = D(1.6732632423543772), D(1.0507009873554805)

EXACT = {
    "identity": (lambda z: z, lambda z: D(1)),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (_tanh, lambda z: 4 * _sigmoid(2 * z) * _sigmoid(-2 * z)),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "softplus": (lambda z: (1 + z.exp()).ln(), _sigmoid),
    "relu": (lambda z: max(z, D(0)), lambda z: D(int(z > 0))),
    "leaky": (lambda z: z if z > 0 else D(0.01) * z, lambda z: D(1) if z > 0 else D(0.01)),
    "elu": (lambda z: _elu(z, D(1)), lambda z: _elu_slope(z, D(1))),
    "selu": (lambda z: SCALE * _elu(z, ALPHA), lambda z: SCALE * _elu_slope(z, ALPHA)),
    "silu": (
        lambda z: z * _sigmoid(z),
        lambda z: _sigmoid(z) + z * _sigmoid(z) * _sigmoid(-z),
    ),
    "gelu": (
        lambda z: z * _sigmoid(_gelu_inner(z)),
        lambda z: (
            _sigmoid(_gelu_inner(z))
            + z
            * _sigmoid(_gelu_inner(z))
            * _sigmoid(-_gelu_inner(z))
            * (_gelu_inner(z + D("1e-25")) - _gelu_inner(z - D("1e-25")))
            / D("2e-25")
        ),
    ),
}


def test_every_activation_has_an_exact_twin():
    assert EXACT.keys() == ACTIVATIONS.keys()


def _roundings(name, z, which):
    """How many units in the last place an evaluation may lose.

    exp(z) turns a rounding of its argument into |z| roundings of its value; sums of opposite signs
    (the slopes of silu and gelu near their zero) lose what cancels and are measured against 1.
    """
    return 8 + 4 * abs(z) + (4 * abs(z) ** 3 if name == "gelu" else 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_g_and_its_slope_are_right_to_a_few_roundings(name, dtype):
    z = np.array(POINTS, dtype)
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    with np.errstate(all="raise", under="ignore"):
        found = ACTIVATIONS[name]()(z)
    for which, values in enumerate(found):
        for point, value in zip(z.tolist(), values.tolist(), strict=True):
            exact = EXACT[name][which](D(point))
            scale = abs(float(exact))
            if which and name in ("silu", "gelu"):
                scale = max(scale, min(1.0, abs(point) * float(_sigmoid(-abs(D(point))))))
            allowed = _roundings(name, point, which) * eps * scale + 2 * tiny
            assert abs(value - float(exact)) <= allowed, (which, point)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_huge_inputs_give_limits_and_no_warning(name, dtype):
    g, slope = ACTIVATIONS[name]()(np.array([-1e4, -1e3, 1e3, 1e4], dtype))
    assert np.isfinite(g).all()
    assert np.isfinite(slope).all()


def test_sigmoid_has_its_limits_at_ten_thousand():
    g, slope = ACTIVATIONS["sigmoid"]()(np.float32([-1e4, 1e4]))
    assert g.tolist() == [0, 1]
    assert slope.tolist() == [0, 0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_without_a_slope_g_has_the_same_bits_and_z_stays(name):
    activation = ACTIVATIONS[name]()
    z = np.linspace(-6, 6, 1001, dtype=np.float32)
    g, _ = activation(z)
    before, a = z.copy(), np.empty_like(z)
    activation.evaluate(call_now, z, a, None, Scratch.like(z))
    assert a.tobytes() == g.tobytes()
    assert z.tobytes() == before.tobytes()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_is_not_a_number_stays_none(name):
    """A NaN that g swallowed would let a network that has diverged go on."""
    with np.errstate(invalid="ignore"):
        g, _ = ACTIVATIONS[name]()(np.array([np.nan, -np.nan, 1.0], np.float32))
    assert np.isnan(g).tolist() == [True, True, False]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_is_said_of_an_activation_is_so(name):
    activation = ACTIVATIONS[name]()
    z = np.linspace(-40, 40, 800_001)
    slope = activation(z)[1]
    assert np.abs(slope).max() == pytest.approx(activation.max_slope, rel=1e-6)
    far, _ = activation(np.array([-1e6, 1e6]))
    assert activation.bounded == (np.abs(far) < 2).all()
    assert slope[0] == pytest.approx(activation.negative_slope, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("leaky", {"negative_slope": -0.1}),
        ("leaky", {"negative_slope": float("nan")}),
        ("elu", {"alpha": -1.0}),
    ],
)
def test_parameters_out_of_range_are_refused(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        ACTIVATIONS[name](**parameters)
