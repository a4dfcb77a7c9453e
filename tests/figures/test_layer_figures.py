"""Figures of instruments, dead units, frozen layers and precision against the numbers drawn."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from bpexp.figures import (
    OCCASIONAL,
    before_and_after,
    dead_by_rate,
    draw_all,
    number_through_training,
    of_instrument,
    range_by_layer,
    score_by_frozen,
    through_training,
    twins_by_layer,
)
from bpexp.figures.layers import BROKEN, RANGE
from bpexp.nn import ACTIVATIONS, INITIALIZERS
from bpexp.results import Tables

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


def typed(rows):
    frame = pd.DataFrame(rows)
    frame["activation"] = pd.Categorical(frame["activation"], [*ACTIVATIONS], ordered=True)
    frame["init"] = pd.Categorical(frame["init"], [*INITIALIZERS], ordered=True)
    return frame


def frozen_runs(seeds=(0, 1, 2)):
    rng = np.random.default_rng(1)
    rows = []
    sweep = itertools.product(("sigmoid", "relu"), (2, 8), (0, 1, 2), seeds)
    for i, (activation, depth, frozen, seed) in enumerate(sweep):
        own = {"run": f"{i:016x}", "name": f"run {i}", "activation": activation, "depth": depth}
        own |= {"init": "he_normal", "frozen": frozen, "seed": seed, "chance": 0.1}
        rows.append({**own, "accuracy/test": 0.5 + 0.4 * rng.random()})
    return typed(rows)


def tables(layers=None, runs=None):
    empty = table().head(0)
    return Tables(
        runs if runs is not None else empty, layers if layers is not None else empty, empty
    )


def assert_line(line, x, y):
    np.testing.assert_array_equal(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), y, rtol=1e-12, atol=0)


def titles(figure):
    return [panel.get_title() for panel in figure.axes]


# Instruments of layers through training


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


def test_seeds_are_averaged_with_their_interval():
    layers = table(("relu",), seeds=(0, 1, 2))
    (panel,) = through_training(layers, instrument="grad_norm").axes
    first = layers[layers["layer"] == 1].pivot(index="epoch", columns="seed", values="grad_norm")
    assert_line(panel.lines[0], EPOCHS, stats.gmean(first, axis=1))
    assert len(panel.collections) == 4


def test_of_many_configurations_some_are_drawn_and_the_title_says_so():
    figure = through_training(table(rates=[*range(1, 31)]), instrument="q")
    assert len(figure.axes) == 48
    assert "first 48 of 60 configurations" in figure.get_suptitle()


def test_a_legend_of_many_layers_names_a_few():
    figure = through_training(table(("relu",), depth=100), instrument="q")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(names) <= 8
    assert (names[0], names[-1]) == ("1", "101")


# Instruments of other dimensions


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


def test_singular_values_that_are_rounding_errors_are_left_out():
    def values(epoch, seed):
        numbers = {1: 1.0, 2: 1e-3, 3: 1e-16}
        return [
            {"example": example, "rank": rank, "jacobian_spectrum": number * 10.0**example}
            for example in (0, 2)
            for rank, number in numbers.items()
        ]

    figure = before_and_after(measurements(values), instrument="jacobian_spectrum")
    assert titles(figure) == ["before training", "after training"]
    for line in figure.axes[0].lines:
        assert_line(line, [1 / 3, 2 / 3], [10.0, 1e-2])  # geometric mean over the examples


# Dead units


def test_dead_units_against_learning_rate_at_the_last_probe():
    layers = table(rates=(0.1, 0.3, 1.0))
    figure = dead_by_rate(OCCASIONAL["dead_by_rate"].data(tables(layers)))
    assert titles(figure) == ["relu", "leaky"]
    last = layers[(layers["epoch"] == 2) & (layers["activation"] == "relu")]
    for layer, line in zip((1, 2, 3), figure.axes[0].lines, strict=True):
        rows = last[last["layer"] == layer]
        assert_line(line, rows["lr"], rows["dead"])
    assert all((line.get_ydata() == 0).all() for line in figure.axes[1].lines)


def test_a_run_that_diverged_has_no_dead_units():
    layers = table(rates=(0.1, 0.3, 1.0))
    layers.loc[(layers["lr"] == 1) & (layers["epoch"] == 2), ["delta_norm", "q"]] = np.nan
    figure = dead_by_rate(OCCASIONAL["dead_by_rate"].data(tables(layers)))
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [0.1, 0.3])


def test_it_is_left_out_where_no_unit_dies_or_one_rate_is_tried():
    drawing = OCCASIONAL["dead_by_rate"]
    assert drawing.data(tables(table())).empty
    assert drawing.data(tables(table(("leaky",), rates=(0.1, 0.3)))).empty


# Frozen layers


def test_accuracy_against_frozen_layers():
    runs = frozen_runs()
    figure = score_by_frozen(OCCASIONAL["score_by_frozen"].data(tables(runs=runs)))
    assert titles(figure) == ["depth 2", "depth 8"]
    means = runs.groupby(["depth", "activation", "frozen"], observed=True)["accuracy/test"].mean()
    for depth, panel in zip((2, 8), figure.axes, strict=True):
        for activation, line in zip(("sigmoid", "relu"), panel.lines[:2], strict=True):
            assert_line(line, [0, 1, 2], means[depth, activation])


def test_it_is_left_out_where_nothing_or_all_the_same_is_frozen():
    runs = frozen_runs()
    drawing = OCCASIONAL["score_by_frozen"]
    assert drawing.data(tables(runs=runs[runs["frozen"] == 1])).empty
    assert drawing.data(tables(runs=runs.drop(columns="frozen"))).empty


# Precision


def test_zeros_and_subnormals_by_layer_before_training():
    layers = table()
    layers.loc[layers["layer"] == 2, "subnormal_share"] = 0.25
    figure = range_by_layer(OCCASIONAL["range_by_layer"].data(tables(layers)))
    assert titles(figure) == ["relu", "leaky"]
    start = layers[layers["epoch"] == 0]
    for name, panel in zip(("relu", "leaky"), figure.axes, strict=True):
        own = start[start["activation"] == name]
        lines = {to_hex(line.get_color()): line for line in panel.lines}
        assert_line(lines[RANGE["exactly 0"]], own["layer"], own["zero_share"])
        assert_line(lines[RANGE["subnormal"]], own["layer"], own["subnormal_share"])
        assert list(panel.patches) == []


def test_layers_that_are_not_finite_are_shaded():
    layers = table(("relu",))
    layers.loc[layers["layer"] >= 3, "q"] = np.inf
    layers["delta_norm"] = np.nan
    (panel,) = range_by_layer(OCCASIONAL["range_by_layer"].data(tables(layers))).axes
    shaded = {(patch.get_x() + 0.5, to_hex(patch.get_facecolor())) for patch in panel.patches}
    forward, backward = BROKEN.values()
    assert shaded == {(1, backward), (2, backward), (3, forward), (4, forward)}


def test_the_range_is_left_out_where_nothing_left_it():
    assert OCCASIONAL["range_by_layer"].data(tables(table())).empty


def test_twins_differences_before_and_after_training():
    layers = table(dtypes=("float32", "float64"))
    figure = twins_by_layer(OCCASIONAL["twins_by_layer"].data(tables(layers)))
    assert titles(figure) == ["relu", "leaky"]
    for name, panel in zip(("relu", "leaky"), figure.axes, strict=True):
        for epoch, line in zip((0, 2), panel.lines, strict=True):
            own = layers[(layers["activation"] == name) & (layers["epoch"] == epoch)]
            single, double = (
                own[own["dtype"] == dtype].set_index("layer")["grad_norm"]
                for dtype in ("float32", "float64")
            )
            assert_line(line, [1, 2, 3, 4], (single / double - 1).abs())


def test_twins_are_left_out_of_a_sweep_of_one_dtype():
    assert OCCASIONAL["twins_by_layer"].data(tables(table())).empty


# All of them


def test_draw_all_draws_what_is_there_and_what_is_asked_for(tmp_path):
    layers = table(rates=(0.1, 0.3), dtypes=("float32", "float64"))
    given = tables(layers, frozen_runs())
    written = draw_all(given, tmp_path, metadata={}, instruments=["q"])
    names = {path.stem for path in written}
    assert names >= {"accuracy_by_frozen", "dead_by_rate", "twins_by_layer", "q_through_training"}
    assert "range_by_layer" not in names
    drawn = pd.read_csv(tmp_path / "q_through_training.csv")
    pd.testing.assert_series_equal(drawn["q"], layers["q"])


@pytest.mark.parametrize(
    "name",
    ["score_by_frozen", "dead_by_rate", "range_by_layer", "twins_by_layer", "activation_mean"],
)
def test_its_own_data_draw_the_same_figure(name):
    layers = table(rates=(0.1, 0.3), dtypes=("float32", "float64"), seeds=(0, 1, 2))
    layers.loc[layers["layer"] == 2, "subnormal_share"] = 0.25
    given = tables(layers, frozen_runs())
    before = layers.copy(deep=True)
    drawing = OCCASIONAL.get(name) or of_instrument(name)[1]
    own, whole = drawing(given), drawing.draw(drawing.rows(getattr(given, drawing.table)))
    assert titles(own) == titles(whole)
    for panel, other in zip(own.axes, whole.axes, strict=True):
        for line, same in zip(panel.lines, other.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), same.get_xydata())
    pd.testing.assert_frame_equal(layers, before)
