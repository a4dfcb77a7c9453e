"""Test scores, paired differences and learning curves."""

import itertools

import numpy as np
import pandas as pd
import pytest
from figures.artists import assert_line, lines, titles, with_markers
from figures.made_up import only, tables, typed

from bpexp.errors import BpexpError
from bpexp.figures import (
    FIGURES,
    learning_curves,
    paired_by_depth,
    score_by_depth,
    score_by_frozen,
    score_by_setting,
)
from bpexp.figures.paired import paired_scores
from bpexp.figures.parts.numbers import number
from bpexp.figures.scores import runs_by_depth, runs_by_setting
from bpexp.results import paired_differences

OWN = {"init": "he_normal", "lr": 0.1, "width": 8, "chance": 0.1}


def test_score_by_depth_draws_means_and_chance():
    runs = tables(seeds=(0, 1, 2)).runs
    (panel,) = score_by_depth(runs).axes
    means = runs.groupby(["activation", "depth"], observed=True)["accuracy/test"].mean()
    for line, name in zip(lines(panel), ("sigmoid", "tanh", "relu"), strict=True):
        assert_line(line, means[name].index, means[name])
    (chance,) = [line for line in panel.lines if line.get_linestyle() == ":"]
    np.testing.assert_array_equal(chance.get_ydata(), 0.1)
    (panel,) = score_by_depth(runs.assign(**{"chance/test": 0.08})).axes
    (chance,) = [line for line in panel.lines if line.get_linestyle() == ":"]
    np.testing.assert_array_equal(chance.get_ydata(), 0.08)
    assert list(panel.get_xticks()) == [2, 4, 8]


def test_a_setting_is_the_abscissa_where_depth_is_constant():
    runs = tables(("tanh",), (8,), rates=(1.0, 2.0, 4.0)).runs
    runs = runs.assign(**{"accuracy/test": [0.11, 0.21, 0.41]})
    (panel,) = score_by_setting(runs).axes
    (line,) = with_markers(panel)
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 4])
    np.testing.assert_allclose(line.get_ydata(), [0.11, 0.21, 0.41])
    assert len(runs_by_setting(runs)) == len(runs)
    assert runs_by_setting(tables(rates=(1.0, 2.0, 4.0)).runs).empty
    assert runs_by_depth(runs).empty


def frozen_runs(seeds=(0, 1, 2)):
    rng = np.random.default_rng(1)
    rows = []
    sweep = itertools.product(("sigmoid", "relu"), (2, 8), (0, 1, 2), seeds)
    for i, (activation, depth, frozen, seed) in enumerate(sweep):
        own = {"run": f"{i:016x}", "name": f"run {i}", "activation": activation, "depth": depth}
        own |= {"init": "he_normal", "frozen": frozen, "seed": seed, "chance": 0.1}
        rows.append({**own, "accuracy/test": 0.5 + 0.4 * rng.random()})
    return typed(rows)


def test_accuracy_against_frozen_layers():
    runs = frozen_runs()
    figure = score_by_frozen(FIGURES["score_by_frozen"].data(only(runs=runs)))
    assert titles(figure) == ["depth 2", "depth 8"]
    means = runs.groupby(["depth", "activation", "frozen"], observed=True)["accuracy/test"].mean()
    for depth, panel in zip((2, 8), figure.axes, strict=True):
        for activation, line in zip(("sigmoid", "relu"), panel.lines[:2], strict=True):
            assert_line(line, [0, 1, 2], means[depth, activation])


def test_it_is_left_out_where_nothing_or_all_the_same_is_frozen():
    runs = frozen_runs()
    drawing = FIGURES["score_by_frozen"]
    assert drawing.data(only(runs=runs[runs["frozen"] == 1])).empty
    assert drawing.data(only(runs=runs.drop(columns="frozen"))).empty


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
    (line,) = with_markers(panel)
    np.testing.assert_allclose(line.get_ydata(), -0.25, rtol=1e-12)  # relu comes first here
    assert paired_scores(paired_runs().query("seed == 0")).empty
    assert paired_scores(rows) is rows


@pytest.mark.parametrize("split", ["test", "train"])
def test_learning_curves_draw_the_tables_numbers(split):
    curves = tables().curves
    figure = learning_curves(curves, split=split)
    for i, depth in enumerate((2, 4, 8)):
        pair = figure.axes[2 * i : 2 * i + 2]
        assert pair[0].get_title() == f"depth {depth}"
        for panel, metric in zip(pair, ("loss", "accuracy"), strict=True):
            for line, name in zip(lines(panel), ("sigmoid", "tanh", "relu"), strict=True):
                rows = curves[(curves["activation"] == name) & (curves["depth"] == depth)]
                assert_line(line, rows["epoch"], rows[f"{metric}/{split}"])


def test_a_diverged_runs_curve_ends():
    figure = learning_curves(tables(broken_from=2).curves)
    assert {tuple(line.get_xdata()) for panel in figure.axes for line in lines(panel)} == {(0, 1)}


@pytest.mark.parametrize("largest", [5.0, 300.0, 1e38])
def test_the_axis_of_the_loss_has_labels_whatever_it_spans(largest):
    curves = tables(("relu",), (2,)).curves
    curves["loss/test"] = np.geomspace(0.5, largest, len(curves))
    above = learning_curves(curves).axes[0]
    above.figure.draw_without_rendering()
    low, high = above.get_ylim()
    ticks = [tick for tick in above.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert 3 <= len(ticks) <= 12
    for tick in ticks:
        assert tick.label1.get_text() == number(tick.get_loc())
