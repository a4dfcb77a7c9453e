"""The decay rate of the gradient before training, against depth."""

from __future__ import annotations

import math
from typing import Any, Unpack

import pandas as pd
from matplotlib.figure import Figure
from scipy.special import stdtrit  # type: ignore[import-untyped]

from bpexp.analysis.columns import require_columns
from bpexp.analysis.summaries import decay, decay_of_stream
from bpexp.figures.parts import style
from bpexp.figures.parts.by_setting import draw_by_setting
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor
from bpexp.figures.parts.lines import n_seeds
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.selection import at_start, measured

RATE, ERROR = "gradient/decay_rate", "gradient/decay_rate_se"
INCREMENTS = "increments"  # the number of increments over which the rate is the mean
LEAST = 4  # increments for an interval; with two, it has 12.7 standard errors


def decay_rates(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the decay rate of each run and source at the run's first probe.

    Args:
        layers: columns run, source, step, layer, delta_norm, for residual networks stream_gradient,
            and the configuration. A frame that already has decay rates is returned unchanged.

    Returns:
        A row for each run and source: the columns of a run, gradient/decay_rate and
        gradient/decay_rate_se (nats per layer), of one network each, and increments, the number of
        increments over which the rate is the mean. Runs with fewer than two hidden layers or with
        exact zeros have no rate and are left out.
    """
    require_columns("layers", layers)
    if RATE in layers:
        return layers
    rows = at_start(layers).sort_values("layer")
    of_run = rows.groupby(["run", "source"], sort=False)
    found = [_decay(run) for _, run in of_run]
    numbers = {
        name: [one.get(name, math.nan) for one in found] for name in (RATE, ERROR, INCREMENTS)
    }
    known = of_run.head(1).assign(**numbers)
    return known.dropna(subset=[RATE]).reset_index(drop=True)


def _decay(run: pd.DataFrame) -> dict[str, float]:
    """Return a run's rate and its error; for a residual network those of the stream's gradient."""
    stream = run.get("stream_gradient")
    if stream is not None and stream.notna().any():
        return {**decay_of_stream(stream.to_numpy(float)), INCREMENTS: stream.count() - 1}
    return {**decay(run["delta_norm"].to_numpy(float)), INCREMENTS: len(run) - 1}


@styled
def decay_rate_by_depth(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the decay rate before training against depth.

    A line for each activation, or initialization if only that varies; other settings that vary
    divide the rows into panels. x: hidden layers. y: mean over layers of
    log(delta_norm^(l) / delta_norm^(l+1)), nats per layer: negative if the gradient vanishes
    towards the input, positive if it explodes. In residual networks the gradient of the stream
    replaces delta_norm. Lines: arithmetic mean over seeds; two to five seeds are also drawn one by
    one, for more seeds the 95 % interval of the mean. Bars, with one seed: the 95 % Student t
    interval from the variation over the layers of that network, if the rate is the mean of at least
    four increments. Thin dashed lines: the rate of theory's root mean squares over draws in the
    limit of width, which for ReLU networks of width n is about 5 / (4 n) above the mean rate of
    single networks.

    Args:
        layers: columns run, activation, init, depth, seed, step, layer, delta_norm, source; or the
            result of `decay_rates`.
        look: see `Look`.
    """
    rates = decay_rates(layers)
    panels = draw_by_setting(rates, "depth", Quantity(RATE), look)
    factor = compared_factor(rates)
    palette = style.colours(rates, factor, look)
    for panel, rows in panels.parts:
        panel.axhline(0, **style.ZERO_LINE)
        if n_seeds(rates) > 1:
            continue
        for level, part in measured(rows).groupby(factor, observed=True):
            bars: dict[str, Any] = {"fmt": "none", "ecolor": palette[level], "elinewidth": 1}
            part = part[part[INCREMENTS] >= LEAST]
            half = stdtrit(part[INCREMENTS] - 1, 0.975) * part[ERROR]
            panel.errorbar(part["depth"], part[RATE], yerr=half, capsize=2, **bars)
    title = "Decay rate of the gradient before training"
    panels.label(title, x=axis_label("depth"), y="decay rate (nats a layer)")
    return panels.figure
