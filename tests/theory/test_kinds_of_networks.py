"""Predictions of networks with norms and skip connections against their measurement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import make_config, one_hot

from bpexp.data import load, load_once
from bpexp.nn import ACTIVATIONS, Architecture, Choice, Network
from bpexp.nn.stack import Stack, initial_theta, with_constant_unit
from bpexp.probes import Measurer, ProbedNetwork
from bpexp.probes.jacobian import jacobian_spectrum
from bpexp.results import borders
from bpexp.results.forecasts import forecast_rows, forecast_run
from bpexp.results.theory import phase_plane, theory_columns
from bpexp.theory import (
    UnknownLayerError,
    field_of,
    forecast,
    jacobian_moments,
    layer_variances,
    max_trainable_depth,
    normalised_field,
    predict,
    predict_batch,
    tangent_kernel,
)
from bpexp.theory.batch import STREAM

WIDTH, DEPTH, B, SEEDS = 200, 5, 64, 8
INIT = Choice("he_normal", {"bias_std": 0.1})
SKIPS = {
    "none": Choice("none"),
    "pre": Choice("identity"),
    "pre2": Choice("identity", {"every": 2, "scale": "1/sqrt(blocks)"}),
    "post": Choice("identity", {"order": "post"}),
    "post2": Choice("identity", {"order": "post", "every": 2}),
    "full": Choice(
        "identity", {"order": "full", "outer_weight_variance": 0.5, "outer_bias_variance": 0.05}
    ),
    "rezero": Choice("rezero"),
    "fixup": Choice("fixup"),
}
TOLERANCES = {
    "delta_norm": 0.1,
    "grad_norm": 0.25,
    "bias_grad_norm": 0.3,
    "stream_gradient": 0.1,
    "norm_factor": 0.1,
    "slope_factor": 0.05,
    "weight_factor": 0.3,
}
"""Gradients of a sampled batch, in which pairs cancel, are larger in networks of this width."""


def architecture(skip, norm, activation="tanh", depth=DEPTH, width=WIDTH):
    sizes = (64, *[width] * depth, 10)
    return Architecture.dense(sizes, activation, skip=SKIPS.get(skip, skip), norm=norm)


@pytest.mark.parametrize("norm", ["none", "layer", "rms", "batch"])
@pytest.mark.parametrize(
    "skip",
    [pytest.param(k, marks=pytest.mark.full) if k in ("pre2", "post2") else k for k in SKIPS],
)
def test_every_layer_of_a_wide_network_is_as_predicted(skip, norm):
    shape, data = architecture(skip, norm), load("digits")
    x, y = data.x_train[:B], data.y_train[:B]
    thetas = [initial_theta(shape, INIT, seed) for seed in range(SEEDS)]
    stack = Stack.of(shape, thetas, np.float64)
    measurer = Measurer(stack, with_constant_unit(x, np.float64), one_hot(y, 10, np.float64).T)
    measured = measurer(stack, None, np.ones(SEEDS, bool))
    expected = predict_batch(shape, layer_variances(shape, INIT), x, np.eye(10)[y])
    for name, tolerance in TOLERANCES.items():
        value = getattr(expected, name)
        assert (measured[name][0] is None) == (value is None), name
        if value is not None:
            found = np.sqrt(np.mean(measured[name] ** 2, axis=0))
            np.testing.assert_allclose(found, value, rtol=tolerance, err_msg=name)
    for name in ("q", *STREAM[2:]):
        value = getattr(expected, name)
        assert (measured[name][0] is None) == (value is None), name
        if value is not None:
            found = measured[name].mean(axis=0)
            np.testing.assert_allclose(found[:-1], value[:-1], rtol=0.12, atol=0.01, err_msg=name)
    found = measured["correlation"].mean(axis=0)
    np.testing.assert_allclose(found[:-1], expected.correlation[:-1], atol=0.03)


@pytest.mark.parametrize("norm", ["none", "batch", "rms"])
@pytest.mark.parametrize("skip", ["none", "pre", "post2", "full"])
def test_a_batch_of_like_pairs_has_the_simple_prediction(skip, norm):
    """Orthogonal inputs of one length; batch normalisation takes a batch of 200 to be large."""
    n = 200 if norm == "batch" else 16
    shape = Architecture.dense((n, *[30] * 5, 3), "tanh", skip=SKIPS[skip], norm=norm)
    variances = layer_variances(shape, Choice("glorot_normal", {"bias_std": 0.3}))
    targets = np.eye(3)[np.arange(n) % 3]
    whole = predict_batch(shape, variances, np.sqrt(n) * np.eye(n), targets)
    simple = predict(shape, variances, input_moment=1.0)
    np.testing.assert_allclose(whole.q, simple.q, rtol=0.02)
    if skip == "none":
        assert whole.norm_factor is None or norm != "none"
        np.testing.assert_allclose(whole.slope_factor[:-1], simple.slope_factor[:-1], rtol=0.01)
        if norm != "none":
            np.testing.assert_allclose(whole.norm_factor[:-1], simple.norm_factor[:-1], rtol=0.02)
    else:
        np.testing.assert_allclose(whole.stream_mean_square, simple.stream_square, rtol=0.02)
        ratio = whole.stream_gradient / whole.stream_gradient[DEPTH - 1]
        np.testing.assert_allclose(ratio, simple.stream_gradient, rtol=0.02)


@pytest.mark.parametrize("skip", ["none", "pre2", "post", "full"])
@pytest.mark.parametrize("norm", ["none", "rms"])
def test_wide_networks_have_the_tangent_kernel(skip, norm):
    """Products of the derivatives of one output by all weights and biases."""
    x = np.random.default_rng(0).standard_normal((3, 6))
    cost = Choice("squared_error", {"output": "identity"})
    parameters = {} if norm == "none" else {"affine": False}
    shape = Architecture.dense(
        (6, *[300] * 5, 1), "tanh", cost, "regression", SKIPS[skip], Choice(norm, parameters)
    )
    kernels = []
    for seed in range(12):
        network = Network(shape, initial_theta(shape, INIT, seed))
        derivatives = []
        for row in x:  # (z - t)^2 has the derivative 1 at t = z - 1/2
            layers = network.parameter_gradients(row[None], network.outputs(row[None]) - 0.5)
            arrays = [array.ravel() for layer in layers for array in layer.values()]
            derivatives.append(np.concatenate(arrays))
        kernels.append(np.array(derivatives) @ np.array(derivatives).T)
    kernel, _ = tangent_kernel(shape, layer_variances(shape, INIT), x)
    size = np.sqrt(np.diag(kernel))
    assert np.abs((np.mean(kernels, axis=0) - kernel) / np.outer(size, size)).max() < 0.12


def test_the_tangent_kernel_of_batch_normalisation_is_refused():
    shape = architecture("pre", "batch", width=8)
    variances = layer_variances(shape, INIT)
    told = "tangent_kernel does not know norm=batch, with which examples depend on each other"
    with pytest.raises(UnknownLayerError, match=told):
        tangent_kernel(shape, variances, np.eye(64)[:3])

    def learning():
        tangent_kernel(shape, variances, np.eye(64)[:3])

    found = forecast(shape, variances, 0.3, learning)
    assert found.trains
    assert found.reason.endswith("the time that learning takes is not known")
    assert np.isnan(found.linearised_score)


@pytest.mark.parametrize("norm", ["rms", "batch"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_normalised_networks_have_the_predicted_jacobian(activation, norm):
    shape = Architecture.dense((300, *[300] * 5, 2), activation, norm=norm)
    init = Choice("mean_field", {"sigma_w2": 1.5})
    x = np.random.default_rng(0).standard_normal((200, 300))
    told = predict(shape, layer_variances(shape, init), 1.0)
    stack = Stack.of(shape, [initial_theta(shape, init, seed) for seed in range(4)], np.float64)
    probed, squares = ProbedNetwork(stack, with_constant_unit(x, np.float64), np.eye(2, 200)), []
    for r in range(len(stack)):
        probed.load(stack, r)
        squares.append(np.square(jacobian_spectrum(probed, 3)))
    weights = told.sigma_w2[1:5] * told.norm_factor[:4] ** 2
    g = ACTIVATIONS[activation]()
    square, _ = jacobian_moments(g, weights, told.q[:4], orthogonal=False)
    assert np.mean(squares) == pytest.approx(square, rel=0.12)


def forecast_of(skip, norm, depth, activation="relu", **parameters):
    shape = architecture(skip, norm, activation, depth, 64)
    return forecast(shape, layer_variances(shape, Choice("he_normal", parameters)), 0.3)


@pytest.mark.parametrize(
    ("skip", "norm", "depth", "trains", "reason"),
    [
        ("none", "batch", 9, True, "pass"),
        ("none", "batch", 33, False, "6 xi_c"),
        ("pre", "batch", 129, True, "pass"),
        ("pre", "none", 9, True, "pass"),
        ("pre", "none", 33, False, "explodes"),  # twice a layer
        ("pre", "layer", 513, True, "pass"),
        ("none", "layer", 129, True, "pass"),
        ("rezero", "none", 257, True, "pass"),
        ("fixup", "none", 257, True, "pass"),
    ],
)
def test_the_forecast_knows_what_norms_and_skip_connections_do(skip, norm, depth, trains, reason):
    found = forecast_of(skip, norm, depth)
    assert (found.trains, reason in found.reason) == (trains, True), found


def test_the_forecast_tells_how_deep_the_signal_reaches():
    """The gradient of pre-activation ReLU blocks doubles: 2^(l - 1) <= 1000^2 up to l = 20."""
    assert forecast_of("pre", "none", 9).max_trainable_depth == 20
    assert forecast_of("pre", "none", 9).chi_1 == pytest.approx(2, rel=1e-12)
    assert forecast_of("pre2", "none", 9).max_trainable_depth == np.inf
    assert forecast_of("rezero", "none", 9).max_trainable_depth == np.inf
    assert forecast_of("fixup", "none", 9).chi_1 == 1
    plain = forecast_of("none", "batch", 9)
    rate = 1 / 4 / (1 / 2 - 1 / (2 * np.pi))  # E[g']^2 / Var g of ReLU
    assert plain.max_trainable_depth == pytest.approx(-6 / np.log(rate), rel=1e-6)
    shape = architecture("pre", "none", "relu", 3, 64)
    variances = layer_variances(shape, Choice("he_normal"))
    assert max_trainable_depth(shape, variances, 0.3) == 20
    field = field_of(
        architecture("fixup", "none"), layer_variances(architecture("fixup", "none"), INIT)
    )
    assert field.sigma_w2 == pytest.approx(2 * 2**-1.0, rel=1e-9)  # two blocks: B^(-1/2), squared
    assert normalised_field(field, Choice("none")) is field


def run(**changes):
    config = make_config(data="digits", width=16, depth=5, **changes)
    return config, load_once("digits", **config.data.parameters)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("skip", ["none", "identity", "fixup"])
def test_frames_have_columns_of_what_a_network_has(skip, norm):
    probe = {"every": None, "examples": 64, "jacobian": 0}
    network = run(skip=skip, norm=norm, probe=probe)
    (columns,) = theory_columns([network], draws=True)
    assert ("norm_factor" in columns) == (norm != "none" and skip == "none")
    assert ("stream_gradient" in columns) == (skip != "none")
    assert {"q", "q_simulated", "grad_norm_lower"} <= columns.keys()
    row = forecast_rows([network])[0]
    assert ("theory/jacobian_mean_square" in row) == (skip == "none")
    assert "theory/trains" in row


def test_the_phase_plane_has_plain_networks_only():
    runs = pd.DataFrame({"norm": ["none", "rms", "none"], "skip": ["none", "none", "identity"]})
    assert len(phase_plane([], runs)) == 1
    assert len(phase_plane([], runs.assign(norm="none", skip="none"))) == 3
    assert len(phase_plane([], pd.DataFrame({"depth": [1, 2]}))) == 2


def test_borders_are_those_of_the_runs_norm_and_skip_connections(monkeypatch):
    monkeypatch.setattr(borders, "POINTS", 3)
    init = [Choice("mean_field", {"sigma_w2": float(w)}) for w in (1, 2, 3)]
    understood = [
        run(init={"name": each.name, **each.parameters}, norm=norm, activation="tanh")
        for each in init for norm in ("none", "rms")
    ]  # fmt: skip
    rows = borders.with_borders(pd.DataFrame(), understood)
    assert set(rows["norm"]) == {"none", "rms"}
    deepest = rows[rows["norm"] == "rms"]["theory/deepest"]
    assert np.ptp(deepest) / deepest.mean() < 1e-9  # the variance does not matter
    assert np.ptp(rows[rows["norm"] == "none"]["theory/deepest"]) > 1


def test_the_linearised_network_with_skip_connections_learns():
    found = forecast_run(*run(skip="identity", norm="layer", epochs=3, lr=0.05))
    assert found.linearised_score > 0.3
