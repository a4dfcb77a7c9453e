"""The audit against networks whose range is known by arithmetic."""

import numpy as np
import pandas as pd
import pytest

from bpexp.analysis.precision import audit, match_precisions
from bpexp.data import load
from bpexp.nn import Choice, Network
from bpexp.training import train


def probed(activation, std, depth, dtype="float32"):
    """The layer table of one network at step 0; W ~ N(0, std^2)."""
    net = Network.create(
        [64, *[32] * depth, 10],
        activation=activation,
        init=Choice("normal", {"std": std}),
        dtype=dtype,
    )
    (start,) = train(net, load("digits", limit=64), epochs=0)
    rows = pd.DataFrame(start.layers)
    return rows.assign(run=dtype, step=0, layer=range(1, depth + 2), dtype=dtype, seed=0)


def test_the_first_layer_that_overflows_is_found():
    # each identity layer multiplies z by about std sqrt(32) = 10^6: float32 ends at 3.4e38
    (found,) = audit(probed("identity", 1e6 / np.sqrt(32), 10)).itertuples()
    z = [10.0 ** (6 * layer) for layer in range(1, 12)]
    expected = next(i for i, size in enumerate(z, start=1) if size > 3.4e38)
    assert (found.non_finite_layer, found.non_finite_pass) == (expected, "forward")


def test_an_overflow_on_the_way_back_is_found_from_the_output():
    layers = probed("tanh", 0.1, 4)
    layers.loc[layers["layer"] <= 2, "delta_norm"] = np.inf
    (found,) = audit(layers).itertuples()
    assert (found.non_finite_layer, found.non_finite_pass) == (2, "backward")


def test_small_gradients_become_subnormal_and_then_zero():
    # each identity layer multiplies delta by about 1e-6, and each z too: the weights' gradient is
    # about 1e-60 in all layers, the largest where both passes have the fewest layers behind
    tiny = audit(probed("identity", 1e-6 / np.sqrt(32), 10)).iloc[0]
    assert tiny["zero_layers"] > 0
    assert np.isnan(tiny["non_finite_layer"])
    assert tiny["non_finite_pass"] == ""
    whole = audit(probed("identity", 1e-6 / np.sqrt(32), 10, "float64")).iloc[0]
    assert (whole["zero_layers"], whole["subnormal_layers"]) == (0, 0)


def test_subnormal_layers_are_counted():
    layers = probed("tanh", 0.1, 4)
    layers["subnormal_share"] = [0.0, 0.5, 1.0, 0.0, 0.0]
    assert audit(layers)["subnormal_layers"].tolist() == [2]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_twins_differ_by_float32s_rounding(activation):
    layers = pd.concat([probed(activation, 0.2, 4, dtype) for dtype in ("float32", "float64")])
    pairs = match_precisions(layers, "grad_norm", ["seed"])
    assert pairs["layer"].tolist() == [1, 2, 3, 4, 5]
    single, double = (layers[layers["dtype"] == d]["grad_norm"] for d in ("float32", "float64"))
    np.testing.assert_allclose(pairs["difference"], abs(single / double - 1), rtol=1e-12, atol=0)
    assert 0 < pairs["difference"].max() < 1e-5


def test_without_a_twin_there_is_nothing_to_compare():
    assert match_precisions(probed("tanh", 0.2, 2), "grad_norm", ["seed"]).empty
    both = pd.concat([probed("tanh", 0.2, 2, dtype) for dtype in ("float32", "float64")])
    both.loc[both["dtype"] == "float64", "seed"] = 1
    assert match_precisions(both, "grad_norm", ["seed"]).empty


def test_a_number_that_is_not_finite_has_no_digit_right():
    both = pd.concat([probed("tanh", 0.2, 1, dtype) for dtype in ("float32", "float64")])
    both.loc[(both["dtype"] == "float32") & (both["layer"] == 1), "grad_norm"] = np.nan
    assert match_precisions(both, "grad_norm", ["seed"])["difference"].tolist()[0] == np.inf
