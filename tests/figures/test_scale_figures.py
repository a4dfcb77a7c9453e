"""Figures of decay rates, Jacobians, maps and pairs: drawn from small tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bpexp.errors import BpexpError
from bpexp.figures import (
    OCCASIONAL,
    decay_rate_by_depth,
    jacobian_moments,
    jacobian_spectrum,
    paired_by_depth,
    phase_diagram,
    score_by_setting,
    trainability_map,
)
from bpexp.figures.maps import on_the_plane
from bpexp.figures.outcomes import over_depths, over_settings, paired_scores
from bpexp.figures.scales import RATE, decay_rates, moments
from bpexp.results import Tables, paired_differences

OWN = {"init": "he_normal", "lr": 0.1, "width": 8, "chance": 0.1}


def solid(panel):
    return [line for line in panel.lines if line.get_marker() not in ("None", "", "_")]


def dashed(panel):
    return [line for line in panel.lines if line.get_linestyle() == "--"]


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
    (measured,), (theory,) = solid(panel), dashed(panel)
    np.testing.assert_array_equal(measured.get_xdata(), [2, 4])
    np.testing.assert_allclose(measured.get_ydata(), -0.4, rtol=1e-12)  # mean of -.5, -.4, -.3
    np.testing.assert_allclose(theory.get_ydata(), -0.5, rtol=1e-12)


def run_table(seeds=(0, 1, 2)):
    rows = []
    for sigma in (1.0, 2.0, 4.0):
        for depth in (2, 8):
            for seed in seeds:
                accuracy = 0.9 if depth == 2 else 0.1 * sigma + 0.01 * seed
                rows.append(
                    {
                        "run": f"{sigma}{depth}{seed}", "activation": "tanh", "depth": depth,
                        "seed": seed, **OWN, "init.sigma_w2": sigma, "accuracy/train": accuracy,
                        "accuracy/test": accuracy, "theory/deepest": 6 * sigma,
                        "theory/sigma_w2": sigma, "theory/sigma_b2": 0.05, "source": "measured",
                        "start/jacobian_mean_square": sigma**2, "theory/jacobian_mean_square": 1.0,
                        "start/jacobian_relative_variance": 2.0,
                        "theory/jacobian_relative_variance": 3.0,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_the_map_shows_mean_accuracy_and_the_border_of_theory():
    panel = trainability_map(run_table()).axes[0]
    (mesh,) = panel.collections
    np.testing.assert_allclose(mesh.get_array().ravel(), [0.9] * 3 + [0.11, 0.21, 0.41])
    (border,) = panel.lines
    np.testing.assert_allclose(border.get_xdata(), [1, 2, 4])
    np.testing.assert_allclose(border.get_ydata(), [6, 12, 24])
    assert panel.get_xscale() == "log"
    with pytest.raises(ValueError, match="'width' is not one of"):
        trainability_map(run_table().drop(columns="width"), setting="width")


def test_the_plane_shows_the_runs_and_the_critical_line():
    line = pd.DataFrame({"theory/sigma_w2": [1.0, 1.8], "theory/sigma_b2": [0.0, 0.05]})
    plane = pd.concat([line.assign(activation="tanh", source="theory"), run_table()])
    panel = phase_diagram(plane).axes[0]
    (critical,) = panel.lines
    np.testing.assert_allclose(critical.get_xdata(), [1.0, 1.8])
    (points,) = panel.collections
    np.testing.assert_allclose(points.get_offsets(), [[1, 0.05], [2, 0.05], [4, 0.05]])
    np.testing.assert_allclose(points.get_array(), [0.505, 0.555, 0.655])
    assert on_the_plane(plane[plane["theory/sigma_w2"] < 2]).empty


def test_moments_stand_beside_theory():
    figure = jacobian_moments(moments(run_table().query("`init.sigma_w2` == 2")))
    square, variance = figure.axes
    np.testing.assert_allclose(solid(square)[0].get_ydata(), 4.0)
    np.testing.assert_allclose(dashed(square)[0].get_ydata(), 1.0)
    np.testing.assert_allclose(solid(variance)[0].get_ydata(), 2.0)
    np.testing.assert_allclose(dashed(variance)[0].get_ydata(), 3.0)
    assert moments(run_table()[["run", "depth"]]).empty


def test_spectra_are_drawn_by_rank_before_and_after_training():
    rows = [
        {"run": "a", "activation": "tanh", "depth": 4, "seed": 0, **OWN, "step": step,
         "example": example, "rank": rank, "singular_value": 10.0 ** (-rank - step)}
        for step in (0, 1, 2) for example in (0, 1) for rank in (1, 2)
    ]  # fmt: skip
    before, after = jacobian_spectrum(pd.DataFrame(rows)).axes
    assert before.get_title() == "depth 4, before training"
    np.testing.assert_allclose(before.lines[0].get_xdata(), [0.5, 1.0])
    np.testing.assert_allclose(before.lines[0].get_ydata(), [0.1, 0.01])
    np.testing.assert_allclose(after.lines[0].get_ydata(), [1e-3, 1e-4])


def paired_runs():
    rows = [
        {"run": f"{activation}{depth}{seed}", "activation": activation, "depth": depth,
         "seed": seed, **OWN, "accuracy/test": 0.5 + 0.1 * seed + gain}
        for activation, gain in (("sigmoid", 0.0), ("relu", 0.25))
        for depth in (2, 4) for seed in (0, 1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_pairs_share_all_but_the_factor():
    runs = paired_runs()
    found = paired_differences(runs, "activation", "accuracy/test", base="sigmoid")
    assert len(found) == 6
    np.testing.assert_allclose(found["difference"], 0.25, rtol=1e-12)
    assert paired_differences(
        runs[(runs["seed"] == 0) | (runs["activation"] == "relu")], "activation", "accuracy/test",
        base="sigmoid",
    )["seed"].tolist() == [0, 0]  # fmt: skip
    with pytest.raises(BpexpError, match="'tanh' is not one of relu, sigmoid"):
        paired_differences(runs, "activation", "accuracy/test", base="tanh")


def test_paired_differences_are_drawn():
    rows = paired_scores(paired_runs())
    (panel,) = paired_by_depth(rows).axes
    (line,) = solid(panel)
    np.testing.assert_allclose(line.get_ydata(), -0.25, rtol=1e-12)  # relu comes first here
    assert paired_scores(paired_runs().query("seed == 0")).empty


@pytest.mark.parametrize("name", OCCASIONAL)
def test_a_figure_without_its_data_is_left_out(name):
    bare = pd.DataFrame({"run": ["a"], "activation": ["tanh"], "init": ["he_normal"]})
    bare = bare.assign(depth=2, seed=0, step=0, layer=1, source="measured", delta_norm=1.0)
    tables = Tables(bare, bare, bare, {"jacobian_spectrum": bare}, bare.head(0))
    assert OCCASIONAL[name].data(tables).empty


def test_a_setting_takes_the_axis_where_depth_stands_still():
    runs = run_table().query("depth == 8")
    (panel,) = score_by_setting(runs).axes
    (line,) = solid(panel)
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 4])
    np.testing.assert_allclose(line.get_ydata(), [0.11, 0.21, 0.41])
    assert len(over_settings(runs)) == len(runs)
    assert over_settings(run_table()).empty
    assert over_depths(runs).empty
