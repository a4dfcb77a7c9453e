"""The keywords of every figure function: width, title, palette and legend."""

import io

import numpy as np
import pandas as pd
import pytest
from figures.artists import cut, labels_of, legend_of, lines, overlapping, titles
from figures.made_up import tables
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from bpexp import figures
from bpexp.figures import (
    FIGURES,
    gradient_by_layer,
    gradient_heatmap,
    score_by_depth,
    trainability_map,
)
from bpexp.figures.parts.numbers import number
from bpexp.palette import ACTIVATIONS, OTHERS

COMMON = {"activations": ("sigmoid", "relu"), "depths": (2, 4), "epochs": 2}
STUDIES = [
    tables(**COMMON, seeds=(0, 1, 2), jacobian=True),
    tables(("relu",), (4,), rates=(0.01, 0.03, 0.1), frozen=(0, 1), epochs=1),
    tables(("relu",), (2, 4), rates=(0.01, 0.03, 0.1), epochs=1),
    tables(("tanh", "relu"), (2,), rates=(0.01, 0.03, 0.1), seeds=(0, 1, 2), epochs=1),
    tables(("tanh",), (2,), dtypes=("float32", "float64"), subnormal=True, epochs=1),
    tables(("tanh",), (2, 4), skips=("none", "identity"), norms=("none", "batch"), epochs=1),
]
CASES = {
    name: next(study for study in STUDIES if not spec.data(study).empty)
    for name, spec in FIGURES.items()
}


@pytest.mark.parametrize("legend", ["above", "right"])
@pytest.mark.parametrize("width", [3.25, 5.5])
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_a_papers_width_has_no_text_that_overlaps_or_is_cut(name, width, legend):
    if legend == "right" and width < 5:
        pytest.skip("a legend beside the panels wants room")
    figure = FIGURES[name](CASES[name], width=width, title=False, legend=legend)
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == width
    assert figure.get_suptitle() == ""
    assert overlapping(figure) == []
    assert cut(figure) == []


@pytest.mark.parametrize("name", FIGURES)
def test_an_axis_has_one_label_and_a_single_panel_has_its_own(name):
    figure = FIGURES[name](CASES[name])
    x, y = labels_of(figure)
    assert len(x) == 1
    assert len(y) == (0 if name == "jacobian_moments" else 2 * (name == "learning_curves") or 1)
    if len(titles(figure)) == 1:
        assert figure.get_supxlabel() == ""
        figure.axes[0].set_xlabel("another")
        assert labels_of(figure)[0] == ["another"]


def test_the_layout_holds_when_the_size_changes():
    figure = gradient_by_layer(STUDIES[0].layers)
    for size in ((5.5, 2.6), (7.0, 4.0)):
        figure.set_size_inches(*size)
        figure.draw_without_rendering()
        assert overlapping(figure) == []
        assert cut(figure) == []


def test_a_title_is_left_out_or_replaced_while_what_is_not_drawn_is_still_said():
    layers = STUDIES[0].layers
    assert gradient_by_layer(layers, title=False).get_suptitle() == ""
    assert gradient_by_layer(layers, title="Gradients").get_suptitle() == "Gradients"
    many = tables(("relu",), (2,), rates=[0.01 * i for i in range(1, 60)], epochs=0).runs
    many = many.assign(**{"batch_size": range(len(many))})
    figure = score_by_depth(many, title=False)
    assert figure.get_suptitle().startswith("the first 48 of")


@pytest.mark.parametrize("title", [True, False])
def test_a_title_a_legend_above_and_the_panels_stand_one_below_the_other(title):
    figure = score_by_depth(STUDIES[0].runs, width=3.25, title=title)
    figure.draw_without_rendering()
    legend, panel = (one.get_window_extent() for one in (legend_of(figure), figure.axes[0]))
    assert legend.y0 >= panel.y1 - 1
    assert figure.axes[0].get_window_extent().height > 100
    if title:
        assert figure._suptitle.get_window_extent().y0 >= legend.y1 - 1


def test_a_legend_is_where_it_is_asked_for():
    layers = STUDIES[0].layers
    assert gradient_by_layer(layers, legend=False).legends == []
    right = gradient_by_layer(layers, legend="right")
    right.draw_without_rendering()
    edge = max(panel.get_window_extent().x1 for panel in right.axes)
    assert legend_of(right).get_window_extent().x0 > edge
    inside = score_by_depth(STUDIES[0].runs, legend="inside")
    assert inside.legends == []
    assert inside.axes[0].get_legend() is not None
    three = gradient_by_layer(tables(epochs=0).layers, width=3.25, legend="inside")
    assert [panel.axison for panel in three.axes] == [True, True, True, False]  # a free place


@pytest.mark.parametrize(
    "palette", [{"sigmoid": "#ff0000", "relu": "#00ff00"}, ["#ff0000", "#00ff00"]]
)
def test_a_palette_gives_the_colours_of_the_levels(palette):
    drawn = lines(score_by_depth(STUDIES[0].runs, palette=palette).axes[0])
    assert [to_hex(line.get_color()) for line in drawn] == ["#ff0000", "#00ff00"]


def test_a_palette_may_be_a_name_and_leaves_others_as_they_are():
    sns = pytest.importorskip("seaborn")
    drawn = lines(score_by_depth(STUDIES[0].runs, palette="Set2").axes[0])
    assert [line.get_color() for line in drawn] == sns.color_palette("Set2", 2)
    drawn = lines(score_by_depth(STUDIES[0].runs, palette={"relu": "k"}).axes[0])
    assert [line.get_color() for line in drawn] == [ACTIVATIONS["sigmoid"][0], "k"]
    mesh = trainability_map(STUDIES[2].runs, palette="cividis").axes[0].collections[0]
    assert mesh.get_cmap().name == "cividis"


def test_keywords_that_do_not_exist_or_cannot_be_are_refused():
    layers = STUDIES[0].layers
    with pytest.raises(TypeError, match=r"keyword: 'widht' .*did you mean 'width'"):
        gradient_by_layer(layers, widht=3.25)
    with pytest.raises(ValueError, match="legend: 'outside' is not one of"):
        gradient_by_layer(layers, legend="outside")
    with pytest.raises(ValueError, match="width: -1 is not a number of inches"):
        gradient_by_layer(layers, width=-1)


def test_every_function_takes_the_keywords():
    drawing = [getattr(figures, name) for name in figures.__all__ if name[0].islower()]
    others = {figures.draw_all, figures.save, figures.of_instrument, figures.decay_rates}
    for function in [one for one in drawing if one not in others]:
        with pytest.raises(TypeError, match="keyword: 'widht'"):
            function(STUDIES[0].runs, widht=1)


def test_a_notebook_shows_a_figure_once_and_sharp_without_pyplot():
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    figure = score_by_depth(STUDIES[0].runs)
    data, metadata = shell.display_formatter.format(figure)
    assert [kind for kind in data if kind.startswith("image/")] == ["image/png"]
    with Image.open(io.BytesIO(data["image/png"])) as image:
        width, height = image.size
    expected = [100 * inches for inches in figure.get_size_inches()]
    assert [width / 2, height / 2] == pytest.approx(expected, abs=1)
    assert metadata["image/png"]["width"] == pytest.approx(expected[0], abs=1)


def test_a_file_written_by_hand_has_300_dpi_and_truetype_fonts(tmp_path):
    figure = score_by_depth(STUDIES[0].runs, width=3.25)
    figure.savefig(tmp_path / "figure.png")
    figure.savefig(tmp_path / "figure.pdf")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size[0] == round(3.25 * 300)
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_a_path_as_a_label_is_cut_and_no_mathematics(tmp_path):
    """A label of any length would leave the axes no room, and $ would begin a formula."""
    path = "/home/somebody/with/a/long/name/and/many/folders/of/data/sets/spirals_{}.npz"
    runs = pd.concat(
        [
            tables(("relu", "tanh"), (2, 4), epochs=1).runs.assign(**{"data.path": name})
            for name in (path.format("a"), path.format("$x_{$"))
        ]
    )
    figure = score_by_depth(runs.assign(run=range(len(runs))))
    figure.savefig(tmp_path / "figure.png")
    assert titles(figure) == [
        r"...f/data/sets/spirals_\$x_{\$.npz", "...rs/of/data/sets/spirals_a.npz",
    ]  # fmt: skip


def test_lines_that_coincide_stand_side_by_side_and_keep_their_data():
    runs = tables(("relu", "leaky", "tanh"), (2, 4, 8)).runs
    runs["accuracy/test"] = np.where(runs["activation"] == "tanh", 0.5, 0.9)
    (panel,) = score_by_depth(runs).axes
    tanh, relu, leaky = lines(panel)
    for line, value in ((relu, 0.9), (leaky, 0.9), (tanh, 0.5)):
        np.testing.assert_array_equal(line.get_ydata(), value)
    assert len({line.get_linewidth() for line in (tanh, relu, leaky)}) == 1
    panel.figure.draw_without_rendering()
    heights = [line.get_transform().transform((2, 0.9))[1] for line in (relu, leaky)]
    width = relu.get_linewidth() * panel.figure.dpi / 72
    assert heights[0] - heights[1] == pytest.approx(width)
    assert tanh.get_transform() == panel.transData


def test_crossed_factors_are_rows_and_columns():
    figure = gradient_by_layer(
        tables(("sigmoid", "tanh", "relu"), (2,), inits=("he_normal", "orthogonal")).layers
    )
    places = {
        panel.get_label(): (
            panel.get_subplotspec().rowspan.start,
            panel.get_subplotspec().colspan.start,
        )
        for panel in figure.axes
    }
    assert places == {
        f"{name}, {init}": (row, column)
        for column, name in enumerate(("sigmoid", "tanh", "relu"))
        for row, init in enumerate(("he_normal", "orthogonal"))
    }
    assert [p.get_title() for p in figure.axes if p.get_title()] == ["sigmoid", "tanh", "relu"]
    sides = [text.get_text() for panel in figure.axes for text in panel.texts]
    assert sides == ["he_normal", "orthogonal"]


def test_a_factor_of_one_level_is_no_row_or_column():
    costs = ("cross_entropy", "squared_error", "binary_cross_entropy")
    frames = [
        tables(("sigmoid",), (0, 1), rates=(0.1, 1.0), epochs=1).layers.assign(
            cost=cost, run=lambda rows, cost=cost: rows["run"] + cost
        )
        for cost in costs
    ]
    figure = gradient_heatmap(pd.concat(frames))
    assert len(titles(figure)) == 12
    assert titles(figure)[0].startswith("sigmoid, depth 0, ")
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert sorted((grid.nrows, grid.ncols)) == [2, 6]
    width, height = figure.get_size_inches()
    assert max(width, height) < 13


def test_a_single_panel_has_one_title():
    panel = gradient_heatmap(tables(("tanh",), (4,), epochs=1).layers).axes[0]
    assert panel.get_title() == panel.get_label() == "tanh, depth 4"
    assert not panel.texts


def test_axes_of_mean_field_have_symbols():
    runs = tables(("tanh",), (2, 4), rates=(0.01, 0.1, 1.0)).runs
    runs = runs.rename(columns={"lr": "init.sigma_w2"})
    assert trainability_map(runs).axes[0].get_xlabel() == r"$\sigma_w^2$"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01, "0.01"), (1e-4, "10⁻⁴"), (2.5e-5, "2.5×10⁻⁵"), (1.0, "1"), (1e5, "10⁵"), (0, "0"),
        (-3e-7, "-3×10⁻⁷"), (99999, "99999"), (9.9999e-4, "9.9999×10⁻⁴"), (1e-300, "10⁻³⁰⁰"),
        (float("nan"), "nan"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_numbers_are_plain_or_have_a_power_of_ten(value, text):
    assert number(value) == text


def test_no_other_level_has_the_colour_of_an_activation():
    used = [to_rgb(colour) for colour, _ in ACTIVATIONS.values()]
    for colour in OTHERS:
        assert min(np.abs(np.subtract(to_rgb(colour), other)).max() for other in used) > 0.08
