"""Figures of any instrument, chosen by its dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures import style
from bpexp.figures.drawing import Drawing
from bpexp.figures.frames import compared, levels, measured, parted, settings
from bpexp.figures.gradients import MOST_PANELS
from bpexp.figures.lines import draw_lines, notes
from bpexp.probes import INSTRUMENTS

NOISE = 1e-15  # singular values below this share of the largest are rounding errors


def of_instrument(name: str) -> tuple[str, Drawing]:
    """Return the name and the drawing of the figure of an instrument.

    Numbers of a run and of its layers are drawn against epoch; what has other dimensions is drawn
    against the last of them, before and after training.
    """
    dims = INSTRUMENTS[name].dims
    columns = (name, "epoch", *dims)
    if dims == ("layer",):
        draw = partial(through_training, instrument=name)
        return f"{name}_through_training", Drawing(draw, "layers", (*columns, "source"), measured)
    if not dims:
        draw = partial(number_through_training, instrument=name)
        return f"{name}_through_training", Drawing(draw, name, columns)
    draw = partial(before_and_after, instrument=name)
    return f"{name}_by_{dims[-1]}", Drawing(draw, name, (*columns, "step"), ends_of_training)


@style.styled
def through_training(layers: pd.DataFrame, *, instrument: str) -> Figure:
    """Draw an instrument of one number a layer against epoch: a line for each layer.

    A panel for each configuration. x: epochs done. y: the instrument, on a log axis if its values
    span orders of magnitude. Lines and bands: mean over seeds (geometric on a log axis) and its
    95 % Student t interval. Dark lines are near the output, whose own value is left out where it
    is of another function. Of more than 48 configurations the first 48 are drawn, and the title
    says so.

    Args:
        layers: columns run, activation, init, depth, seed, epoch, layer, source and the
            instrument's.
        instrument: a name of `bpexp.probes.INSTRUMENTS`.
    """
    row = INSTRUMENTS[instrument]
    rows = measured(layers).dropna(subset=[instrument])
    if row.hidden:
        rows = rows[rows["layer"] <= rows["depth"]]
    main = compared(rows)
    title = f"{_words(instrument).capitalize()} of each layer through training"
    factors = [main, *settings(rows, [main])]
    return _lines(rows, factors, "epoch", instrument, "layer", title, least=10)


@style.styled
def number_through_training(rows: pd.DataFrame, *, instrument: str) -> Figure:
    """Draw an instrument of one number a run against epoch: a line for each activation.

    A line for each initialization if only that varies; other settings that vary part panels. x:
    epochs done. y, lines and bands as in `through_training`.

    Args:
        rows: columns run, activation, init, depth, seed, epoch and the instrument's.
        instrument: a name of `bpexp.probes.INSTRUMENTS`.
    """
    rows = rows.dropna(subset=[instrument])
    main = compared(rows)
    title = f"{_words(instrument).capitalize()} through training"
    return _lines(rows, settings(rows, [main]), "epoch", instrument, main, title, least=10)


@style.styled
def before_and_after(rows: pd.DataFrame, *, instrument: str) -> Figure:
    """Draw an instrument against its last dimension, before and after training.

    x: of ranks, the share of values that are as large or larger; of another dimension, the index.
    y: the instrument, on a log axis if its values span orders of magnitude. A line for each layer
    if the instrument has layers, dark near the output, else for each activation, or initialization
    if only that varies; a panel for each configuration and time. Lines are means over seeds and all
    other dimensions, such as examples (geometric on a log axis). Of values that decrease by rank
    those below 1e-15 of the largest are rounding errors and left out.

    Args:
        rows: columns run, activation, init, depth, seed, step, the instrument's dimensions and its
            own; only each run's first and last probe are drawn.
        instrument: a name of `bpexp.probes.INSTRUMENTS`.
    """
    *others, last = INSTRUMENTS[instrument].dims
    rows = ends_of_training(rows)
    rows = above_noise(rows, instrument, others) if last == "rank" else rows
    x = "share" if last == "rank" else last
    main = compared(rows)
    hue = "layer" if "layer" in others else main
    factors = [*({main} - {hue}), *settings(rows, [main]), "when"]
    figure = _lines(rows, factors, x, instrument, hue, _words(instrument).capitalize())
    figure.supxlabel("share of values as large or larger" if last == "rank" else last)
    return figure


def ends_of_training(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each run's first and last probe, told apart by a column `when`.

    It is "before training" or "after training"; a run that was measured once is before training.
    """
    steps = rows.groupby("run")["step"]
    first, last = steps.transform("min"), steps.transform("max")
    words = ["before training", "after training"]
    when = pd.Categorical(np.where(rows["step"] == first, *words), words, ordered=True)
    return rows.assign(when=when)[(rows["step"] == first) | (rows["step"] == last)]


def above_noise(rows: pd.DataFrame, values: str, others: Sequence[str]) -> pd.DataFrame:
    """Return the rows of singular values that are no rounding errors, with a column `share`.

    Args:
        rows: columns run, step, rank, those of `others` and the values.
        values: the column of the singular values.
        others: the dimensions beside rank.

    Returns:
        The rows above 1e-15 of the largest value of their run, step and other dimensions; share is
        the rank divided by the number of ranks.
    """
    series = rows.groupby(["run", "step", *others])
    share = rows["rank"] / series["rank"].transform("max")
    noise = NOISE * series[values].transform("max")
    return rows.assign(share=share)[rows[values] > noise]


def _lines(
    rows: pd.DataFrame,
    factors: Sequence[str],
    x: str,
    y: str,
    hue: str,
    title: str,
    *,
    least: float = 100.0,
) -> Figure:
    """Draw a panel for each combination of factors: y against x, a line for each level of `hue`."""
    parts, log = parted(rows, factors), INSTRUMENTS[y].log
    shown = parts[:MOST_PANELS]
    columns = 3 if len(shown) in (3, 5, 6, 9) else 4
    size = (2.6, 2.2) if len(shown) > 1 else (4.4, 3.2)
    figure, axes = style.panels(len(shown), columns=columns, size=size, sharex=True, sharey=True)
    named = numbers = levels(rows, hue)
    palette: Mapping[Any, Any] = style.colours(rows, hue)
    if hue == "layer":
        palette, named = style.shades(numbers), style.thinned(numbers)
    pairs = [(panel, part) for panel, (_, part) in zip(axes, shown, strict=True)]
    draw_lines(pairs, x, y, hue, palette, log=log, least=least, marker="")
    for panel, (name, _) in zip(axes, shown, strict=True):
        panel.set_title(name)
        if x != "share":
            style.whole(panel.xaxis, most=5)
    figure.supxlabel(x)
    figure.supylabel(_words(y))
    colours = {level: palette[level] for level in named}
    style.legend(figure, hue, colours, dict.fromkeys(named, ""), notes=notes(rows, y, log=log))
    cut = f"\nfirst {len(shown)} of {len(parts)} configurations"
    figure.suptitle(title + (cut if len(shown) < len(parts) else ""))
    return figure


def _words(instrument: str) -> str:
    """Return an instrument's name in words."""
    return instrument.replace("grad_", "gradient_").replace("_", " ")
