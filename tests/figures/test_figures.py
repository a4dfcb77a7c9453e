"""Figures against the numbers they were drawn from, read back from their artists."""

import itertools
import math
import os
import signal
import time
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex, to_rgb
from PIL import Image
from scipy import stats

from bpexp.analysis.verdict import VERDICTS
from bpexp.figures import (
    FIGURES,
    draw_all,
    first_layer_by_depth,
    gradient_by_layer,
    gradient_heatmap,
    learning_curves,
    score_by_depth,
    style,
    verdict_map,
)
from bpexp.nn import ACTIVATIONS, INITIALIZERS
from bpexp.results import Tables

# nats a layer by which a signal shrinks towards the input
RATES = {"sigmoid": -1.2, "tanh": -0.15, "relu": 0.02, "leaky": 0.03, "selu": 0.1, "gelu": -0.7}
ORDERS = {
    "activation": list(ACTIVATIONS),
    "init": list(INITIALIZERS),
    "verdict": list(VERDICTS),
}


def tables(
    activations=("sigmoid", "tanh", "relu"),
    depths=(2, 4, 8),
    *,
    seeds=(0,),
    epochs=3,
    inits=("he_normal",),
    rates=(0.05,),
    theory=True,
    zero_below=0.0,
    broken_from=math.inf,
):
    """Return made-up tables of a sweep; gradients below a norm are 0, from an epoch on NaN."""
    rng = np.random.default_rng(0)
    runs, layers, curves = [], [], []
    sweep = itertools.product(activations, inits, depths, rates, seeds)
    for i, (activation, init, depth, lr, seed) in enumerate(sweep):
        own = {"run": f"{i:016x}", "name": f"{activation}-d{depth}-s{seed}", "study": "t"}
        own |= {"depth": depth, "width": 64, "activation": activation, "init": init, "lr": lr}
        own |= {"activation.negative_slope": 0.01 if activation == "leaky" else np.nan}
        own |= {"cost": "cross_entropy", "seed": seed, "dtype": "float32", "frozen": 0}
        learnt = 1 / (1 + math.exp(-6 - RATES[activation] * depth))
        for epoch in range(epochs + 1):
            at = {"step": 90 * epoch, "epoch": float(epoch)}
            for layer in range(1, depth + 2):
                exact = math.exp(RATES[activation] * (depth + 1 - layer))
                norm = exact * math.exp(rng.normal(0, 0.1) - 0.1 * epoch)
                norm = math.nan if epoch >= broken_from else norm if norm > zero_below else 0.0
                cell = {**own, **at, "layer": layer}
                layers.append({**cell, "grad_norm": norm, "delta_norm": norm, "source": "measured"})
                if theory and epoch == 0:
                    told = {"grad_norm": exact, "delta_norm": exact, "source": "theory"}
                    layers.append({**cell, **told})
            done = learnt * (1 - math.exp(-epoch)) if epoch < broken_from else math.nan
            metrics = {"loss/test": 2.3 * (1 - 0.9 * done), "accuracy/test": 0.1 + 0.87 * done}
            curves.append({**own, **at, **metrics, "loss/train": 1.0, "accuracy/train": 0.5})
        verdict = "healthy" if learnt > 0.8 else "vanishing"
        accuracy = math.nan if broken_from == 0 else 0.1 + 0.87 * learnt + rng.normal(0, 0.005)
        runs.append({**own, "verdict": verdict, "chance": 0.1, "accuracy/test": accuracy})
    return Tables(*(typed(rows) for rows in (runs, layers, curves)))


def typed(rows):
    frame = pd.DataFrame(rows)
    for name, order in ORDERS.items():
        if name in frame:
            frame[name] = pd.Categorical(frame[name], order, ordered=True)
    return frame


SIX = tuple(RATES)
EIGHT = (1, 2, 4, 6, 8, 12, 16, 32)
EDGES = {
    "one run": tables(("sigmoid",), (8,)),
    "one depth": tables(depths=(4,)),
    "no hidden layer": tables(("relu",), (0,)),
    "one probe": tables(epochs=0),
    "diverged": tables(broken_from=2),
    "nothing finite": tables(broken_from=0, theory=False),
    "all zero": tables(zero_below=math.inf, theory=False),
    "some zero": tables(zero_below=1e-3),
    "seeds": tables(seeds=(0, 1, 2)),
    "zeros of some seeds": tables(("sigmoid",), seeds=(0, 1, 2), zero_below=5e-5),
    "inits": tables(("tanh",), inits=("he_normal", "orthogonal")),
    "learning rates": tables(rates=(0.01, 0.1)),
    "3x3": tables(),
    "6x8": tables(SIX, EIGHT, epochs=2, zero_below=1e-12),
    "more panels than drawn": tables(SIX, EIGHT, seeds=(0, 1), epochs=1),
    "no rows": Tables(*(getattr(tables(), name).head(0) for name in ("runs", "layers", "curves"))),
}


def lines(axes, *, theory=False, marks=False):
    """Return the lines of measurements, of theory, or the rows of crosses."""
    kind = "crosses" if marks else "theory" if theory else "measured"
    kinds = {"--": "theory", "-": "measured", "None": "crosses"}
    return [line for line in axes.lines if kinds.get(line.get_linestyle()) == kind]


def titled(figure, title):
    (panel,) = [panel for panel in figure.axes if panel.get_title() == title]
    return panel


def assert_line(line, x, y):
    np.testing.assert_array_equal(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), y, rtol=1e-12, atol=0)


def colour_by_level(figure):
    legend = figure.legends[0]
    handles = zip(legend.get_texts(), legend.legend_handles, strict=True)
    return {text.get_text(): to_hex(handle.get_color()) for text, handle in handles}


# Every figure on every edge


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", FIGURES)
def test_draws_and_leaves_all_else_as_it_was(name, edge):
    drawing, given = FIGURES[name], EDGES[edge]
    before = {key: frame.copy(deep=True) for key, frame in vars(given).items()}
    settings = dict(mpl.rcParams)
    figure = drawing.draw(getattr(given, drawing.table))
    figure.draw_without_rendering()
    for key, frame in vars(given).items():
        pd.testing.assert_frame_equal(frame, before[key])
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == []


@pytest.mark.parametrize("edge", ["diverged", "seeds", "inits", "learning rates", "some zero"])
@pytest.mark.parametrize("name", FIGURES)
def test_its_own_data_draw_the_same_figure(name, edge):
    drawing, given = FIGURES[name], EDGES[edge]
    data = drawing.data(given)
    if data.empty:
        return
    whole, own = drawing.draw(getattr(given, drawing.table)), drawing(given)
    assert [panel.get_title() for panel in own.axes] == [panel.get_title() for panel in whole.axes]
    for panel, other in zip(own.axes, whole.axes, strict=True):
        for line, same in zip(panel.lines, other.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), same.get_xydata())


@pytest.mark.parametrize("edge", ["one run", "learning rates", "some zero", "3x3", "6x8"])
@pytest.mark.parametrize("name", FIGURES)
def test_no_two_texts_overlap_and_none_is_cut(name, edge):
    figure = FIGURES[name](EDGES[edge])
    assert overlapping(figure) == []
    for text in texts(figure):
        corners = text.get_window_extent().padded(-1).corners()
        assert figure.bbox.count_contains(corners) == 4, text.get_text()


def test_overlaps_are_found():
    figure = score_by_depth(tables().runs)
    figure.axes[0].xaxis.set_major_locator(mpl.ticker.MultipleLocator(0.2))
    assert overlapping(figure)


def overlapping(figure):
    """Lay a figure out and return the pairs of texts that overlap by more than a pixel's edge."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts(figure)]
    pairs = itertools.combinations(boxes, 2)
    return [(one, other) for (one, box), (other, place) in pairs if box.overlaps(place)]


def texts(figure):
    found = [*figure.texts]
    for legend in figure.legends:
        found += [*legend.get_texts(), legend.get_title()]
    for panel in figure.axes:
        found += [panel.title, panel.xaxis.label, panel.yaxis.label, *panel.texts]
        for axis in (panel.xaxis, panel.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            inside = [tick for tick in ticks if low <= tick.get_loc() <= high]
            found += [label for tick in inside for label in (tick.label1, tick.label2)]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


# Gradient norm by layer


def test_gradient_by_layer_draws_the_tables_numbers():
    layers = tables().layers
    figure = gradient_by_layer(layers)
    assert [panel.get_title() for panel in figure.axes] == ["sigmoid", "tanh", "relu"]
    for panel in figure.axes:
        assert panel.get_yscale() == "log"
        rows = layers[(layers["activation"] == panel.get_title()) & (layers["step"] == 0)]
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


def test_seeds_give_the_geometric_mean_and_its_interval():
    layers = tables(("tanh",), (4,), seeds=range(5), theory=False).layers
    (panel,) = gradient_by_layer(layers).axes
    norms = layers[layers["step"] == 0].pivot(index="layer", columns="seed", values="grad_norm")
    (line,) = lines(panel)
    assert_line(line, norms.index, stats.gmean(norms, axis=1))
    logs = np.log(norms)
    low, high = stats.t.interval(0.95, 4, logs.mean(axis=1), stats.sem(logs, axis=1))
    (band,) = panel.collections
    corners = band.get_paths()[0].vertices
    np.testing.assert_allclose(corners[1:6, 1], np.exp(low), rtol=1e-12)
    np.testing.assert_allclose(corners[7:12, 1][::-1], np.exp(high), rtol=1e-12)


def test_two_seeds_give_their_geometric_mean_without_an_interval():
    layers = tables(("tanh",), (4,), seeds=(0, 1), theory=False).layers
    (panel,) = gradient_by_layer(layers).axes
    norms = layers[layers["step"] == 0].pivot(index="layer", columns="seed", values="grad_norm")
    (line,) = lines(panel)
    assert_line(line, norms.index, stats.gmean(norms, axis=1))
    assert list(panel.collections) == []


def test_settings_part_panels_rather_than_be_averaged():
    given = tables(rates=(0.01, 0.1))
    expected = [f"{name}, lr {lr}" for name in ("sigmoid", "tanh", "relu") for lr in (0.01, 0.1)]
    last = gradient_by_layer(given.layers, step="last")
    assert [panel.get_title() for panel in last.axes] == expected
    assert [p.get_title() for p in score_by_depth(given.runs).axes] == ["lr 0.01", "lr 0.1"]
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
    assert panel.get_title() == "tanh"
    for line, same in zip(panel.lines, alone.lines, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), same.get_xydata())
    for band, same in zip(panel.collections, alone.collections, strict=True):
        vertices = [shape.get_paths()[0].vertices for shape in (band, same)]
        np.testing.assert_allclose(*vertices, rtol=1e-12)


def test_a_setting_that_goes_with_the_activation_parts_nothing():
    runs = tables(("relu", "tanh")).runs
    runs["init"] = runs["activation"].astype(str).map({"relu": "he_normal", "tanh": "orthogonal"})
    assert len(score_by_depth(runs).axes) == 1


def test_only_the_init_varies_then_it_is_compared():
    layers = tables(("tanh",), inits=("orthogonal", "he_normal")).layers
    titles = [panel.get_title() for panel in gradient_by_layer(layers).axes]
    assert titles == ["he_normal", "orthogonal"]
    assert {*colour_by_level(first_layer_by_depth(layers))} >= {"he_normal", "orthogonal"}


# By depth


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


def test_score_by_depth_draws_means_and_chance():
    runs = tables(seeds=(0, 1, 2)).runs
    (panel,) = score_by_depth(runs).axes
    means = runs.groupby(["activation", "depth"], observed=True)["accuracy/test"].mean()
    for line, name in zip(lines(panel), ("sigmoid", "tanh", "relu"), strict=True):
        assert_line(line, means[name].index, means[name])
    (chance,) = [line for line in panel.lines if line.get_linestyle() == ":"]
    np.testing.assert_array_equal(chance.get_ydata(), 0.1)
    assert list(panel.get_xticks()) == [2, 4, 8]


def test_an_activation_has_one_colour_and_marker_in_every_figure():
    given = tables(SIX)
    figures = [
        first_layer_by_depth(given.layers),
        score_by_depth(given.runs),
        learning_curves(given.curves),
    ]
    expected = {name: style.ACTIVATIONS[name][0] for name in SIX}
    for figure in figures:
        assert expected.items() <= colour_by_level(figure).items()
        for panel in figure.axes:
            looks = [(line.get_color(), line.get_marker()) for line in lines(panel)]
            assert sorted(looks) == sorted(style.ACTIVATIONS[name] for name in SIX)


def test_the_tables_of_looks_cover_what_there_is():
    assert [*style.ACTIVATIONS] == [*ACTIVATIONS]
    assert len({marker for _, marker in style.ACTIVATIONS.values()}) == len(ACTIVATIONS)
    assert [*style.VERDICTS] == [*VERDICTS]


# Machado, Oliveira and Fernandes (2009), severity 1.0
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_activation_colours_stay_apart(sight):
    seen = [lab(colour, np.array(SIGHT[sight])) for colour, _ in style.ACTIVATIONS.values()]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 14


def lab(colour, sight):
    """Return a colour as an eye sees it, in CIELAB (D65)."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750]]
    to_xyz += [[0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ np.clip(sight @ linear, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


# Heat map


def meshes(panel):
    return [mesh for mesh in panel.collections if isinstance(mesh, QuadMesh)]


def test_heatmap_is_log10_on_one_scale():
    layers = tables().layers
    figure = gradient_heatmap(layers)
    measured = layers[layers["source"] == "measured"]
    scales = set()
    for name, rows in measured.groupby("name"):
        (mesh,) = meshes(titled(figure, name))
        expected = np.log10(rows.pivot(index="layer", columns="epoch", values="grad_norm"))
        np.testing.assert_allclose(mesh.get_array(), expected, rtol=1e-12)
        scales.add(mesh.get_clim())
    logs = np.log10(measured["grad_norm"])
    ((low, high),) = scales
    assert (low, high) == pytest.approx((logs.min(), logs.max()), rel=1e-12)


def test_heatmap_marks_zeros_and_what_is_not_finite():
    layers = tables(("sigmoid",), (4,), zero_below=1e-1, broken_from=3).layers
    measured = layers[layers["source"] == "measured"]
    norms = measured.pivot(index="layer", columns="epoch", values="grad_norm").to_numpy(copy=True)
    norms[-1, 1] = math.inf
    layers.loc[(layers["layer"] == 5) & (layers["epoch"] == 1), "grad_norm"] = math.inf
    figure = gradient_heatmap(layers)
    mesh, zeros = meshes(figure.axes[0])
    drawable = np.isfinite(norms) & (norms > 0)
    np.testing.assert_array_equal(mesh.get_array().mask, ~drawable)
    np.testing.assert_array_equal(~zeros.get_array().mask, norms == 0)
    figure.draw_without_rendering()  # gives cells their colours
    bad, zero = mesh.get_facecolors().reshape(5, 4, 4), zeros.get_facecolors().reshape(5, 4, 4)
    assert {to_hex(c) for c in bad[~np.isfinite(norms)]} == {"#e31a1c"}
    assert {to_hex(c) for c in zero[norms == 0]} == {"#e4e4e4"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "exactly 0",
        "not finite",
    ]


def test_heatmap_draws_48_runs_of_one_seed_and_says_so():
    figure = gradient_heatmap(EDGES["more panels than drawn"].layers)
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert len(titles) == 48
    assert titles[:9] == [*(f"sigmoid-d{d}-s0" for d in EIGHT), "tanh-d1-s0"]
    assert "48 of 96 runs: the first with seed 0" in figure.get_suptitle()


# Learning curves and verdicts


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


def test_verdict_map_names_and_colours_cells():
    runs = tables(("sigmoid", "relu"), (2, 8), seeds=(0, 1, 2)).runs
    runs.loc[runs["name"] == "relu-d8-s1", "verdict"] = "dead"
    figure = verdict_map(runs)
    (panel,) = figure.axes
    words = [text.get_text().split("\n") for text in panel.texts]
    assert [word for word, _ in words] == ["healthy", "healthy", "vanishing", "healthy 2/3"]
    means = runs.groupby(["depth", "activation"], observed=True)["accuracy/test"].mean()
    assert [float(number) for _, number in words] == pytest.approx(list(means), abs=5e-4)
    figure.draw_without_rendering()
    colours = [to_hex(colour) for colour in meshes(panel)[0].get_facecolors().reshape(-1, 4)]
    assert colours == [style.VERDICTS[word.split()[0]] for word, _ in words]


def test_of_verdicts_as_common_the_gravest_is_named():
    runs = tables(("relu",), (2,), seeds=(0, 1)).runs
    runs.loc[0, "verdict"] = "dead"
    (text,) = verdict_map(runs).axes[0].texts
    assert text.get_text().startswith("dead 1/2")


def test_verdict_map_over_other_factors():
    runs = tables(("relu",), (2,), rates=(0.01, 0.1)).runs
    (panel,) = verdict_map(runs).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["0.01", "0.1"]
    assert len(verdict_map(runs, rows="depth", columns="lr").axes[0].texts) == 2


# Files

METADATA = {"Title": "study", "Keywords": "0001 0002", "Source": "sweep 1", "Config hashes": "ab <"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures") / "new"
    return draw_all(EDGES["3x3"], folder, metadata=METADATA)


def test_draw_all_writes_three_files_a_figure_and_no_others(drawn):
    names = [name.replace("score", "accuracy") for name in FIGURES]
    assert [path.stem for path in drawn] == names
    expected = {f"{name}.{suffix}" for name in names for suffix in ("png", "svg", "csv")}
    assert {path.name for path in drawn[0].parent.iterdir()} == expected
    assert plt.get_fignums() == []


def test_png_carries_the_metadata(drawn):
    for path in drawn:
        with Image.open(path) as image:
            assert METADATA.items() <= image.text.items()


def test_svg_carries_the_metadata_and_its_text_as_text(drawn):
    dublin_core = "{http://purl.org/dc/elements/1.1/}"
    for path in drawn:
        tree = ET.parse(path.with_suffix(".svg"))
        assert tree.find(f".//{dublin_core}title").text == "study"
        assert tree.find(f".//{dublin_core}description").text == "Config hashes: ab <"
        assert "0001 0002" in "".join(tree.find(f".//{dublin_core}subject").itertext())
        assert tree.find(f".//{dublin_core}date") is None
        assert list(tree.iter("{http://www.w3.org/2000/svg}text"))


def test_csv_is_what_was_drawn_to_the_last_bit(drawn):
    for path in drawn:
        data = FIGURES[path.stem.replace("accuracy", "score")].data(EDGES["3x3"])
        read = pd.read_csv(path.with_suffix(".csv"), dtype=str)
        assert list(read) == list(data)
        for column in read:
            if pd.api.types.is_numeric_dtype(data[column]):
                assert [float(text) for text in read[column]] == list(data[column])
            else:
                assert list(read[column]) == list(data[column])


def test_the_same_tables_give_the_same_bytes(drawn, tmp_path):
    for path in draw_all(EDGES["3x3"], tmp_path, metadata=METADATA):
        for suffix in (".png", ".svg", ".csv"):
            other = (drawn[0].parent / path.name).with_suffix(suffix)
            assert path.with_suffix(suffix).read_bytes() == other.read_bytes()


def test_figures_without_data_are_left_out(tmp_path):
    given = EDGES["3x3"]
    runs = given.runs.assign(**{"accuracy/test": np.nan})
    some = Tables(runs, given.layers, given.curves.head(0))
    names = {path.stem for path in draw_all(some, tmp_path, metadata={})}
    assert {*FIGURES} - names == {"score_by_depth", "learning_curves"}


@pytest.mark.parametrize("harm", ["raises", "is killed"])
def test_what_a_copy_of_the_process_fails_to_draw_is_drawn_here(tmp_path, capfd, monkeypatch, harm):
    from bpexp.figures import files

    here, real = os.getpid(), files.save

    def save(figure, stem, metadata):
        if os.getpid() != here:
            if harm == "raises":
                raise ZeroDivisionError
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)  # so that the copies get their turn
        real(figure, stem, metadata)

    monkeypatch.setattr(files, "save", save)
    drawn = draw_all(EDGES["3x3"], tmp_path, metadata=METADATA, jobs=3)
    assert len(drawn) > 3
    assert {*drawn} == {*tmp_path.glob("*.png")}
    assert capfd.readouterr().err == ""


def test_a_failed_drawing_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "verdicts.png").write_bytes(b"old")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        draw_all(EDGES["one run"], tmp_path, metadata={})
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.png"]
    assert (tmp_path / "verdicts.png").read_bytes() == b"old"


def test_the_forecast_map_tells_expectation_and_outcome():
    from bpexp.figures.forecast_map import CELLS, forecast_map

    cells = pd.DataFrame(
        {
            "run": list("abcd"),
            "activation": ["relu", "relu", "sigmoid", "sigmoid"],
            "init": "he_normal",
            "depth": [2, 8, 2, 8],
            "trains": [True, True, False, False],
            "trained": [True, False, True, False],
            "first_to_last": [1.0, 1.1, 0.1, 1e-4],
        }
    )
    words = {
        t.get_text().rpartition("\n")[0].replace("\n", " ") for t in _texts(forecast_map(cells))
    }
    assert words >= {
        "trains as expected",
        "fails unexpectedly",
        "trains unexpectedly",
        "fails as expected",
    }
    before = _texts(forecast_map(cells.assign(trained=None)))
    assert {t.get_text().partition("\n")[0] for t in before} >= {"trains", "fails"}
    assert len(CELLS) == 6
    two = pd.concat([cells.assign(lr=0.1), cells.assign(lr=1.0, run=list("efgh"), trained=False)])
    titles = [panel.get_title() for panel in forecast_map(two).axes]
    assert titles == ["lr 0.1", "lr 1"]


def _texts(figure):
    return [text for axes in figure.axes for text in axes.texts]
