"""Any instrument: against epoch, or against its last dimension before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.averages import SHARE, UNBOUNDED, Mean
from bpexp.figures.parts import style
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor, levels, panel_factors
from bpexp.figures.parts.legends import legend
from bpexp.figures.parts.lines import draw_lines, line_notes
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.quantities import Quantity
from bpexp.figures.parts.selection import ends_of_training, measured, without_noise
from bpexp.figures.parts.ticks import integer_ticks
from bpexp.figures.spec import FigureSpec
from bpexp.probes import INSTRUMENTS

WITHIN = {
    **dict.fromkeys(("dead", "saturation", "zero_share", "subnormal_share"), SHARE),
    "correlation": (-1.0, 1.0),
    "gradient_correlation": (-1.0, 1.0),
}


def of_instrument(name: str) -> tuple[str, FigureSpec]:
    """Return the file name and the figure of an instrument, chosen by its dimensions.

    Numbers of a run and of its layers are drawn against epoch; an instrument of other dimensions is
    drawn against the last of them, before and after training.
    """
    dims = INSTRUMENTS[name].dims
    columns = (name, "epoch", *dims)
    if dims == ("layer",):
        draw = partial(through_training, instrument=name)
        spec = FigureSpec(draw, "layers", (*columns, "source"), measured)
        return f"{name}_through_training", spec
    if not dims:
        draw = partial(number_through_training, instrument=name)
        return f"{name}_through_training", FigureSpec(draw, name, columns)
    draw = partial(before_and_after, instrument=name)
    return f"{name}_by_{dims[-1]}", FigureSpec(draw, name, (*columns, "step"), ends_of_training)


@styled
def through_training(layers: pd.DataFrame, *, instrument: str, **look: Unpack[Look]) -> Figure:
    """Draw an instrument of one number per layer against epoch: a line for each layer.

    A panel for each configuration. x: epochs done. y: the instrument, on a log scale if its values
    span orders of magnitude. Lines: mean over seeds, geometric on a log scale and arithmetic on a
    linear one; two to five seeds are also drawn one by one, for more seeds the 95 % interval of the
    mean. A line ends where the first of its runs diverges or stops. Darker lines are nearer the
    output. Instruments of the activation leave out the output layer, whose function is another one.

    Args:
        layers: columns run, activation, init, depth, seed, epoch, layer, source and the
            instrument's.
        instrument: a name of `bpexp.probes.INSTRUMENTS`.
        look: see `Look`.
    """
    rows = measured(layers).dropna(subset=[instrument])
    if INSTRUMENTS[instrument].hidden:
        rows = rows[rows["layer"] <= rows["depth"]]
    factor = compared_factor(rows)
    title = f"{_title(instrument)} of each layer through training"
    factors = [factor, *panel_factors(rows, [factor])]
    return _draw(rows, factors, "epoch", instrument, "layer", title, look, least=10)


@styled
def number_through_training(rows: pd.DataFrame, *, instrument: str, **look: Unpack[Look]) -> Figure:
    """Draw an instrument of one number per run against epoch: a line for each activation.

    A line for each initialization if only that varies; other settings that vary divide the rows
    into panels. x, y and lines as in `through_training`.

    Args:
        rows: columns run, activation, init, depth, seed, epoch and the instrument's.
        instrument: a name of `bpexp.probes.INSTRUMENTS`.
        look: see `Look`.
    """
    rows = rows.dropna(subset=[instrument])
    factor = compared_factor(rows)
    title = f"{_title(instrument)} through training"
    factors = panel_factors(rows, [factor])
    return _draw(rows, factors, "epoch", instrument, factor, title, look, least=10)


@styled
def before_and_after(rows: pd.DataFrame, *, instrument: str, **look: Unpack[Look]) -> Figure:
    """Draw an instrument against its last dimension, before and after training.

    x: for ranks, the share of values that are as large or larger; for another dimension, the index.
    y: the instrument, on a log scale if its values span orders of magnitude. A line for each layer
    if the instrument has layers, darker near the output; else for each activation, or
    initialization if only that varies. A panel for each configuration and time. Lines: mean over
    seeds of each network's mean over all other dimensions, such as examples, both geometric on a
    log scale; two to five seeds are also drawn one by one, for more seeds the 95 % interval of the
    mean. Values by rank below 1e-15 of the largest are rounding errors: a line ends at the first of
    them.

    Args:
        rows: columns run, activation, init, depth, seed, step, the instrument's dimensions and its
            own; only each run's first and last probe are drawn.
        instrument: a name of `bpexp.probes.INSTRUMENTS`.
        look: see `Look`.
    """
    *others, last = INSTRUMENTS[instrument].dims
    rows = ends_of_training(rows)
    rows = without_noise(rows, instrument, others) if last == "rank" else rows
    factor = compared_factor(rows)
    hue = "layer" if "layer" in others else factor
    factors = [*({factor} - {hue}), *panel_factors(rows, [factor]), "when"]
    x = "share" if last == "rank" else last
    return _draw(rows, factors, x, instrument, hue, _title(instrument), look)


def _draw(
    rows: pd.DataFrame,
    factors: Sequence[str],
    x: str,
    y: str,
    hue: str,
    title: str,
    look: Look,
    *,
    least: float = 100.0,
) -> Figure:
    """Draw y against x in panels: a line for each level of `hue`, and no markers."""
    quantity = _quantity(y)
    panels = make_panels(
        rows,
        factors,
        look,
        size=(2.6, 2.2),
        alone=(4.0, 3.0),
        shows=lambda part: bool((part[y] != 0).any()),
    )
    by_layer = hue == "layer"
    palette = style.shades(levels(rows, hue), look) if by_layer else style.colours(rows, hue, look)
    draw_lines(panels.parts, x, quantity, hue, palette, least=least, marker="")
    for panel, _ in panels.parts:
        if x != "share":
            integer_ticks(panel.xaxis, most=5)
    label = "share of values as large or larger" if x == "share" else x
    panels.label(title, x=label, y=_words(y))
    notes = line_notes(rows, quantity, hue)
    legend(panels, axis_label(hue), palette, dict.fromkeys(palette, ""), notes=notes)
    return panels.figure


def _quantity(instrument: str) -> Quantity:
    """Return an instrument as an ordinate."""
    if INSTRUMENTS[instrument].log:
        return Quantity(instrument, Mean.GEOMETRIC, log=True)
    return Quantity(instrument, within=WITHIN.get(instrument, UNBOUNDED))


def _words(instrument: str) -> str:
    """Return an instrument's name in words."""
    return instrument.replace("grad_", "gradient_").replace("_", " ")


def _title(instrument: str) -> str:
    """Return an instrument's name with a capital; a symbol, such as q, is unchanged."""
    words = _words(instrument)
    return words if len(words) == 1 else words.capitalize()
