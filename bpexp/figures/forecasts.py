"""The figure of a forecast: what theory expects of each cell, and what happened there."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from bpexp.figures import style
from bpexp.figures.frames import compared, levels

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

    The number is the predicted factor of the signal between the last and the first layer.

    Args:
        cells: columns activation, init, depth, trains (bool), trained (bool, or missing before
            training) and first_to_last.
    """
    across = compared(cells)
    names, depths = levels(cells, across), levels(cells, "depth")
    codes = pd.DataFrame(float("nan"), depths, names)
    words = pd.DataFrame("", depths, names)
    for key, rows in cells.groupby(["depth", across], observed=True):
        outcome = _outcome(rows)
        codes.loc[key] = list(CELLS).index(outcome)
        words.loc[key] = f"{outcome.replace(' ', chr(10), 1)}\n{rows['first_to_last'].mean():.1e}"
    size = (max(1.15 * len(names) + 0.4, 2.4), max(0.62 * len(depths), 0.7) + 0.6)
    figure, (panel,) = style.panels(1, columns=1, size=size)
    sns.heatmap(
        codes,
        annot=words,
        fmt="",
        annot_kws={"fontsize": 7, "color": "black"},
        cmap=ListedColormap(list(CELLS.values())),
        vmin=-0.5,
        vmax=len(CELLS) - 0.5,
        cbar=False,
        linewidths=1,
        xticklabels=names,
        yticklabels=depths,
        ax=panel,
    )
    panel.set(xlabel=across, ylabel="hidden layers")
    panel.tick_params(length=0, labelrotation=0)
    figure.suptitle("Forecast of theory, and outcome")
    return figure


def _outcome(rows: pd.DataFrame) -> str:
    expected = bool(rows["trains"].mean() >= 0.5)
    known = rows["trained"].dropna()
    if known.empty:
        return "trains" if expected else "fails"
    happened = bool(known.astype(float).mean() >= 0.5)
    word = "trains" if happened else "fails"
    return f"{word} {'as expected' if happened == expected else 'unexpectedly'}"
