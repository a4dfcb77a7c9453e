"""Which classes a network takes for which others."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bpexp.errors import BpexpError
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.style import colour_map

CELL = 0.42  # inches
WRITTEN = 20  # classes whose cells have numbers at most


@styled
def confusion(predictions: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw how often each class is predicted for the examples of each class.

    y: the class of the example. x: the class that the network predicts. Number: examples. Colour:
    their share of the row. The diagonal is what is right.

    Args:
        predictions: as `bpexp.predictions` returns them for a classification.
        look: see `Look`; there is no legend.

    Raises:
        BpexpError: the frame is one of a regression.
    """
    if "class" not in predictions:
        raise BpexpError("predictions: those of a regression have no classes")
    counts = pd.crosstab(predictions["class"], predictions["prediction"], dropna=False)
    names = [str(name) for name in counts.index]
    numbers = counts.to_numpy()
    shares = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    side = max(CELL * min(len(names), WRITTEN), 1.5)
    panels = make_panels(predictions, [], look, size=(side, side), legend=False)
    ((panel, _),) = panels.parts
    panel.imshow(shares, cmap=colour_map(look, "Blues"), vmin=0, vmax=1, aspect="auto")
    if len(names) <= WRITTEN:
        for (row, column), count in np.ndenumerate(numbers):
            if count:
                ink = "w" if shares[row, column] > 0.6 else "0.15"
                panel.text(column, row, str(count), ha="center", va="center", size=7, color=ink)
    every = -(-len(names) // WRITTEN)
    places, shown = range(0, len(names), every), names[::every]
    panel.set_xticks(places, shown)
    if max(map(len, shown)) > 3:
        panel.tick_params(axis="x", labelrotation=90)
    panel.set_yticks(places, shown)
    panel.grid(False)
    right = float(np.trace(numbers) / max(numbers.sum(), 1))
    panels.label(f"{right:.1%} right", x="prediction", y="class")
    return panels.figure
