"""The figure of a forecast: what theory expects of each cell, and what happened there."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures import style
from bpexp.figures.frames import compared, levels, parted, settings

# Blue: expected to train, orange: not, pale before it is known; red and green: theory was wrong.
CELLS = {
    "trains": "#d1e5f0",
    "trains as expected": "#92c5de",
    "fails unexpectedly": "#f08070",
    "fails": "#fee0b6",
    "fails as expected": "#fdb863",
    "trains unexpectedly": "#b8e186",
}


@style.styled
def forecast_map(cells: pd.DataFrame) -> Figure:
    """Draw the forecast over depth and activation: colour and words; with outcomes once known.

    A column an initialization if only that varies; other settings part panels. The number is the
    predicted factor of the signal between the last and the first layer. A cell of several seeds
    shows what became of most of them.

    Args:
        cells: columns run, activation, init, depth and other settings, trains (bool), trained
            (bool, or missing before training) and first_to_last.
    """
    across = compared(cells)
    names, depths = levels(cells, across), levels(cells, "depth")
    parts = parted(cells, settings(cells, [across, "depth"]))
    size = (max(1.15 * len(names) + 0.4, 2.4), max(0.62 * len(depths), 0.7) + 0.6)
    figure, axes = style.panels(
        len(parts), columns=max(1, int(14 / size[0])), size=size, sharex=True, sharey=True
    )
    for panel, (title, part) in zip(axes, parts, strict=True):
        panel.set_title(style.folded(title, int(11 * size[0])))
        codes = pd.DataFrame(float("nan"), depths, names)
        words = pd.DataFrame("", depths, names)
        for key, rows in part.groupby(["depth", across], observed=True):
            outcome = _outcome(rows)
            codes.loc[key] = list(CELLS).index(outcome)
            factor = np.exp(np.log(rows["first_to_last"]).mean())
            words.loc[key] = f"{outcome.replace(' ', chr(10), 1)}\n{factor:.1e}"
        style.draw_cells(panel, codes, words, list(CELLS.values()), fontsize=7)
    figure.supxlabel(across)
    figure.supylabel("hidden layers")
    known = ", and outcome" if cells["trained"].notna().any() else ""
    figure.suptitle(f"Forecast of theory{known}\nnumber: predicted signal, first layer / last")
    return figure


def _outcome(rows: pd.DataFrame) -> str:
    expected = bool(rows["trains"].mean() >= 0.5)
    known = rows["trained"].dropna()
    if known.empty:
        return "trains" if expected else "fails"
    happened = bool(known.astype(float).mean() >= 0.5)
    word = "trains" if happened else "fails"
    return f"{word} {'as expected' if happened == expected else 'unexpectedly'}"
