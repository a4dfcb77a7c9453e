"""Instruments, dead units and floating-point precision, layer by layer."""

import itertools

import numpy as np
import pytest
from figures.artists import assert_line, legend_of, titles
from figures.made_up import only, typed
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex
from scipy import stats

from bpexp.figures import (
    FIGURES,
    before_and_after,
    dead_by_rate,
    number_through_training,
    precision_by_layer,
    range_by_layer,
    through_training,
)
from bpexp.figures.floating_point import COLOURS, NOT_FINITE

EPOCHS = (0.0, 1.0, 2.0)


def table(activations=("relu", "leaky"), *, depth=3, rates=(0.1,), dtypes=("float32",), seeds=(0,)):
    """Return a made-up layer table of small sweeps."""
    rng = np.random.default_rng(0)
    rows = []
    sweep = itertools.product(activations, rates, dtypes, seeds)
    for i, (activation, lr, dtype, seed) in enumerate(sweep):
        own = {"run": f"{i:016x}", "name": f"run {i}", "activation": activation, "lr": lr}
        own |= {"init": "he_normal", "depth": depth, "seed": seed, "dtype": dtype}
        for epoch, layer in itertools.product(EPOCHS, range(1, depth + 2)):
            hidden = layer <= depth
            row = {**own, "epoch": epoch, "step": int(90 * epoch), "layer": layer}
            row |= {"grad_norm": rng.lognormal(), "delta_norm": 1.0, "q": 1.0}
            row |= {"activation_mean": rng.normal(), "activation_variance": rng.lognormal()}
            row |= {"zero_share": rng.random(), "subnormal_share": 0.0, "source": "measured"}
            row["dead"] = rng.random() if hidden and activation == "relu" else 0.0
            row["dead"] = row["dead"] if hidden else np.nan
            rows.append(row)
    return typed(rows)


@pytest.mark.parametrize("probe", ["grad_norm", "dead", "activation_variance", "zero_share"])
def test_an_instrument_through_training_has_a_line_a_layer_and_a_panel_a_configuration(probe):
    layers = table(rates=(0.1, 0.3))
    figure = through_training(layers, instrument=probe)
    assert titles(figure) == ["relu, lr 0.1", "relu, lr 0.3", "leaky, lr 0.1", "leaky, lr 0.3"]
    own = layers[(layers["activation"] == "relu") & (layers["lr"] == 0.3)]
    hidden_only = probe in ("dead", "activation_variance")
    panel = figure.axes[1]
    assert panel.get_yscale() == (
        "log" if probe in ("grad_norm", "activation_variance") else "linear"
    )
    for layer, line in zip(range(1, 4 if hidden_only else 5), panel.lines, strict=True):
        rows = own[own["layer"] == layer]
        assert_line(line, rows["epoch"], rows[probe])


@pytest.mark.parametrize("n", [2, 5, 6])
def test_seeds_are_averaged_and_few_are_drawn_while_many_have_an_interval(n):
    layers = table(("relu",), seeds=range(n))
    (panel,) = through_training(layers, instrument="grad_norm").axes
    first = layers[layers["layer"] == 1].pivot(index="epoch", columns="seed", values="grad_norm")
    assert_line(panel.lines[0], EPOCHS, stats.gmean(first, axis=1))
    if n > 5:
        bars = [c for c in panel.collections if isinstance(c, LineCollection)]
        assert len(bars) == 4  # more than three lines of three points
        ends = np.array([segment[:, 1] for segment in bars[0].get_segments()])
        np.testing.assert_allclose(ends, interval(first, n), rtol=1e-12, atol=0)
    else:
        (drawn,) = panel.collections
        dots = drawn.get_offsets()[: n * len(EPOCHS)]  # those of layer 1 are the first
        expected = first.stack().reorder_levels(["seed", "epoch"])
        assert sorted(map(tuple, dots)) == sorted(
            (epoch, value) for (_, epoch), value in expected.items()
        )


def interval(values, n):
    """The 95 % interval of the geometric mean over n columns."""
    logs = np.log(values)
    ends = stats.t.interval(0.95, n - 1, logs.mean(axis=1), stats.sem(logs, axis=1))
    return np.exp(np.transpose(ends))


def test_up_to_three_lines_have_bands():
    layers = table(("relu",), seeds=range(6), depth=2)
    (panel,) = through_training(layers, instrument="grad_norm").axes
    bands = [c for c in panel.collections if isinstance(c, PolyCollection)]
    assert len(bands) == 3
    first = layers[layers["layer"] == 1].pivot(index="epoch", columns="seed", values="grad_norm")
    corners = bands[0].get_paths()[0].vertices[:, 1]
    assert {*interval(first, 6).ravel().round(9)} <= {*corners.round(9)}


@pytest.mark.parametrize(("depth", "shown"), [(8, True), (9, False)])
def test_more_than_eight_lines_have_no_intervals(depth, shown):
    layers = table(("relu",), seeds=range(6), depth=depth, rates=(0.1, 0.3))
    figure = dead_by_rate(FIGURES["dead_by_rate"].data(only(layers=layers)))
    (panel,) = figure.axes
    assert len(panel.lines) == depth
    assert len(panel.collections) == (depth if shown else 0)
    words = [text.get_text() for text in legend_of(figure).get_texts()]
    assert any("interval" in word for word in words) is shown


def test_bars_are_beside_each_other_and_go_through_the_markers_of_their_lines():
    layers = table(("relu",), seeds=range(6), depth=4, rates=(0.1, 0.3))
    (panel,) = dead_by_rate(FIGURES["dead_by_rate"].data(only(layers=layers))).axes
    places = [line.get_transform().transform((0.1, 0.5))[0] for line in panel.lines]
    assert len({*np.round(places, 6)}) == 4
    bars = [bar.get_transform().transform((0.1, 0.5))[0] for bar in panel.collections]
    np.testing.assert_allclose(bars, places)


def test_of_few_seeds_at_many_positions_each_is_a_line():
    rows = [
        {"run": f"r{seed}", "name": "", "activation": "relu", "init": "he_normal", "depth": 1,
         "seed": seed, "step": epoch, "epoch": float(epoch), "global_grad_norm": 1.0 + seed}
        for seed in range(3) for epoch in range(20)
    ]  # fmt: skip
    (panel,) = number_through_training(typed(rows), instrument="global_grad_norm").axes
    (collection,) = panel.collections
    assert isinstance(collection, LineCollection)
    for seed, path in enumerate(collection.get_segments()):
        np.testing.assert_array_equal(path, [[epoch, 1.0 + seed] for epoch in range(20)])


def test_many_panels_some_are_drawn_and_the_title_says_so():
    figure = through_training(table(rates=[*range(1, 31)]), instrument="q")
    assert len(figure.axes) == 48
    assert "the first 48 of 60 panels" in figure.get_suptitle()


def test_a_legend_of_many_layers_names_a_few():
    figure = through_training(table(("relu",), depth=100), instrument="q")
    names = [text.get_text() for text in legend_of(figure).get_texts()]
    assert names[-1] == "one network"
    assert len(names) <= 9
    assert (names[0], names[-2]) == ("1", "101")


def measurements(values, seeds=(0, 1, 2)):
    """Return the frame of an instrument: `values(epoch, seed)` gives {(indices): number}."""
    rows = [
        {"run": f"{activation}{seed}", "name": "", "activation": activation, "init": "he_normal",
         "depth": 1, "seed": seed, "step": int(90 * epoch), "epoch": epoch, **cell}
        for activation in ("relu", "leaky") for seed in seeds for epoch in EPOCHS
        for cell in values(epoch, seed)
    ]  # fmt: skip
    return typed(rows)


def test_a_number_of_a_run_has_a_line_for_each_activation():
    frame = measurements(lambda epoch, seed: [{"global_grad_norm": 10.0 ** (seed - epoch)}])
    (panel,) = number_through_training(frame, instrument="global_grad_norm").axes
    assert panel.get_yscale() == "log"
    assert len(panel.lines) == 2
    for line in panel.lines:
        assert_line(line, EPOCHS, [10.0, 1.0, 0.1])  # geometric mean over the seeds


def test_ranks_of_layers_have_a_line_for_each_layer_before_and_after_training():
    def values(epoch, seed):
        ranks = {1: (1, 2, 3, 4), 2: (1, 2)}  # layer 2 has half of them
        return [
            {"layer": layer, "rank": rank, "weight_spectrum": 10.0 ** (seed - rank - epoch - layer)}
            for layer, of_layer in ranks.items()
            for rank in of_layer
        ]

    figure = before_and_after(measurements(values), instrument="weight_spectrum")
    assert titles(figure) == [
        f"{activation}, {when} training"
        for activation in ("relu", "leaky")
        for when in ("before", "after")
    ]
    for panel, epoch in zip(figure.axes, (0, 2, 0, 2), strict=True):
        first, second = panel.lines
        assert_line(first, [0.25, 0.5, 0.75, 1.0], 10.0 ** -(np.arange(1, 5) + epoch))
        assert_line(second, [0.5, 1.0], 10.0 ** -(np.arange(1, 3) + epoch + 1.0))


def test_a_mean_of_singular_values_ends_where_the_first_is_a_rounding_error():
    """The others alone would give a larger mean there."""

    def values(epoch, seed):
        numbers = {1: 1.0, 2: 1e-3, 3: 1e-16 if seed == 1 else 1e-14}
        return [
            {"example": example, "rank": rank, "jacobian_spectrum": number * 10.0**example}
            for example in (0, 2)
            for rank, number in numbers.items()
        ]

    figure = before_and_after(measurements(values), instrument="jacobian_spectrum")
    assert titles(figure) == ["before training", "after training"]
    for line in figure.axes[0].lines:
        assert_line(line, [1 / 3, 2 / 3], [10.0, 1e-2])  # geometric mean over the examples
    (dots,) = figure.axes[0].collections  # of both activations
    heights = sorted(dots.get_offsets()[:, 1])
    assert heights == pytest.approx([1e-13] * 4 + [1e-2] * 6 + [10] * 6, rel=1e-9, abs=0)


def test_examples_of_one_network_are_one_draw():
    def values(epoch, seed):
        return [
            {"example": example, "rank": 1, "jacobian_spectrum": 10.0 ** (seed + example)}
            for example in range(-2, 3)
        ]

    frame = measurements(values, seeds=range(6))
    band = before_and_after(frame, instrument="jacobian_spectrum").axes[0].collections[0]
    corners = band.get_paths()[0].vertices[:, 1]
    expected = 10.0 ** np.array(stats.t.interval(0.95, 5, 2.5, stats.sem(range(6))))
    assert (corners.min(), corners.max()) == pytest.approx(tuple(expected))


def test_dead_units_against_learning_rate_at_the_last_probe():
    layers = table(rates=(0.1, 0.3, 1.0))
    figure = dead_by_rate(FIGURES["dead_by_rate"].data(only(layers=layers)))
    assert titles(figure) == ["relu", "leaky"]
    last = layers[(layers["epoch"] == 2) & (layers["activation"] == "relu")]
    for layer, line in zip((1, 2, 3), figure.axes[0].lines, strict=True):
        rows = last[last["layer"] == layer]
        assert_line(line, rows["lr"], rows["dead"])
    assert all((line.get_ydata() == 0).all() for line in figure.axes[1].lines)


def test_a_run_that_diverged_has_no_dead_units():
    layers = table(rates=(0.1, 0.3, 1.0))
    layers.loc[(layers["lr"] == 1) & (layers["epoch"] == 2), ["delta_norm", "q"]] = np.nan
    figure = dead_by_rate(FIGURES["dead_by_rate"].data(only(layers=layers)))
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [0.1, 0.3])


def test_where_one_of_three_diverged_there_is_no_mean_and_the_others_are_dots():
    layers = table(rates=(0.1, 0.3, 1.0), seeds=range(6))
    lost = (layers["lr"] == 0.3) & (layers["epoch"] == 2) & (layers["seed"] == 1)
    layers.loc[lost, ["delta_norm", "q"]] = np.nan
    panel = dead_by_rate(FIGURES["dead_by_rate"].data(only(layers=layers))).axes[0]
    for layer, line in zip((1, 2, 3), panel.lines, strict=True):
        own = layers[(layers["layer"] == layer) & (layers["epoch"] == 2)]
        own = own[own["activation"] == "relu"]
        means = own.groupby("lr")["dead"].mean()
        assert_line(line, [0.1, 0.3, 1.0], [means[0.1], np.nan, means[1.0]])
    band, *_, dots = panel.collections
    hidden = layers[layers["layer"] <= 3]
    left = hidden[(hidden["epoch"] == 2) & (hidden["lr"] == 0.3)]
    left = left[(left["activation"] == "relu") & (left["seed"] != 1)]
    heights = dots.get_offsets()[:, 1]
    assert sorted(heights[~np.isnan(heights)]) == pytest.approx(sorted(left["dead"]))
    assert 0 <= band.get_paths()[0].vertices[:, 1].min()
    assert band.get_paths()[0].vertices[:, 1].max() <= 1


def test_it_is_left_out_where_no_unit_dies_or_one_rate_is_tried():
    drawing = FIGURES["dead_by_rate"]
    assert drawing.data(only(layers=table())).empty
    assert drawing.data(only(layers=table(("leaky",), rates=(0.1, 0.3)))).empty


def test_zeros_and_subnormals_by_layer_before_training():
    layers = table()
    layers.loc[layers["layer"] == 2, "subnormal_share"] = 0.25
    figure = range_by_layer(FIGURES["range_by_layer"].data(only(layers=layers)))
    assert titles(figure) == ["relu", "leaky"]
    start = layers[layers["epoch"] == 0]
    for name, panel in zip(("relu", "leaky"), figure.axes, strict=True):
        own = start[start["activation"] == name]
        lines = {to_hex(line.get_color()): line for line in panel.lines}
        assert_line(lines[COLOURS["exactly 0"]], own["layer"], own["zero_share"])
        assert_line(lines[COLOURS["subnormal"]], own["layer"], own["subnormal_share"])
        assert list(panel.patches) == []


def test_layers_that_are_not_finite_are_shaded():
    layers = table(("relu",))
    layers.loc[layers["layer"] >= 3, "q"] = np.inf
    layers["delta_norm"] = np.nan
    (panel,) = range_by_layer(FIGURES["range_by_layer"].data(only(layers=layers))).axes
    shaded = {(patch.get_x() + 0.5, to_hex(patch.get_facecolor())) for patch in panel.patches}
    forward, backward = NOT_FINITE.values()
    assert shaded == {(1, backward), (2, backward), (3, forward), (4, forward)}


def test_the_range_is_left_out_where_nothing_left_it():
    assert FIGURES["range_by_layer"].data(only(layers=table())).empty


def test_differences_of_precision_before_and_after_training():
    layers = table(dtypes=("float32", "float64"))
    figure = precision_by_layer(FIGURES["precision_by_layer"].data(only(layers=layers)))
    assert titles(figure) == ["relu", "leaky"]
    for name, panel in zip(("relu", "leaky"), figure.axes, strict=True):
        for epoch, line in zip((0, 2), panel.lines, strict=True):
            own = layers[(layers["activation"] == name) & (layers["epoch"] == epoch)]
            single, double = (
                own[own["dtype"] == dtype].set_index("layer")["grad_norm"]
                for dtype in ("float32", "float64")
            )
            assert_line(line, [1, 2, 3, 4], (single / double - 1).abs())


def test_precision_is_left_out_of_a_sweep_of_one_dtype():
    assert FIGURES["precision_by_layer"].data(only(layers=table())).empty
