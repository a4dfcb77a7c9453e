"""Gradient norms before or after training: against the layer, and of layer 1 against depth."""

from __future__ import annotations

from typing import Any, Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.averages import Mean
from bpexp.figures.parts.by_setting import draw_by_setting
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor, levels, panel_factors
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.selection import Step, at_start, at_step, first_layer
from bpexp.figures.parts.style import shades
from bpexp.figures.parts.ticks import integer_ticks

NORM = r"gradient norm $\Vert\partial C/\partial W^{(l)}\Vert_F$"
GRADIENT = Quantity("grad_norm", Mean.ROOT_MEAN_SQUARE, log=True)  # theory's mean
LAYER = "layer $l$ (1 = nearest the input)"


@styled
def gradient_by_layer(
    layers: pd.DataFrame, *, step: Step = "first", **look: Unpack[Look]
) -> Figure:
    """Draw the gradient norm of each layer: a line for each depth, a panel for each activation.

    Panels are initializations if only those vary; other settings that vary divide panels further.
    x: layer, 1 nearest the input. y, log scale: Frobenius norm of the weights' gradient of the mean
    cost over the probe batch. Lines: root mean square over seeds; two to five seeds are also drawn
    one by one, for more seeds the 95 % interval of the mean. Thin dashed lines: theory, at step 0
    only, the root mean square over draws of the weights in the limit of width. Hatched: 5 % to 95 %
    of simulated single networks of the same width; theory's line may be outside. Crosses at the
    lower edge: exact zeros. A gradient that shrinks by the same factor in every layer is a straight
    line.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, grad_norm, source, and, if
            simulated, grad_norm_lower and grad_norm_upper.
        step: "first" or "last" for the first or last probe of each run, or an optimizer step.
        look: see `Look`.

    Raises:
        ValueError: no run was probed at that step.
    """
    rows = at_start(layers) if step == "first" else at_step(layers, step)
    factor = compared_factor(rows)
    depths = levels(rows, "depth")
    palette = shades(depths, look)
    panels = make_panels(
        rows,
        [factor, *panel_factors(rows, [factor, "depth"])],
        look,
        size=(2.7, 2.3),
        alone=(4.0, 3.0),
    )
    lines: dict[str, Any] = {"markersize": 4, "markeredgewidth": 0.3}
    draw_lines(panels.parts, "layer", GRADIENT, "depth", palette, **lines)
    for panel, _ in panels.parts:
        panel.set_xlim(0.4, max(depths, default=0) + 1.6)  # excludes a tick at 0
        integer_ticks(panel.xaxis)
    panels.label(f"Gradient norm of each layer {_when(rows, step)}", x=LAYER, y=NORM)
    notes = line_notes(rows, GRADIENT, "depth")
    legend(panels, "hidden layers", palette, notes=notes)
    return panels.figure


@styled
def first_layer_by_depth(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the gradient norm of layer 1 at the first probe against depth.

    A line for each activation, or initialization if only that varies; other settings that vary
    divide the rows into panels. x: hidden layers. y, means, dashes, hatching and crosses as in
    `gradient_by_layer`.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, grad_norm, source.
        look: see `Look`.
    """
    rows = first_layer(layers)
    panels = draw_by_setting(rows, "depth", GRADIENT, look)
    title = f"Gradient norm of the first layer {_when(rows, 'first')}"
    panels.label(title, x=axis_label("depth"), y=NORM.replace("(l)", "(1)"))
    return panels.figure


def _when(rows: pd.DataFrame, step: Step) -> str:
    if (rows["step"] == 0).all():
        return "before training"
    return f"at step {step}" if isinstance(step, int) else f"at the {step} probe"
