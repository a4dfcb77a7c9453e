"""Every figure of the catalogue, on tables at the edges of what occurs."""

import functools
import importlib.util
import math
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from figures.artists import assert_same_lines, cut, overlapping, texts, titles
from figures.made_up import EIGHT, SIX, only, tables
from matplotlib import pyplot as plt

from bpexp.figures import FIGURES, FigureSpec, draw_all, files, of_instrument, score_by_depth
from bpexp.nn import ACTIVATIONS

SMALL = {"activations": ("sigmoid", "relu"), "depths": (2, 4), "epochs": 2}
EDGES = {
    "one run": tables(("sigmoid",), (8,)),
    "no hidden layer": tables(("relu",), (0,)),
    "one probe": tables(**{**SMALL, "epochs": 0}),
    "diverged": tables(**SMALL, broken_from=2),
    "nothing finite": tables(**SMALL, broken_from=0, theory=False),
    "all zero": tables(**SMALL, zero_below=math.inf, theory=False),
    "some zero": tables(**SMALL, zero_below=1e-2),
    "seeds": tables(**SMALL, seeds=(0, 1, 2), jacobian=True),
    "zeros of some seeds": tables(("sigmoid",), (8,), seeds=(0, 1, 2), zero_below=5e-5),
    "inits": tables(("tanh",), (2, 4), inits=("he_normal", "orthogonal"), jacobian=True),
    "learning rates": tables(("relu",), (2, 4), rates=(0.01, 0.03, 0.1)),
    "rates and seeds": tables(("tanh", "relu"), (4,), rates=(0.01, 0.1, 1.0), seeds=(0, 1, 2)),
    "rates at one depth": tables(("relu",), (4,), rates=(0.01, 0.03, 0.1), frozen=(0, 1)),
    "precisions": tables(("relu",), (2, 4), dtypes=("float32", "float64"), subnormal=True),
    "variants": tables(("tanh",), (2, 4), skips=("none", "identity"), norms=("none", "batch")),
    "6x8": tables(SIX, EIGHT, epochs=2, zero_below=1e-12),
}
SPECS = FIGURES | dict(map(of_instrument, ("grad_norm", "dead")))
CASES = [(n, e) for n in SPECS for e in EDGES if not SPECS[n].data(EDGES[e]).empty]
CASES.remove(("grad_norm_through_training", "6x8"))  # the grid below has more panels


def test_every_figure_is_drawn_at_some_edge():
    assert {name for name, _ in CASES} == {*SPECS}


@pytest.mark.parametrize(("name", "edge"), CASES)
def test_it_changes_nothing_and_no_text_overlaps_or_is_cut(name, edge):
    spec, given = SPECS[name], EDGES[edge]
    table = given.table(spec.table)
    before = table.copy(deep=True)
    settings = dict(mpl.rcParams)
    figure = spec(given)
    figure.draw_without_rendering()
    pd.testing.assert_frame_equal(table, before)
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == []
    assert overlapping(figure) == []
    assert cut(figure) == []
    assert texts(figure)


def test_overlaps_and_cuts_are_found():
    figure = score_by_depth(tables().runs)
    figure.axes[0].xaxis.set_major_locator(mpl.ticker.MultipleLocator(0.2))
    figure.draw_without_rendering()
    assert overlapping(figure)
    figure.suptitle("words " * 30)
    assert cut(figure)


@pytest.mark.parametrize("name", sorted(SPECS.keys() - {"paired_score"}))
def test_the_columns_and_rows_of_its_csv_draw_the_same_figure_as_the_table(name):
    given = EDGES[[edge for case, edge in CASES if case == name and edge != "6x8"][-1]]
    spec = SPECS[name]
    assert_same_lines(spec(given), spec.draw(given.table(spec.table)))


@pytest.mark.parametrize("name", SPECS)
def test_rows_of_rows_are_the_same_rows(name):
    edge = next(edge for case, edge in CASES if case == name)
    rows = SPECS[name].rows(EDGES[edge].table(SPECS[name].table))
    pd.testing.assert_frame_equal(SPECS[name].rows(rows), rows)


@pytest.mark.parametrize("name", SPECS)
def test_without_rows_or_columns_there_is_no_figure(name):
    empty = pd.DataFrame()
    assert SPECS[name].data(only()).empty
    bare = pd.DataFrame({"run": ["a"], "activation": ["tanh"], "init": ["he_normal"]})
    bare = bare.assign(depth=2, seed=0, step=0, layer=1, source="measured", delta_norm=1.0)
    frames = {"runs": bare, "layers": bare, "curves": bare, "plane": empty}
    assert SPECS[name].data(only(**frames, measurements={"jacobian_spectrum": bare})).empty


# A grid of 11 activations, 8 depths and 2 values of a third factor

GRID = {"activations": tuple(ACTIVATIONS), "depths": EIGHT, "epochs": 1, "rates": (0.01, 0.1)}
THIRD = {
    "learning_curves": {"activations": ("tanh", "relu"), "rates": (0.01, 0.03, 0.1, 0.3)},
    "score_by_setting": {"depths": (4,), "rates": tuple(np.geomspace(1e-4, 1, 16))},
    "score_at_best_rate": {"rates": (0.01, 0.1, 1.0), "seeds": (0, 1, 2)},
    "trainability": {"rates": (0.01, 0.1, 1.0)},
    "phase_diagram": {"rates": (0.01, 0.1, 1.0)},
    "paired_score": {"seeds": (0, 1, 2)},
    "jacobian_spectrum": {"jacobian": True},
    "jacobian_moments": {"jacobian": True},
    "score_by_frozen": {"frozen": (0, 1)},
    "range_by_layer": {"subnormal": True},
    "precision_by_layer": {"dtypes": ("float32", "float64")},
    "signal_propagation": {"activations": SIX, "depths": (2, 8), "skips": ("identity", "rezero")},
    "variants_by_depth": {"skips": ("none", "identity"), "rates": (0.1,)},
}


@pytest.fixture(scope="module")
def grid():
    """Return a function that returns a figure on the large grid; each is drawn once."""
    made = functools.cache(lambda factors: tables(**GRID | dict(factors)))
    return functools.cache(lambda name: SPECS[name](made((*THIRD.get(name, {}).items(),))))


@pytest.mark.parametrize("name", SPECS)
def test_a_figure_is_at_most_17_inches_wide_and_high(name, grid):
    figure = grid(name)
    assert max(figure.get_size_inches()) <= 17
    assert len(figure.axes) <= 49  # panels and a colour bar


def test_panels_without_dead_units_are_left_out_of_many(grid):
    figure = grid("dead_by_rate")
    assert titles(figure) == [f"relu, depth {d}" for d in EIGHT]
    assert figure.get_suptitle() == "Dead units after training\nleft out: 80 of 88 panels, all 0"


def test_the_title_says_that_not_all_panels_are_drawn(grid):
    pairs = grid("learning_curves")
    assert len(pairs.axes) == 2 * 24
    assert pairs.get_suptitle().endswith("\nthe first 24 of 32 panels")
    figure = grid("grad_norm_through_training")
    assert len(figure.axes) == 48
    assert figure.get_suptitle().endswith("\nthe first 48 of 176 panels")


# A new figure

SOURCE = '''
"""Width against depth."""
from bpexp.figures.parts.by_setting import draw_by_setting
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.drawing import styled


@styled
def width_by_depth(runs, **look):
    """Draw the width against depth."""
    panels = draw_by_setting(runs, "depth", Quantity("width"), look)
    panels.label("Width", x="hidden layers", y="width")
    return panels.figure
'''


def test_a_new_figure_is_a_file_and_a_row(tmp_path, monkeypatch):
    (tmp_path / "widths.py").write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("widths", tmp_path / "widths.py")
    widths = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "widths", widths)
    spec.loader.exec_module(widths)
    row = FigureSpec(widths.width_by_depth, "runs", ("width",))
    monkeypatch.setattr(files, "FIGURES", {"width_by_depth": row})
    runs = tables().runs
    folder = tmp_path / "figures"
    (file,) = draw_all(only(runs=runs), folder, metadata={}, formats=["svg"])
    assert file.name == "width_by_depth.csv"
    assert list(pd.read_csv(file)["width"]) == list(runs["width"])
    assert "<svg" in file.with_suffix(".svg").read_text()
