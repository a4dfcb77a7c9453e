"""Gradient norms against layer, depth and epoch, and means over seeds."""

import math

import numpy as np
import pytest
from figures.artists import assert_line, colour_by_level, legend_of, lines, titled, titles
from figures.made_up import EIGHT, SIX, tables
from matplotlib.colors import to_hex

from bpexp.figures import (
    first_layer_by_depth,
    gradient_by_layer,
    gradient_heatmap,
    score_by_depth,
)


def test_gradient_by_layer_draws_the_tables_numbers():
    layers = tables().layers
    figure = gradient_by_layer(layers)
    assert titles(figure) == ["sigmoid", "tanh", "relu"]
    for panel in figure.axes:
        assert panel.get_yscale() == "log"
        rows = layers[(layers["activation"] == panel.get_label()) & (layers["step"] == 0)]
        for source in ("measured", "theory"):
            drawn = lines(panel, theory=source == "theory")
            for depth, line in zip((2, 4, 8), drawn, strict=True):
                own = rows[(rows["depth"] == depth) & (rows["source"] == source)]
                assert_line(line, own["layer"], own["grad_norm"])


@pytest.mark.parametrize("draw", [gradient_by_layer, first_layer_by_depth])
def test_theory_is_thin_and_dashed_in_the_same_colours(draw):
    for panel in draw(tables().layers).axes:
        pairs = list(zip(lines(panel), lines(panel, theory=True), strict=True))
        assert len(pairs) == 3
        for measured, theory in pairs:
            assert theory.get_color() == measured.get_color()
            assert theory.get_linewidth() < measured.get_linewidth()
            assert theory.get_marker() in ("", "None", None)
            assert measured.get_marker() not in ("", "None", None)


@pytest.mark.parametrize(("step", "epoch"), [("first", 0), ("last", 3), (90, 1)])
def test_gradient_by_layer_at_a_step(step, epoch):
    layers = tables(("tanh",), (4,)).layers
    (panel,) = gradient_by_layer(layers, step=step).axes
    rows = layers[(layers["epoch"] == epoch) & (layers["source"] == "measured")]
    (line,) = lines(panel)
    assert_line(line, rows["layer"], rows["grad_norm"])
    assert len(lines(panel, theory=True)) == (epoch == 0)


def test_a_step_that_was_not_probed_is_refused():
    with pytest.raises(ValueError, match="step: 7 is not a probed step from 0 to 270"):
        gradient_by_layer(tables().layers, step=7)


def test_zeros_alone_leave_a_log_axis_its_limits():
    layers = tables(("relu",), (2,), zero_below=math.inf).layers
    layers = layers.assign(grad_norm=0.0, grad_norm_lower=0.0, grad_norm_upper=0.0)
    (panel,) = gradient_by_layer(layers).axes
    low, high = panel.get_ylim()
    assert 0 < low < 0.1
    assert high == pytest.approx(10.0, rel=0.05)  # `least` widens it
    assert len(lines(panel, marks=True)) == 1


def test_exact_zeros_are_marked_below_all_data():
    layers = tables(("sigmoid",), zero_below=1e-2).layers
    (panel,) = gradient_by_layer(layers).axes
    start = layers[(layers["step"] == 0) & (layers["source"] == "measured")]
    zeros = start[start["grad_norm"] == 0]
    marks = lines(panel, marks=True)
    assert len(marks) == zeros["depth"].nunique() == 2
    for mark, (_, rows) in zip(marks, zeros.groupby("depth"), strict=True):
        assert mark.get_marker() == "x"
        np.testing.assert_array_equal(mark.get_xdata(), rows["layer"])
    highest = max(mark.get_ydata().max() for mark in marks)
    low, high = np.log10(panel.get_ylim())
    least = np.log10(layers["grad_norm"][layers["grad_norm"] > 0].min())
    assert 0 < highest < (least - low) / (high - low)
    assert min(panel.get_yticks()) >= 10 ** (low + highest * (high - low))
    assert "exactly 0" in colour_by_level(panel.figure)


@pytest.mark.parametrize("n", [2, 8])
def test_seeds_give_the_root_mean_square(n):
    layers = tables(("tanh",), (4,), seeds=range(n), theory=False).layers
    (panel,) = gradient_by_layer(layers).axes
    norms = layers[layers["step"] == 0].pivot(index="layer", columns="seed", values="grad_norm")
    (line,) = lines(panel)
    assert_line(line, norms.index, np.sqrt((norms**2).mean(axis=1)))
    (drawn,) = panel.collections
    if n > 5:
        corners = drawn.get_paths()[0].vertices
        assert (corners[1:6, 1] < line.get_ydata()).all()
        assert (corners[7:12, 1][::-1] > line.get_ydata()).all()
    else:
        assert len(drawn.get_offsets()) == n * 5
    names = [text.get_text() for text in legend_of(panel.figure).get_texts()]
    assert f"root mean square\nof {n} seeds" in names


def test_a_line_ends_where_a_gradient_is_exactly_zero():
    """Three of four seeds are 0 in layer 1: the fourth is no mean."""
    layers = tables(("tanh",), (4,), seeds=range(4), theory=False).layers
    layers.loc[(layers["layer"] == 1) & (layers["seed"] > 0), "grad_norm"] = 0.0
    (panel,) = gradient_by_layer(layers).axes
    (line,) = lines(panel)
    assert list(line.get_xdata()) == [2, 3, 4, 5]
    assert "exactly 0" in colour_by_level(panel.figure)


def test_settings_divide_panels_rather_than_be_averaged():
    given = tables(rates=(0.01, 0.1))
    expected = [f"{name}, lr {lr}" for name in ("sigmoid", "tanh", "relu") for lr in (0.01, 0.1)]
    last = gradient_by_layer(given.layers, step="last")
    assert titles(last) == expected
    assert titles(score_by_depth(given.runs)) == ["lr 0.01", "lr 0.1"]
    runs = given.runs[given.runs["lr"] == 0.1]
    (line, *_) = lines(titled(score_by_depth(given.runs), "lr 0.1"))
    assert_line(line, [2, 4, 8], runs["accuracy/test"][runs["activation"] == "sigmoid"])


def test_runs_that_differ_in_training_alone_count_once_before_it():
    given = tables(("tanh",), rates=(0.01, 0.03, 0.1), seeds=(0, 1, 2)).layers
    one = given[given["lr"] == 0.01]
    given["grad_norm"] = given[["seed", "depth", "layer", "step", "source"]].merge(
        one, how="left", on=["seed", "depth", "layer", "step", "source"]
    )["grad_norm"]
    (panel,), (alone,) = (gradient_by_layer(layers).axes for layers in (given, one))
    assert panel.get_label() == "tanh"
    for line, same in zip(panel.lines, alone.lines, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), same.get_xydata())
    for dots, same in zip(panel.collections, alone.collections, strict=True):
        places = [sorted(map(tuple, drawn.get_offsets())) for drawn in (dots, same)]
        np.testing.assert_allclose(*places, rtol=1e-12)


def test_a_setting_that_follows_from_the_activation_divides_nothing():
    runs = tables(("relu", "tanh")).runs
    runs["init"] = runs["activation"].astype(str).map({"relu": "he_normal", "tanh": "orthogonal"})
    assert len(score_by_depth(runs).axes) == 1


def test_only_the_init_varies_then_it_is_compared():
    layers = tables(("tanh",), inits=("orthogonal", "he_normal")).layers
    names = titles(gradient_by_layer(layers))
    assert names == ["he_normal", "orthogonal"]
    assert {*colour_by_level(first_layer_by_depth(layers))} >= {"he_normal", "orthogonal"}


def test_first_layer_by_depth_draws_the_tables_numbers():
    layers = tables().layers
    (panel,) = first_layer_by_depth(layers).axes
    rows = layers[(layers["step"] == 0) & (layers["layer"] == 1)]
    for theory in (False, True):
        source = rows[rows["source"] == ("theory" if theory else "measured")]
        for line, (_, own) in zip(
            lines(panel, theory=theory), source.groupby("activation", observed=True), strict=True
        ):
            assert_line(line, own["depth"], own["grad_norm"])


def image_of(panel):
    return panel.images[0].get_array()


def test_the_heatmap_shows_the_norms_on_one_log_scale_with_depths_as_rows():
    layers = tables().layers
    figure = gradient_heatmap(layers)
    measured = layers[layers["source"] == "measured"]
    names = ("sigmoid", "tanh", "relu")
    assert titles(figure) == [f"{name}, depth {depth}" for name in names for depth in (2, 4, 8)]
    scales = set()
    for (name, depth), rows in measured.groupby(["activation", "depth"], observed=True):
        panel = titled(figure, f"{name}, depth {depth}")
        expected = rows.pivot(index="layer", columns="epoch", values="grad_norm")
        np.testing.assert_allclose(image_of(panel), expected, rtol=1e-12)
        assert list(panel.get_yticks()) == [1, depth + 1]
        assert panel.get_subplotspec().rowspan.start == (2, 4, 8).index(depth)
        assert panel.get_subplotspec().colspan.start == names.index(name)
        scales.add(panel.images[0].get_clim())
    ((low, high),) = scales
    norms = measured["grad_norm"]
    assert (low, high) == pytest.approx((norms.min(), norms.max()), rel=1e-12)


def test_the_heatmap_is_a_geometric_mean_over_seeds_and_says_so():
    layers = tables(("tanh",), (4,), seeds=(0, 1, 2)).layers
    figure = gradient_heatmap(layers)
    measured = layers[layers["source"] == "measured"].assign(log=lambda f: np.log(f["grad_norm"]))
    expected = np.exp(measured.pivot_table(index="layer", columns="epoch", values="log"))
    np.testing.assert_allclose(image_of(figure.axes[0]), expected, rtol=1e-12)
    assert figure.axes[-1].get_ylabel().endswith("geometric mean of 3 seeds")


def test_the_heatmap_marks_zeros_and_what_is_not_finite():
    layers = tables(("sigmoid",), (4,), zero_below=1e-1, broken_from=3).layers
    layers.loc[(layers["layer"] == 5) & (layers["epoch"] == 1), "grad_norm"] = math.inf
    measured = layers[layers["source"] == "measured"]
    norms = measured.pivot(index="layer", columns="epoch", values="grad_norm").to_numpy()
    figure = gradient_heatmap(layers)
    cells, zeros, broken = figure.axes[0].images
    drawable = np.isfinite(norms) & (norms > 0)
    np.testing.assert_array_equal(cells.get_array().mask, ~drawable)
    np.testing.assert_array_equal(~zeros.get_array().mask, norms == 0)
    np.testing.assert_array_equal(~broken.get_array().mask, ~np.isfinite(norms))
    colours = [to_hex(image.cmap(0.5)) for image in (zeros, broken)]
    assert colours == ["#e4e4e4", "#e31a1c"]
    names = [text.get_text() for text in legend_of(figure).get_texts()]
    assert names == ["exactly 0", "not finite"]


def test_the_heatmap_of_two_seeds_marks_a_zero_of_one():
    layers = tables(("tanh",), (2,), seeds=(0, 1), epochs=1).layers
    layers.loc[(layers["layer"] == 1) & (layers["epoch"] == 1) & (layers["seed"] == 1),
               "grad_norm"] = 0.0  # fmt: skip
    cells, zeros = gradient_heatmap(layers).axes[0].images
    expected = np.zeros((3, 2), bool)
    expected[0, 1] = True
    np.testing.assert_array_equal(cells.get_array().mask, expected)
    np.testing.assert_array_equal(~zeros.get_array().mask, expected)


def test_the_heatmap_has_a_panel_for_each_configuration_whatever_the_seeds():
    figure = gradient_heatmap(tables(SIX, EIGHT, seeds=(0, 1), epochs=0, theory=False).layers)
    names = titles(figure)
    assert len(names) == 48
    assert names[:9] == [*(f"sigmoid, depth {d}" for d in EIGHT), "tanh, depth 1"]
    assert figure.get_suptitle() == "Gradient norm of each layer through training"


@pytest.mark.parametrize("draw", [gradient_by_layer, first_layer_by_depth])
def test_the_range_of_simulated_networks_is_hatched_and_named(draw):
    layers = tables(("tanh",), seeds=(0, 1)).layers
    theory = layers["source"] == "theory"
    layers["grad_norm_lower"] = layers["grad_norm"].where(theory) / 3
    layers["grad_norm_upper"] = layers["grad_norm"].where(theory) * 2
    figure = draw(layers)
    (panel,) = figure.axes
    areas = [area for area in panel.collections if area.get_hatch()]
    for area, line in zip(areas, lines(panel, theory=True), strict=True):
        corners = {tuple(corner) for corner in area.get_paths()[0].vertices}
        for x, y in line.get_xydata():
            at = sorted(height for place, height in corners if place == x)
            np.testing.assert_allclose([at[0], at[-1]], [y / 3, y * 2], rtol=1e-12)
        assert to_hex(area.get_edgecolor()[0]) == to_hex(line.get_color())
    assert any("simulated" in text.get_text() for text in legend_of(figure).get_texts())
    plain = draw(tables(("tanh",)).layers)
    assert not [area for area in plain.axes[0].collections if area.get_hatch()]
    assert not any("simulated" in text.get_text() for text in plain.legends[0].get_texts())
