"""Several instruments of one network against the layer, measured and predicted."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpexp.analysis.averages import SHARE
from bpexp.figures.instruments import WITHIN
from bpexp.figures.parts.drawing import Drawing, styled
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.ticks import integer_ticks, log_ticks
from bpexp.probes import INSTRUMENTS

SHOWN = (
    *("grad_norm", "delta_norm", "q", "correlation"),
    *("weight_factor", "slope_factor", "saturation", "dead"),
)
COLUMNS = 4


@styled
def layer_profiles(layers: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw instruments of one network against the layer, a panel for each that is defined.

    x: layer, 1 nearest the input. y: the instrument, on a log scale if its values span orders of
    magnitude. Points: measured. Dashed line: predicted by mean field.

    Args:
        layers: columns layer, source and those of the instruments, of one network at one step.
        look: see `Look`; there is no legend.
    """
    shown = [name for name in SHOWN if name in layers and _measured(layers)[name].notna().any()]
    rows = -(-len(shown) // COLUMNS)
    width = look.get("width", 2.3 * min(len(shown), COLUMNS))
    figure = Drawing(figsize=(width, 2.0 * rows + 0.4), layout="constrained")
    for index, name in enumerate(shown):
        axes = figure.add_subplot(rows, COLUMNS if rows > 1 else len(shown), index + 1)
        for part, style in ((_measured(layers), "o-"), (_expected(layers), "k--")):
            if name in part:
                axes.plot(part["layer"], part[name], style, markersize=3, linewidth=1)
        if INSTRUMENTS[name].log:
            _scale(axes, layers[name])
        elif WITHIN[name] == SHARE:
            axes.set_ylim(-0.05, 1.05)
        axes.set_title(name, fontsize="small")
        integer_ticks(axes.xaxis)
    title = look.get("title", True)
    if title:
        own = "Each layer, measured (points) and expected (dashed)"
        figure.suptitle(own if title is True else title, fontsize="medium")
    figure.supxlabel("layer $l$ (1 = nearest the input)", fontsize="small")
    return figure


def _scale(axes: Axes, values: pd.Series[float]) -> None:
    """Set a log axis that spans at least a power of ten."""
    positive = values[values > 0]
    if positive.empty:
        return
    low, high = positive.min(), positive.max()
    wider = max(1.2, float(np.sqrt(10 * low / high)))
    axes.set_yscale("log")
    axes.set_ylim(low / wider, high * wider)
    log_ticks(axes.yaxis)


def _measured(layers: pd.DataFrame) -> pd.DataFrame:
    return layers[layers["source"] == "measured"]


def _expected(layers: pd.DataFrame) -> pd.DataFrame:
    return layers[layers["source"] == "theory"]
