"""Floating-point range and precision: gradients that left their dtype, float32 against float64."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpexp.analysis.averages import SHARE, Mean
from bpexp.analysis.precision import match_precisions
from bpexp.figures.gradients import LAYER
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import compared_factor, panel_factors, varies
from bpexp.figures.parts.legends import legend, note_colour
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.selection import at_step, measured
from bpexp.figures.parts.style import chosen
from bpexp.figures.parts.ticks import integer_ticks

SHARES = {"zero_share": "exactly 0", "subnormal_share": "subnormal"}
COLOURS = {"exactly 0": "#222222", "subnormal": "#d55e00"}
SHARE_OUT = Quantity("share", within=SHARE)
DIFFERENCE = Quantity("difference", Mean.GEOMETRIC, log=True)
NOT_FINITE = {"z not finite": "#f4a8a4", "delta not finite": "#fbe3e1"}
WHEN = {"before training": "#222222", "at the end": "#d55e00"}


def out_of_range(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each run's first probe if any gradient is subnormal or not finite."""
    if "subnormal_share" not in layers:
        return layers.head(0)
    rows = at_step(measured(layers), "first")
    out = (rows["subnormal_share"] > 0) | ~np.isfinite(rows["delta_norm"])
    return rows if out.any() else rows.head(0)


@styled
def range_by_layer(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the share of each layer's gradient that is outside the normal range of its dtype.

    A panel for each configuration, before training. x: layer, 1 nearest the input. y: share of the
    entries of dC/dW^(l) that are exactly 0, and share of those that are subnormal. Lines:
    arithmetic mean over seeds; two to five seeds are also drawn one by one, for more seeds the 95 %
    interval of the mean. They have gaps where a run is not finite. Red: layers whose z is not
    finite in at least one run; pale red: layers of which only delta is not finite.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, zero_share,
            subnormal_share, q, delta_norm, source.
        look: see `Look`.
    """
    rows = at_step(measured(layers), "first")
    factor = compared_factor(rows)
    panels = make_panels(
        rows,
        [factor, *panel_factors(rows, [factor])],
        look,
        size=(2.6, 2.0),
        alone=(4.0, 3.0),
        shows=lambda part: bool((part[[*SHARES]] != 0).any(axis=None) or _broken(part).any()),
    )
    palette = chosen(COLOURS, look)
    for panel, part in panels.parts:
        finite = _shade_not_finite(panel, part)
        keys = [name for name in ("layer", "seed") if name in part]
        shares = part.assign(**{name: part[name].where(finite) for name in SHARES})
        shares = shares.rename(columns=SHARES)
        shares = shares.melt(keys, [*SHARES.values()], "kind", "share")
        draw_lines([(panel, shares)], "layer", SHARE_OUT, "kind", palette, marker="")
        panel.set(ylim=(-0.03, 1.03), xlim=(0.4, rows["layer"].max() + 0.6))
        integer_ticks(panel.xaxis)
    title = "Gradients outside the range of their dtype, before training"
    panels.label(title, x=LAYER, y=r"share of the entries of $\partial C/\partial W^{(l)}$")
    notes = line_notes(rows.assign(kind=None), SHARE_OUT, "kind")
    if _broken(rows).any():
        notes += [note_colour(colour, label) for label, colour in NOT_FINITE.items()]
    legend(panels, "entries", palette, notes=notes)
    return panels.figure


def _broken(rows: pd.DataFrame) -> pd.Series[bool]:
    broken: pd.Series[bool] = ~np.isfinite(rows["delta_norm"])
    return broken


def _shade_not_finite(panel: Axes, rows: pd.DataFrame) -> pd.Series[bool]:
    """Shade the layers that are not finite in at least one run; return which rows are finite."""
    finite = pd.Series(True, rows.index)
    for column, colour in zip(("q", "delta_norm"), NOT_FINITE.values(), strict=True):
        broken = ~np.isfinite(rows[column])
        for layer in rows.loc[broken & finite, "layer"].unique():
            panel.axvspan(layer - 0.5, layer + 0.5, color=colour, linewidth=0, zorder=0)
        finite &= ~broken
    return finite


def both_precisions(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each run's first and last probe if there are runs of both dtypes."""
    return _ends(layers) if varies(layers, "dtype") else layers.head(0)


def _ends(layers: pd.DataFrame) -> pd.DataFrame:
    rows = measured(layers)
    ends = pd.concat([at_step(rows, "first"), at_step(rows, "last")])
    return ends.drop_duplicates(["run", "step", "layer"])


@styled
def precision_by_layer(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the relative difference of float32 gradient norms from those of float64.

    Each float32 run is compared with the float64 run of the same configuration and seed. A line
    before training and one at its end; a panel for each configuration. x: layer, 1 nearest the
    input. y, log scale: |float32 / float64 - 1| of the weights' gradient norm. It is about 1e-7 for
    the rounding of float32, and 1 if no digit agrees, as when float32 has only zeros. Lines:
    geometric mean over seeds, each a pair of networks; two to five seeds are also drawn one by one,
    for more seeds the 95 % interval of the mean. Lines have gaps where float32 is not finite.

    Args:
        layers: columns run, dtype, activation, init, depth, seed, step, epoch, layer, grad_norm,
            source.
        look: see `Look`.
    """
    rows = _ends(layers)
    factor = compared_factor(rows)
    same = [factor, "depth", "seed", *panel_factors(rows, [factor, "depth", "dtype"])]
    pairs = match_precisions(rows, "grad_norm", same)
    when = np.where(pairs["epoch"] == 0, *WHEN)
    pairs = pairs.assign(when=pd.Categorical(when, [*WHEN], ordered=True))
    factors = [factor, *panel_factors(pairs, [factor])]
    panels = make_panels(pairs, factors, look, size=(2.6, 2.2), alone=(4.0, 3.0))
    palette = chosen(WHEN, look)
    draw_lines(panels.parts, "layer", DIFFERENCE, "when", palette, marker="")
    for panel, _ in panels.parts:
        panel.set_xlim(0.4, rows["layer"].max() + 0.6)
        integer_ticks(panel.xaxis)
    title = "float32 against float64, same draws"
    panels.label(title, x=LAYER, y="relative difference of the gradient norm")
    legend(panels, "", palette, notes=line_notes(pairs, DIFFERENCE, "when"))
    return panels.figure
