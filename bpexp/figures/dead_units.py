"""Dead units after training, against the learning rate."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.averages import SHARE
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import compared_factor, levels, panel_factors, varies
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import MOST_INTERVALS, draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.selection import at_step, measured
from bpexp.figures.parts.style import shades
from bpexp.figures.parts.ticks import log_ticks

DEAD = Quantity("dead", within=SHARE)


def dead_after_training(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that `dead_by_rate` draws if any unit died and learning rates vary."""
    if "dead" not in layers:
        return layers.head(0)
    rows = _after_training(layers)
    return rows if (rows["dead"] > 0).any() and varies(rows, "lr") else rows.head(0)


def _after_training(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each run's last probe; the share of dead units is NaN if the run diverged."""
    rows = at_step(measured(layers), "last")
    return rows.assign(dead=rows["dead"].where(np.isfinite(rows["delta_norm"])))


@styled
def dead_by_rate(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the share of dead units after training against learning rate.

    A line for each hidden layer; a panel for each activation, or init if only that varies; other
    settings that vary divide panels further. x: learning rate, log scale. y: share of a layer's
    units whose slope g' is 0 on the whole probe batch. Lines: arithmetic mean over seeds; two to
    five seeds are also drawn one by one, for more seeds and at most eight layers the 95 % interval
    of the mean. A run that diverged has no slopes: the lines have a gap there, with dots for the
    other seeds.

    Args:
        layers: columns run, activation, init, depth, seed, lr, step, layer, dead, delta_norm,
            source.
        look: see `Look`.
    """
    rows = _after_training(layers)
    rows = rows[rows["layer"] <= rows["depth"]]  # the output layer has no slopes
    factor = compared_factor(rows)
    palette = shades([int(layer) for layer in levels(rows, "layer")], look)
    panels = make_panels(
        rows,
        [factor, *panel_factors(rows, [factor, "lr"])],
        look,
        size=(2.7, 2.3),
        alone=(4.0, 3.0),
        shows=lambda part: bool((part["dead"] > 0).any()),
    )
    marker = "o" if len(palette) <= MOST_INTERVALS else ""
    marks: dict[str, Any] = {"marker": marker, "markersize": 4, "markeredgewidth": 0.3}
    draw_lines(panels.parts, "lr", DEAD, "layer", palette, **marks)
    for panel, _ in panels.parts:
        panel.set(xscale="log", ylim=(-0.03, 1.03))
        log_ticks(panel.xaxis)
    panels.label("Dead units after training", x="learning rate", y="share of dead units")
    notes = line_notes(rows, DEAD, "layer")
    legend(panels, "layer", palette, dict.fromkeys(palette, ""), notes=notes)
    return panels.figure
