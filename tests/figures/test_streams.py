"""Signal propagation and the comparison of variants."""

from __future__ import annotations

import numpy as np
from figures.artists import legend_of, lines, titles
from figures.made_up import tables

from bpexp.figures import signal_propagation, variants_by_depth

VARIANTS = {"skips": ("none", "identity"), "norms": ("none", "batch")}


def test_signal_propagation_draws_the_streams_of_residual_networks():
    layers = tables(("tanh",), (4,), **VARIANTS).layers
    figure = signal_propagation(layers)
    assert titles(figure) == ["batch", "no norm"]  # of the norms; plain networks have no stream
    for panel in figure.axes:
        branch, mean, stream = lines(panel)  # in the order of their names
        np.testing.assert_array_equal(stream.get_xdata(), [1, 2, 3, 4])
        assert {tuple(line.get_ydata()) for line in (branch, mean, stream)} == {
            (1.0, 1.0, 1.0),
            (0.1, 0.1, 0.1, 0.1),
            (1.0, 2.0, 3.0, 4.0),
        }
        assert len(lines(panel, theory=True)) == 3


def test_variants_are_lines_of_one_panel_with_theory():
    layers = tables(("relu",), (2, 4, 8), **VARIANTS).layers
    figure = variants_by_depth(layers)
    (panel,) = figure.axes
    words = [text.get_text() for text in legend_of(figure).get_texts()]
    assert {"plain", "identity", "batch", "identity, batch"} <= {*words}
    assert len(lines(panel)) == len(lines(panel, theory=True)) == 4
    start = layers[(layers["step"] == 0) & (layers["layer"] == 1)]
    own = start[(start["skip"] == "identity") & (start["norm"] == "batch")]
    expected = own[own["source"] == "measured"]["grad_norm"].to_numpy()
    assert any(np.allclose(line.get_ydata(), expected, rtol=1e-12) for line in lines(panel))
