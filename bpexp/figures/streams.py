"""Residual and normalised networks at the start: signal propagation, and variants over depth."""

from __future__ import annotations

from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures.gradients import GRADIENT, LAYER, NORM
from bpexp.figures.parts.by_setting import draw_by_setting
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, describe, group, panel_factors, varies
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.selection import at_start, first_layer
from bpexp.figures.parts.style import colours
from bpexp.figures.parts.ticks import integer_ticks

MOMENTS = {
    "stream_variance": "variance of the stream",
    "stream_squared_mean": "squared mean of the stream",
    "branch_variance": "variance of the branch",
}
MOMENT = Quantity("mean square", log=True)


def layers_of_streams(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each run's first probe at layers of the stream."""
    if "stream_variance" not in layers:
        return layers.head(0)
    rows = at_start(layers)
    return rows[rows["stream_variance"].notna()]


@styled
def signal_propagation(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw mean and variance of the residual stream and its branches, layer by layer.

    Signal propagation plots (Brock et al. 2021, arXiv 2101.08692), a panel for each configuration.
    x: layers of the stream, 1 nearest the input. y, log scale, means over units: the variance over
    examples of the stream, that of the branch added to it, and the square of the stream's mean over
    examples. Lines: arithmetic mean over seeds. Thin dashed lines: theory, at step 0 only. Crosses
    at the lower edge: exact zeros.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, source, stream_variance,
            stream_squared_mean and branch_variance.
        look: see `Look`.
    """
    rows = layers_of_streams(layers)
    parts = [
        rows.assign(moment=label, **{MOMENT.name: rows[name]}).dropna(subset=[MOMENT.name])
        for name, label in MOMENTS.items()
    ]
    long = pd.concat(parts, ignore_index=True)
    palette = colours(long, "moment", look)
    panels = make_panels(long, panel_factors(long, []), look, size=(2.7, 2.3), alone=(4.0, 3.0))
    draw_lines(panels.parts, "layer", MOMENT, "moment", palette, markersize=4)
    for panel in panels.axes:
        integer_ticks(panel.xaxis)
    panels.label("Signal propagation at the first probe", x=LAYER, y="mean square")
    legend(panels, "", palette, notes=line_notes(long, MOMENT, "moment"))
    return panels.figure


def variants(layers: pd.DataFrame) -> pd.DataFrame:
    """Return layer 1 at each run's first probe if depth and a skip connection or norm vary."""
    rows = first_layer(layers)
    return rows if _keys(rows) and varies(rows, "depth") else rows.head(0)


@styled
def variants_by_depth(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the gradient norm of layer 1 against depth, a line for each norm and skip connection.

    Other settings that vary, such as the activation, divide the rows into panels. x: hidden layers.
    y, means, dashes, hatching and crosses as in `gradient_by_layer`.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, grad_norm, source, and
            those of skip and norm that vary.
        look: see `Look`.
    """
    rows = variants(layers)
    keys = _keys(rows)
    named = rows.drop(columns=[name for name in rows if group(name) in ("skip", "norm")])
    named["variant"] = [_name(keys, values) for values in rows[keys].itertuples(index=False)]
    panels = draw_by_setting(named, "depth", GRADIENT, look, factor="variant")
    title = "Gradient norm of the first layer at the first probe"
    panels.label(title, x=axis_label("depth"), y=NORM.replace("(l)", "(1)"))
    return panels.figure


def _keys(rows: pd.DataFrame) -> list[str]:
    """Return the columns of skip connections and norms that vary."""
    found = panel_factors(rows, ["depth"]) if len(rows) else []
    return sorted((name for name in found if group(name) in ("skip", "norm")), reverse=True)


def _name(keys: list[str], values: tuple[object, ...]) -> str:
    """Return the choices in words, such as "identity, layer"; "plain" if there are none."""
    words = [
        describe(key, value)
        for key, value in zip(keys, values, strict=True)
        if not (pd.isna(value) or value == "none")  # type: ignore[call-overload]
    ]
    return ", ".join(words) or "plain"
