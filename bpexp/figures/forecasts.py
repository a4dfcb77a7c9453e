"""The forecast of theory for each cell of a sweep, and its outcome, as a map."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures.parts.cells import Cell, draw_word_map, ordinate
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.numbers import number

# Blue if training is expected and orange if not, in pale colours before the outcome is known; red
# and green if the forecast was wrong.
COLOURS = {
    "trains": "#d1e5f0",
    "trains as expected": "#92c5de",
    "fails unexpectedly": "#f08070",
    "fails": "#fee0b6",
    "fails as expected": "#fdb863",
    "trains unexpectedly": "#b8e186",
}


@styled
def forecast_map(cells: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the forecast over depth and activation, with the outcomes once they are known.

    Columns are initializations if only those vary, and rows those of another setting if depth does
    not vary; further settings divide the runs into panels. The text and the colour of a cell with
    several seeds are those of the majority. The number is the predicted ratio of the signal in the
    first layer to that in the last layer, the geometric mean over the cell's seeds.

    Args:
        cells: columns run, activation, init, depth and other settings, trains (bool), trained
            (bool, or missing before training) and first_to_last.
        look: see `Look`.
    """
    across = compared_factor(cells)
    down = ordinate(cells, across)
    panels = draw_word_map(cells, down, across, _cell, COLOURS, look, least=2.4)
    known = ", and outcome" if cells["trained"].notna().any() else ""
    title = f"Forecast of theory{known}\nnumber: predicted signal, first layer / last"
    panels.label(title, x=axis_label(across), y=axis_label(down))
    return panels.figure


def _cell(runs: pd.DataFrame) -> Cell:
    """Return the outcome of a cell's runs and the cell's text."""
    outcome = _outcome(runs)
    ratio = np.exp(np.log(runs["first_to_last"]).mean())
    return Cell({outcome: len(runs)}, f"{outcome.replace(' ', chr(10), 1)}\n{number(ratio, 2)}")


def _outcome(runs: pd.DataFrame) -> str:
    expected = bool(runs["trains"].mean() >= 0.5)
    known = runs["trained"].dropna()
    if known.empty:
        return "trains" if expected else "fails"
    trained = bool(known.astype(float).mean() >= 0.5)
    word = "trains" if trained else "fails"
    return f"{word} {'as expected' if trained == expected else 'unexpectedly'}"
