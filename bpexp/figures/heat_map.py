"""Gradient norms through training: a heat map of layer and epoch for each run."""

from __future__ import annotations

import textwrap
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bpexp.figures.gradients import LAYER
from bpexp.figures.parts.cells import cell_edges
from bpexp.figures.parts.factors import levels, panel_factors, varies
from bpexp.figures.parts.legends import legend, note_colour
from bpexp.figures.parts.panels import MOST_PANELS, grid
from bpexp.figures.parts.selection import measured
from bpexp.figures.parts.style import styled
from bpexp.figures.parts.ticks import integer_ticks

LOG_NORM = r"$\log_{10}\Vert\partial C/\partial W^{(l)}\Vert_F$"
ZERO, NOT_FINITE = "#e4e4e4", "#e31a1c"  # neither resembles a colour of viridis


@styled
def gradient_heatmap(layers: pd.DataFrame) -> Figure:
    """Draw log10 of the gradient norm over layer and epoch, a panel for each run.

    x: epochs done. y: layer, 1 nearest the input, at the bottom. Colour: log10 of the Frobenius
    norm of the weights' gradient, on one scale for all panels; exact zeros are light grey, values
    that are not finite are red. Each panel is one network; nothing is averaged. Panels are ordered
    by activation, init, other settings, seed and depth, so that a row of panels is one
    configuration. Of more than 48 runs those of the first seed are drawn, at most 48; the title
    says so.

    Args:
        layers: columns run, name, activation, init, depth, seed, epoch, layer, grad_norm, source.
    """
    rows = measured(layers)
    shown, note = _select_runs(_in_order(rows))
    by_run = dict(list(rows.groupby("run")))
    tables = [_table(by_run[run]) for run in shown["run"]]
    values = np.concatenate([table.to_numpy(float).ravel() for table in tables] or [np.empty(0)])
    limits = _limits(values)
    size = (1.75, 1.5) if len(shown) > 1 else (4.2, 3.0)
    figure, axes = grid(max(len(shown), 1), columns=_columns(shown), size=size)
    meshes = []
    for panel, name, table in zip(axes, shown["name"], tables, strict=False):
        meshes.append(_draw_mesh(panel, table, limits))
        panel.set_title(textwrap.fill(str(name), 24), fontsize=8 if len(shown) > 1 else None)
    if meshes:
        figure.colorbar(meshes[0], ax=axes, label=LOG_NORM, aspect=30, fraction=0.05)
    figure.supxlabel("epoch")
    figure.supylabel(LAYER)
    marks = [(ZERO, "exactly 0", values == 0), (NOT_FINITE, "not finite", ~np.isfinite(values))]
    notes = [note_colour(colour, label) for colour, label, cells in marks if cells.any()]
    legend(figure, "", {}, notes=notes, loc="outside lower right", ncols=2)
    figure.suptitle(f"Gradient norm of each layer through training{note}")
    return figure


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each run, in the order in which panels are drawn."""
    runs = rows.drop_duplicates("run")
    factors = [name for name in ("activation", "init") if name in runs]
    factors += [name for name in panel_factors(runs, ["depth"]) if name not in factors]
    return runs.sort_values([*factors, "seed", "depth"], kind="stable")


def _select_runs(runs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return at most MOST_PANELS runs, and what the title says if these are not all.

    Many configurations with one seed say more than a few with all seeds.
    """
    if len(runs) <= MOST_PANELS:
        return runs, ""
    seed = levels(runs, "seed")[0]
    shown = runs[runs["seed"] == seed].head(MOST_PANELS)
    return shown, f"\n{len(shown)} of {len(runs)} runs: the first with seed {seed}"


def _columns(runs: pd.DataFrame) -> int:
    """Return how many panels stand in a row: one for each depth, or several such groups."""
    depths = runs["depth"].nunique() if varies(runs, "depth") else min(len(runs), 4)
    depths = min(max(depths, 1), 8)
    return depths if len(runs) <= 8 * depths else depths * (8 // depths)


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a run's gradient norms, a row for each layer and a column for each epoch."""
    cells = rows.drop_duplicates(["layer", "epoch"], keep="last")
    return cells.pivot(index="layer", columns="epoch", values="grad_norm")


def _limits(norms: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least and the greatest finite log10, widened to one decade at least."""
    drawable = norms[np.isfinite(norms) & (norms > 0)]
    if not drawable.size:
        return 0.0, 1.0
    low, high = float(np.log10(drawable.min())), float(np.log10(drawable.max()))
    lacking = max(1 - (high - low), 0)  # noise about a constant must not span all colours
    return low - lacking / 2, high + lacking / 2


def _draw_mesh(panel: Axes, table: pd.DataFrame, limits: tuple[float, float]) -> QuadMesh:
    norms = table.to_numpy(float)
    positive = np.isfinite(norms) & (norms > 0)
    edges = cell_edges(table.columns.to_numpy(float)), cell_edges(table.index.to_numpy(float))
    logs = np.log10(norms, out=np.zeros_like(norms), where=positive)
    cells = np.ma.masked_where(~positive, logs)
    common: dict[str, Any] = {"rasterized": True}  # one image in an SVG instead of a path a cell
    viridis = mpl.colormaps["viridis"].with_extremes(bad=NOT_FINITE)
    mesh = panel.pcolormesh(*edges, cells, cmap=viridis, vmin=limits[0], vmax=limits[1], **common)
    if (norms == 0).any():
        zeros = np.ma.masked_where(norms != 0, norms)
        panel.pcolormesh(*edges, zeros, cmap=ListedColormap([ZERO]), **common)
    panel.grid(False)
    integer_ticks(panel.xaxis, most=4)
    integer_ticks(panel.yaxis, most=4)
    return mesh
