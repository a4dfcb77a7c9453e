"""Figures of gradients: against layer, against depth, and through training."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bpexp.figures import style
from bpexp.figures.frames import (
    Step,
    at_start,
    at_step,
    compared,
    first_layer,
    levels,
    measured,
    parted,
    settings,
    varies,
)
from bpexp.figures.lines import draw_lines, notes

NORM = r"$\Vert\partial C/\partial W^{(l)}\Vert_F$"
MOST_PANELS = 48
ZERO, NOT_FINITE = "#e4e4e4", "#e31a1c"  # neither is near any colour of viridis


@style.styled
def gradient_by_layer(layers: pd.DataFrame, *, step: Step = "first") -> Figure:
    """Draw the gradient norm against layer: a line a depth, a panel an activation.

    A panel an initialization if only that varies; other settings that vary part panels further.
    x: layer, 1 nearest the input. y: Frobenius norm of the weights' gradient, log scale. Lines and
    bands: geometric mean over seeds and its 95 % Student t interval. Thin and dashed: theory.
    Crosses at the lower edge: exact zeros. Geometric decay towards the input
    is a straight line here.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, grad_norm, source.
        step: each run's first or last probe, or an optimizer step.

    Raises:
        ValueError: no run was probed at that step.
    """
    rows = at_start(layers) if step == "first" else at_step(layers, step)
    main = compared(rows)
    parts = parted(rows, [main, *settings(rows, [main, "depth"])])
    depths = levels(rows, "depth")
    palette = style.shades(depths)
    columns = 3 if len(parts) in (3, 5, 6, 9) else 4
    size = (2.7, 2.3) if len(parts) > 1 else (4.2, 3.0)
    figure, axes = style.panels(len(parts), columns=columns, size=size, sharex=True, sharey=True)
    pairs = [(panel, part) for panel, (_, part) in zip(axes, parts, strict=True)]
    draw_lines(
        pairs, "layer", "grad_norm", "depth", palette, log=True, markersize=4, markeredgewidth=0.3
    )
    for panel, (title, _) in zip(axes, parts, strict=True):
        panel.set_title(title)
        panel.set_xlim(0.4, max(depths, default=0) + 1.6)  # so that there is no tick at 0
        style.whole(panel.xaxis)
    figure.supxlabel("layer $l$ (1 = nearest the input)")
    figure.supylabel(f"gradient norm {NORM}")
    style.legend(figure, "hidden layers", palette, notes=notes(rows, "grad_norm", log=True))
    figure.suptitle(f"Gradient norm of each layer {_when(rows, step)}")
    return figure


@style.styled
def first_layer_by_depth(layers: pd.DataFrame) -> Figure:
    """Draw the first layer's gradient norm at the first probe against depth, a line an activation.

    A line an initialization if only that varies; other settings that vary part panels.
    x: hidden layers. y: Frobenius norm of the first weights' gradient, log scale. Lines, bands,
    dashes and crosses as in `gradient_by_layer`.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, grad_norm, source.
    """
    rows = first_layer(layers)
    figure, _ = by_depth(rows, "grad_norm", log=True)
    figure.supylabel(f"gradient norm {NORM.replace('(l)', '(1)')}")
    figure.suptitle(f"Gradient norm of the first layer {_when(rows, 'first')}")
    return figure


def by_depth(
    rows: pd.DataFrame,
    y: str,
    *,
    hue: str | None = None,
    log: bool = False,
    also: Sequence[Artist] = (),
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """Draw a number against depth as `by_setting` does; return panels with their rows."""
    figure, panels = by_setting(rows, "depth", y, hue=hue, log=log, also=also)
    figure.supxlabel("hidden layers")
    return figure, panels


def by_setting(
    rows: pd.DataFrame,
    x: str,
    y: str,
    *,
    hue: str | None = None,
    log: bool = False,
    also: Sequence[Artist] = (),
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """Draw y against x, a line an activation (or init); return panels with their rows.

    Args:
        rows: columns run, activation, init, depth, seed, x, y, and if need be source.
        x: a numeric setting, such as depth.
        y: the number's column.
        hue: the factor whose levels are lines, if not the activation or init that varies.
        log: draw it on a log axis.
        also: what else the legend explains.
    """
    main = hue or compared(rows)
    parts = parted(rows, settings(rows, [main, x]))
    palette, shapes = style.colours(rows, main), style.markers(rows, main)
    size = (2.7, 2.4) if len(parts) > 1 else (4.6, 3.4)
    figure, axes = style.panels(len(parts), columns=4, size=size, sharex=True, sharey=True)
    pairs = [(panel, part) for panel, (_, part) in zip(axes, parts, strict=True)]
    draw_lines(pairs, x, y, main, palette, markers=shapes, log=log, markersize=6)
    for panel, (title, _) in zip(axes, parts, strict=True):
        panel.set_title(title)
        style.ticks(panel.xaxis, levels(rows, x))
    shown = {name: palette[name] for name in levels(rows, main)}
    style.legend(figure, main, shown, shapes, notes=[*notes(rows, y, log=log), *also])
    return figure, pairs


@style.styled
def gradient_heatmap(layers: pd.DataFrame) -> Figure:
    """Draw log10 of the gradient norm as a heat map, layer against epoch, a panel a run.

    x: epochs done. y: layer, 1 nearest the input, at the bottom. Colour: log10 of the Frobenius
    norm of the weights' gradient, one scale for all panels; exact zeros are light grey, what is not
    finite is red. Panels are in the order of activation, init, other settings, seed and depth, so
    that a row is one configuration. Of more than 48 runs those of the first seed are drawn, and of
    these 48 at most; the title says so.

    Args:
        layers: columns run, name, activation, init, depth, seed, epoch, layer, grad_norm, source.
    """
    rows = measured(layers)
    shown, cut = _fitting(_in_order(rows))
    by_run = dict(list(rows.groupby("run")))
    tables = [_table(by_run[run]) for run in shown["run"]]
    values = np.concatenate([table.to_numpy(float).ravel() for table in tables] or [np.empty(0)])
    scale = _scale(values)
    size = (1.75, 1.5) if len(shown) > 1 else (4.2, 3.0)
    figure, axes = style.panels(max(len(shown), 1), columns=_across(shown), size=size)
    meshes = []
    for panel, name, table in zip(axes, shown["name"], tables, strict=False):
        meshes.append(_draw_cells(panel, table, scale))
        panel.set_title(textwrap.fill(str(name), 24), fontsize=8 if len(shown) > 1 else None)
    if meshes:
        label = rf"$\log_{{10}}$ of gradient norm {NORM}"
        figure.colorbar(meshes[0], ax=axes, label=label, aspect=30, fraction=0.05)
    figure.supxlabel("epoch")
    figure.supylabel("layer $l$ (1 = nearest the input)")
    marks = [(ZERO, "exactly 0", values == 0), (NOT_FINITE, "not finite", ~np.isfinite(values))]
    patches = [style.note_patch(colour, label) for colour, label, cells in marks if cells.any()]
    style.legend(figure, "", {}, notes=patches, loc="outside lower right", ncols=2)
    figure.suptitle(f"Gradient norm of each layer through training{cut}")
    return figure


def _when(rows: pd.DataFrame, step: Step) -> str:
    if (rows["step"] == 0).all():
        return "before training"
    return f"at step {step}" if isinstance(step, int) else f"at the {step} probe"


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run, in the order in which panels are drawn."""
    runs = rows.drop_duplicates("run")
    factors = [name for name in ("activation", "init") if name in runs]
    factors += [name for name in settings(runs, ["depth"]) if name not in factors]
    return runs.sort_values([*factors, "seed", "depth"], kind="stable")


def _fitting(runs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the runs that fit a figure, and what its title says if they are not all.

    Rather every setting once than a few with all their seeds.
    """
    if len(runs) <= MOST_PANELS:
        return runs, ""
    seed = levels(runs, "seed")[0]
    shown = runs[runs["seed"] == seed].head(MOST_PANELS)
    return shown, f"\n{len(shown)} of {len(runs)} runs: the first with seed {seed}"


def _across(runs: pd.DataFrame) -> int:
    """Choose the panels in a row: a column a depth where that makes a grid of bearable height."""
    depths = runs["depth"].nunique() if varies(runs, "depth") else min(len(runs), 4)
    depths = min(max(depths, 1), 8)
    return depths if len(runs) <= 8 * depths else depths * (8 // depths)


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a run's gradient norms, layer by epoch."""
    cells = rows.drop_duplicates(["layer", "epoch"], keep="last")
    return cells.pivot(index="layer", columns="epoch", values="grad_norm")


def _scale(norms: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least and greatest finite logarithm, a decade apart at least."""
    drawable = norms[np.isfinite(norms) & (norms > 0)]
    if not drawable.size:
        return 0.0, 1.0
    low, high = float(np.log10(drawable.min())), float(np.log10(drawable.max()))
    lacking = max(1 - (high - low), 0)  # noise about a constant shall look small
    return low - lacking / 2, high + lacking / 2


def _draw_cells(panel: Axes, table: pd.DataFrame, scale: tuple[float, float]) -> QuadMesh:
    norms = table.to_numpy(float)
    positive = np.isfinite(norms) & (norms > 0)
    edges = _edges(table.columns.to_numpy(float)), _edges(table.index.to_numpy(float))
    logs = np.log10(norms, out=np.zeros_like(norms), where=positive)
    cells = np.ma.masked_where(~positive, logs)
    # one image of pixels in an SVG, not thousands of paths
    common: dict[str, Any] = {"rasterized": True}
    viridis = mpl.colormaps["viridis"].with_extremes(bad=NOT_FINITE)
    mesh = panel.pcolormesh(*edges, cells, cmap=viridis, vmin=scale[0], vmax=scale[1], **common)
    if (norms == 0).any():
        zeros = np.ma.masked_where(norms != 0, norms)
        panel.pcolormesh(*edges, zeros, cmap=ListedColormap([ZERO]), **common)
    panel.grid(False)
    style.whole(panel.xaxis, most=4)
    style.whole(panel.yaxis, most=4)
    return mesh


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of cells about these centres: halfway between neighbours."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    inner: NDArray[np.float64] = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])
