"""Figures of dead units, frozen layers and floating-point precision, layer by layer."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpexp.analysis.precision import match_precisions
from bpexp.figures import style
from bpexp.figures.frames import (
    at_step,
    compared,
    levels,
    measured,
    parted,
    settings,
    varies,
)
from bpexp.figures.lines import draw_lines, notes
from bpexp.figures.scores import draw_scores, score_name

RANGE = {"exactly 0": "#222222", "subnormal": "#d55e00"}
BROKEN = {"z not finite": "#f4a8a4", "delta not finite": "#fbe3e1"}
WHEN = ("before training", "at the end")


def dying(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each run's last probe where units die and several learning rates are compared.

    Without the runs that diverged: of numbers that are not finite no slope is known.
    """
    if "dead" not in layers:
        return layers.head(0)
    rows: pd.DataFrame = at_step(measured(layers), "last")
    rows = rows[np.isfinite(rows["delta_norm"])]
    return rows if (rows["dead"] > 0).any() and varies(rows, "lr") else rows.head(0)


@style.styled
def dead_by_rate(layers: pd.DataFrame) -> Figure:
    """Draw the share of dead units after training against learning rate, a line a hidden layer.

    A panel an activation, or an init if only that varies; other settings part panels further.
    x: learning rate, log scale. y: share of a layer's units whose slope is 0 on the whole probe
    batch. Lines and bands: mean over seeds and its 95 % Student t interval.

    Args:
        layers: rows as `dying` returns them: columns run, activation, init, depth, seed, lr, step,
            layer, dead, delta_norm, source.
    """
    rows = layers.dropna(subset=["dead"])
    main = compared(rows)
    parts = parted(rows, [main, *settings(rows, [main, "lr"])])
    numbers = [int(layer) for layer in levels(rows, "layer")]
    palette = style.shades(numbers)
    size = (2.9, 2.4) if len(parts) > 1 else (4.6, 3.4)
    figure, axes = style.panels(len(parts), columns=4, size=size, sharex=True, sharey=True)
    pairs = [(panel, part) for panel, (_, part) in zip(axes, parts, strict=True)]
    draw_lines(pairs, "lr", "dead", "layer", palette, markersize=4, markeredgewidth=0.3)
    for panel, (title, _) in zip(axes, parts, strict=True):
        panel.set(title=title, xscale="log", ylim=(-0.03, 1.03))
    figure.supxlabel("learning rate")
    figure.supylabel("share of dead units")
    few = style.thinned(numbers)
    style.legend(
        figure,
        "layer",
        {n: palette[n] for n in few},
        dict.fromkeys(few, ""),
        notes=notes(rows, "dead"),
    )
    figure.suptitle("Dead units after training")
    return figure


def prefixed(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs if they differ in how many of their first layers are frozen."""
    return runs if varies(runs, "frozen") else runs.head(0)


@style.styled
def score_by_frozen(runs: pd.DataFrame) -> Figure:
    """Draw the test score against the number of frozen layers, a line an activation.

    A line an initialization if only that varies; other settings, such as depth, part panels.
    x: how many of the first layers kept their initial weights. y: the task's primary metric, as in
    `score_by_depth`. Lines and bands: mean over seeds and its 95 % Student t interval. Where the
    line is flat, training these layers does not improve the network. Dotted: the best constant
    guess.

    Args:
        runs: columns run, activation, init, depth, seed, frozen, accuracy/test or the primary
            metric of another task, chance.
    """
    figure = draw_scores(runs, "frozen")
    figure.supxlabel("first layers frozen")
    figure.suptitle(f"Test {score_name(runs, 'test')} with the first layers frozen")
    return figure


def leaving_range(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each run's first probe if some gradient is subnormal or not finite."""
    if "subnormal_share" not in layers:
        return layers.head(0)
    rows = at_step(measured(layers), "first")
    left = (rows["subnormal_share"] > 0) | ~np.isfinite(rows["delta_norm"])
    return rows if left.any() else rows.head(0)


@style.styled
def range_by_layer(layers: pd.DataFrame) -> Figure:
    """Draw how much of each layer's gradient left its dtype's range, a panel a configuration.

    x: layer, 1 nearest the input. y: share of the entries of dC/dW^(l) that are exactly 0, and that
    are subnormal. Lines and bands: mean over seeds and its 95 % Student t interval. Red: layers
    whose z is not finite in some run; pale: whose delta alone is not.

    Args:
        layers: rows as `leaving_range` returns them: columns run, activation, init, depth, seed,
            step, layer, zero_share, subnormal_share, q, delta_norm, source.
    """
    main = compared(layers)
    parts = parted(layers, [main, *settings(layers, [main])])
    columns = 3 if len(parts) in (3, 5, 6, 9) else 4
    size = (2.6, 2.0) if len(parts) > 1 else (4.4, 3.0)
    figure, axes = style.panels(len(parts), columns=columns, size=size, sharex=True, sharey=True)
    names = {"zero_share": "exactly 0", "subnormal_share": "subnormal"}
    for panel, (title, part) in zip(axes, parts, strict=True):
        finite = _shade_not_finite(panel, part)
        shares = (
            part[finite]
            .rename(columns=names)
            .melt([c for c in ("layer", "seed") if c in part], [*names.values()], "kind", "share")
        )
        draw_lines([(panel, shares)], "layer", "share", "kind", RANGE, marker="")
        panel.set(title=title, ylim=(-0.03, 1.03), xlim=(0.4, layers["layer"].max() + 0.6))
        style.whole(panel.xaxis)
    figure.supxlabel("layer $l$ (1 = nearest the input)")
    figure.supylabel("share of the entries of $\\partial C/\\partial W^{(l)}$")
    shades = [style.note_patch(colour, label) for label, colour in BROKEN.items()]
    whole = np.isfinite(layers["delta_norm"]).all()
    also = [*notes(layers, "zero_share"), *([] if whole else shades)]
    style.legend(figure, "entries", RANGE, notes=also)
    figure.suptitle("Gradients that left the range of their dtype, before training")
    return figure


def twinned(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each run's first and last probe if both dtypes were trained."""
    if not varies(layers, "dtype"):
        return layers.head(0)
    rows = measured(layers)
    return pd.concat([at_step(rows, "first"), at_step(rows, "last")]).drop_duplicates(
        ["run", "step", "layer"]
    )


@style.styled
def twins_by_layer(layers: pd.DataFrame) -> Figure:
    """Draw how far float32 runs are from their float64 twins, a line a probe in time.

    x: layer, 1 nearest the input. y: |float32 / float64 - 1| of the weights' gradient norm, log
    scale: 1e-7 is float32's rounding, 1 is no digit right, as where float32 has only zeros. Lines
    and bands: geometric mean over seeds and its 95 % Student t interval. A panel a configuration.
    Layers where float32 is not finite are left out.

    Args:
        layers: rows as `twinned` returns them: columns run, dtype, activation, init, depth, seed,
            step, epoch, layer, grad_norm, source.
    """
    main = compared(layers)
    same = [main, "depth", "seed", *settings(layers, [main, "depth", "dtype"])]
    pairs = match_precisions(layers, "grad_norm", same)
    pairs = pairs[np.isfinite(pairs["difference"])]
    when = np.where(pairs["epoch"] == 0, *WHEN)
    pairs = pairs.assign(when=pd.Categorical(when, WHEN, ordered=True))
    parts = parted(pairs, [main, *settings(pairs, [main])])
    size = (2.6, 2.2) if len(parts) > 1 else (4.4, 3.2)
    figure, axes = style.panels(len(parts), columns=4, size=size, sharex=True, sharey=True)
    halves = [(panel, part) for panel, (_, part) in zip(axes, parts, strict=True)]
    palette = dict(zip(WHEN, RANGE.values(), strict=True))
    draw_lines(halves, "layer", "difference", "when", palette, log=True, marker="")
    for panel, (title, _) in zip(axes, parts, strict=True):
        panel.set(title=title, xlim=(0.4, layers["layer"].max() + 0.6))
        style.whole(panel.xaxis)
    figure.supxlabel("layer $l$ (1 = nearest the input)")
    figure.supylabel("relative difference of the gradient norm")
    style.legend(figure, "", palette, notes=notes(pairs, "difference", log=True))
    figure.suptitle("float32 against its float64 twin")
    return figure


def _shade_not_finite(panel: Axes, rows: pd.DataFrame) -> pd.Series[bool]:
    """Shade the layers whose numbers are not finite in some run; return which rows are finite."""
    finite = pd.Series(True, rows.index)
    for column, colour in zip(("q", "delta_norm"), BROKEN.values(), strict=True):
        broken = ~np.isfinite(rows[column])
        for layer in rows.loc[broken & finite, "layer"].unique():
            panel.axvspan(layer - 0.5, layer + 0.5, color=colour, linewidth=0, zorder=0)
        finite &= ~broken
    return finite
