"""Gradient norms through training: a heat map of layer and epoch for each configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from bpexp.analysis.averages import Mean, averages
from bpexp.figures.gradients import LAYER, NORM
from bpexp.figures.parts.cells import cell_edges
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import compared_factor, panel_factors
from bpexp.figures.parts.legends import legend, note_colour
from bpexp.figures.parts.lines import n_seeds
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.selection import measured
from bpexp.figures.parts.style import colour_map
from bpexp.figures.parts.ticks import integer_ticks, log_ticks

ZERO, NOT_FINITE = "#e4e4e4", "#e31a1c"  # neither resembles a colour of viridis


@styled
def gradient_heatmap(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the gradient norm over layer and epoch, a panel for each configuration.

    x: epochs done. y: layer; layer 1, nearest the input, is at the bottom. Colour, on one log scale
    for all panels: Frobenius norm of the weights' gradient, geometric mean over seeds. A cell is
    light grey if a seed is exactly 0, red if a seed is not finite, and white if not all seeds were
    trained to that epoch. Columns are activations, or initializations if only those vary; rows are
    depths; other settings that vary divide panels further.

    Args:
        layers: columns run, activation, init, depth, seed, epoch, layer, grad_norm, source.
        look: see `Look`.
    """
    rows = measured(layers)
    factor = compared_factor(rows)
    factors = [factor, "depth", *panel_factors(rows, [factor, "depth"])]
    panels = make_panels(
        rows, factors, look, size=(1.7, 1.25), alone=(4.0, 2.8), columns=4, sharey="row"
    )
    tables = _tables(panels.rows)
    values = np.concatenate([table.to_numpy(float).ravel() for table in tables])
    norm = LogNorm(*_limits(values))
    images = [
        _draw_cells(panel, table, norm, look)
        for panel, table in zip(panels.axes, tables, strict=True)
    ]
    panels.hide_inner_axes()
    seeds = n_seeds(rows)
    mean = f"{Mean.GEOMETRIC.value} of {seeds} seeds" if seeds > 1 else "one network"
    label = f"{NORM}\n{mean}"
    bar = panels.figure.colorbar(images[0], ax=panels.axes, label=label, aspect=30, fraction=0.05)
    log_ticks(bar.ax.yaxis)
    marks = [(ZERO, "exactly 0", values == 0), (NOT_FINITE, "not finite", np.isinf(values))]
    notes = [note_colour(colour, label) for colour, label, cells in marks if cells.any()]
    legend(panels, "", {}, notes=notes)
    panels.label("Gradient norm of each layer through training", x="epoch", y=LAYER)
    return panels.figure


def _tables(parts: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the gradient norms of each panel, a row for each layer and a column for each epoch.

    A norm is 0 if that of a seed is 0, infinite if that of a seed is not finite, and NaN if a seed
    has none.
    """
    line = ["panel", "layer", "epoch"]
    rows = pd.concat([part.assign(panel=i) for i, part in enumerate(parts)])
    rows = rows.drop_duplicates([*line, "seed"], keep="last")
    norms = rows["grad_norm"]
    worst = rows.assign(zero=norms == 0, broken=~np.isfinite(norms)).groupby(line)
    found = averages(rows, line, "grad_norm", mean=Mean.GEOMETRIC).set_index(line)["grad_norm"]
    found = found.mask(worst["zero"].any(), 0.0).mask(worst["broken"].any(), np.inf)
    return [found[i].unstack("epoch") for i in range(len(parts))]


def _limits(norms: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least and the greatest positive norm, widened to at least one decade."""
    drawable = norms[np.isfinite(norms) & (norms > 0)]
    if not drawable.size:
        return 1.0, 10.0
    low, high = float(np.log10(drawable.min())), float(np.log10(drawable.max()))
    lacking = max(1 - (high - low), 0)  # small variations must not span all colours
    return 10.0 ** (low - lacking / 2), 10.0 ** (high + lacking / 2)


def _draw_cells(
    panel: Axes, table: pd.DataFrame, norm: LogNorm, look: Look
) -> AxesImage | QuadMesh:
    """Draw a panel's cells as an image, with ticks at the first and the last layer."""
    norms = table.to_numpy(float)
    x, y = (cell_edges(axis.to_numpy(float)) for axis in (table.columns, table.index))
    positive = np.isfinite(norms) & (norms > 0)
    cells = np.ma.masked_where(~positive, norms)
    image = panel.pcolorfast(x, y, cells, cmap=colour_map(look), norm=norm)
    for colour, marked in ((ZERO, norms == 0), (NOT_FINITE, np.isinf(norms))):
        if marked.any():
            flat = np.ma.masked_where(~marked, np.ones_like(norms))
            panel.pcolorfast(x, y, flat, cmap=ListedColormap([colour]))
    panel.grid(False)
    integer_ticks(panel.xaxis, most=4)
    panel.yaxis.set_major_locator(FixedLocator([*dict.fromkeys((1, int(table.index.max())))]))
    return image
