"""Decay rates, and the Jacobian's moments and spectrum."""

import numpy as np
import pandas as pd
from figures.artists import lines, with_markers

from bpexp.figures import decay_rate_by_depth, decay_rates, jacobian_moments, jacobian_spectrum
from bpexp.figures.decay_rates import RATE
from bpexp.figures.jacobians import moments

OWN = {"init": "he_normal", "lr": 0.1, "width": 8, "chance": 0.1}
MOMENTS = {
    "start/jacobian_mean_square": 4.0,
    "theory/jacobian_mean_square": 1.0,
    "start/jacobian_relative_variance": 2.0,
    "theory/jacobian_relative_variance": 3.0,
}


def layer_table(rates, depths=(2, 4), seeds=(0,)):
    rows = []
    for activation, rate in rates.items():
        for depth in depths:
            for seed in seeds:
                run = f"{activation}{depth}{seed}"
                for layer in range(1, depth + 2):
                    norm = np.exp((rate + 0.1 * seed) * (depth + 1 - layer))
                    cell = {"run": run, "activation": activation, "depth": depth, "seed": seed}
                    cell |= {"step": 0, "layer": layer, **OWN}
                    rows.append({**cell, "delta_norm": norm, "source": "measured"})
                    theory = np.exp(rate * (depth + 1 - layer))
                    rows.append({**cell, "delta_norm": theory, "source": "theory"})
    return pd.DataFrame(rows)


def test_decay_rates_are_those_of_the_layers():
    rates = decay_rates(layer_table({"tanh": -0.5, "relu": 0.2}))
    assert len(rates) == 8
    for activation, rate in (("tanh", -0.5), ("relu", 0.2)):
        found = rates[rates["activation"] == activation][RATE]
        np.testing.assert_allclose(found, rate, rtol=1e-12)
    assert decay_rates(layer_table({"tanh": -0.5}, depths=(1,))).empty  # one hop has no rate


def test_decay_rates_are_drawn_against_depth_with_theory():
    rates = decay_rates(layer_table({"tanh": -0.5}, seeds=(0, 1, 2)))
    (panel,) = decay_rate_by_depth(rates).axes
    (measured,), (theory,) = with_markers(panel), lines(panel, theory=True)
    np.testing.assert_array_equal(measured.get_xdata(), [2, 4])
    np.testing.assert_allclose(measured.get_ydata(), -0.4, rtol=1e-12)  # mean of -.5, -.4, -.3
    np.testing.assert_allclose(theory.get_ydata(), -0.5, rtol=1e-12)


def test_bars_of_one_seed_are_intervals_over_four_increments_or_more():
    layers = layer_table({"tanh": -0.5}, depths=(2, 4, 8), seeds=(0,))
    generator = np.random.default_rng(0)
    layers["delta_norm"] *= np.exp(generator.standard_normal(len(layers)))
    (panel,) = decay_rate_by_depth(layers).axes
    (bars,) = panel.containers
    segments = bars[2][0].get_segments()
    assert [segment[0][0] for segment in segments] == [4, 8]
    for (_, low), (_, high), depth, t in [
        (*segments[0], 4, 3.182446305284263), (*segments[1], 8, 2.364624251592784)
    ]:  # fmt: skip
        rows = layers[(layers["depth"] == depth) & (layers["source"] == "measured")]
        increments = -np.diff(np.log(rows.sort_values("layer")["delta_norm"]))
        half = t * increments.std(ddof=1) / np.sqrt(depth)
        mean = increments.mean()
        np.testing.assert_allclose([low, high], [mean - half, mean + half], rtol=1e-9)


def test_moments_stand_beside_theory():
    runs = pd.DataFrame(
        {"run": ["a", "b"], "activation": "tanh", "depth": [2, 8], "seed": 0, **OWN}
    )
    for name, value in MOMENTS.items():
        runs[name] = value
    figure = jacobian_moments(runs)
    square, variance = figure.axes
    np.testing.assert_allclose(with_markers(square)[0].get_ydata(), 4.0)
    np.testing.assert_allclose(lines(square, theory=True)[0].get_ydata(), 1.0)
    np.testing.assert_allclose(with_markers(variance)[0].get_ydata(), 2.0)
    np.testing.assert_allclose(lines(variance, theory=True)[0].get_ydata(), 3.0)
    assert moments(runs[["run", "depth"]]).empty
    assert len(moments(runs)) == 2 * 2 * 2


def test_spectra_are_drawn_by_rank_before_and_after_training():
    rows = [
        {"run": "a", "activation": "tanh", "depth": 4, "seed": 0, **OWN, "step": step,
         "example": example, "rank": rank, "singular_value": 10.0 ** (-rank - step)}
        for step in (0, 1, 2) for example in (0, 1) for rank in (1, 2)
    ]  # fmt: skip
    before, after = jacobian_spectrum(pd.DataFrame(rows)).axes
    assert before.get_label() == "depth 4, before training"
    np.testing.assert_allclose(before.lines[0].get_xdata(), [0.5, 1.0])
    np.testing.assert_allclose(before.lines[0].get_ydata(), [0.1, 0.01])
    np.testing.assert_allclose(after.lines[0].get_ydata(), [1e-3, 1e-4])
