"""The style of figures: colours, and independence of the user's matplotlib settings."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
from figures.artists import colour_by_level, lines
from figures.made_up import SIX, tables
from matplotlib.colors import to_rgb

from bpexp import palette
from bpexp.analysis.verdict import VERDICTS
from bpexp.figures import (
    FIGURES,
    first_layer_by_depth,
    learning_curves,
    of_instrument,
    save,
    score_by_depth,
    verdicts,
)
from bpexp.nn import ACTIVATIONS

# What a user's matplotlibrc may hold
HOSTILE = {
    "text.usetex": True,
    "figure.autolayout": True,
    "lines.marker": "o",
    "savefig.bbox": "tight",
    "savefig.dpi": 60,
    "axes.prop_cycle": mpl.cycler(color=["#00ff00"]),
    "axes.formatter.use_mathtext": True,
    "axes.spines.top": True,
    "axes.xmargin": 0.4,
    "figure.dpi": 50,
    "font.family": "serif",
    "font.size": 20,
    "image.cmap": "gray",
    "legend.loc": "upper left",
    "lines.linewidth": 7,
    "path.sketch": (3, 100, 2),
    "svg.fonttype": "path",
    "xtick.bottom": False,
}
COMMON = {"activations": ("sigmoid", "relu"), "depths": (2, 4), "epochs": 1}
STUDIES = [
    tables(**COMMON, jacobian=True),
    tables(**COMMON, seeds=(0, 1, 2)),
    tables(("relu",), (4,), rates=(0.01, 0.03, 0.1), frozen=(0, 1), epochs=1),
    tables(("relu",), (2, 4), rates=(0.01, 0.03, 0.1), epochs=1),
    tables(("tanh", "relu"), (2,), rates=(0.01, 0.03, 0.1), seeds=(0, 1, 2), epochs=1),
    tables(("tanh",), (2,), dtypes=("float32", "float64"), subnormal=True, epochs=1),
    tables(("tanh",), (2, 4), skips=("none", "identity"), norms=("none", "batch"), epochs=1),
]
SPECS = FIGURES | dict([of_instrument("q")])


@pytest.mark.parametrize("name", SPECS)
def test_the_users_settings_change_no_file_and_are_not_changed(name, tmp_path):
    spec = SPECS[name]
    study = next(study for study in STUDIES if not spec.data(study).empty)
    suffixes = (".png", ".svg", ".pdf")
    save(spec(study), [tmp_path / f"plain{suffix}" for suffix in suffixes], {})
    with mpl.rc_context(HOSTILE):
        before = dict(mpl.rcParams)
        save(spec(study), [tmp_path / f"hostile{suffix}" for suffix in suffixes], {})
        assert dict(mpl.rcParams) == before
    for suffix in suffixes:
        plain, hostile = (tmp_path / f"{stem}{suffix}" for stem in ("plain", "hostile"))
        assert plain.read_bytes() == hostile.read_bytes(), suffix


def test_the_settings_come_back_after_an_exception():
    before = dict(mpl.rcParams)
    with pytest.raises(ValueError, match="step"):
        FIGURES["gradient_norm_by_layer"].draw(STUDIES[0].layers, step=7)
    assert dict(mpl.rcParams) == before


def test_an_activation_has_one_colour_and_marker_in_every_figure():
    given = tables(SIX)
    figures = [
        first_layer_by_depth(given.layers),
        score_by_depth(given.runs),
        learning_curves(given.curves),
    ]
    expected = {name: palette.ACTIVATIONS[name][0] for name in SIX}
    for figure in figures:
        assert expected.items() <= colour_by_level(figure).items()
        for panel in figure.axes:
            looks = [(line.get_color(), line.get_marker()) for line in lines(panel)]
            assert sorted(looks) == sorted(palette.ACTIVATIONS[name] for name in SIX)


def test_a_legend_names_all_activations():
    curves = tables(tuple(ACTIVATIONS), (2,), epochs=1).curves
    assert {*ACTIVATIONS} <= {*colour_by_level(learning_curves(curves))}


def test_every_activation_and_verdict_has_a_colour():
    assert [*palette.ACTIVATIONS] == [*ACTIVATIONS]
    assert len({marker for _, marker in palette.ACTIVATIONS.values()}) == len(ACTIVATIONS)
    assert [*verdicts.COLOURS] == [*VERDICTS]


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
    seen = [lab(colour, np.array(SIGHT[sight])) for colour, _ in palette.ACTIVATIONS.values()]
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
