"""Verdicts and test scores over two factors, as a map."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures.parts.cells import draw_word_map
from bpexp.figures.parts.factors import axis_label, compared_factor, panel_factors, varies
from bpexp.figures.parts.scores import score_name, with_score
from bpexp.figures.parts.style import styled

# From the mildest to the gravest.
COLOURS = {
    "healthy": "#a6d8a8",
    "vanishing": "#9ecae1",
    "exploding": "#fdc27a",
    "saturated": "#cdb5de",
    "dead": "#c8c8c8",
    "diverged": "#f09a8c",
}


@styled
def verdict_map(
    runs: pd.DataFrame, *, rows: str | None = None, columns: str | None = None
) -> Figure:
    """Draw the verdicts over two factors as a map of coloured cells.

    A cell names the most frequent verdict of its seeds (the gravest of equally frequent ones), how
    many of the runs have it if not all do, and the arithmetic mean of the task's primary metric on
    the test split over all runs of the cell; with one seed it shows one network. Other settings
    that vary divide the runs into panels.

    Args:
        runs: columns run, activation, init, depth, seed, verdict, accuracy/test or the primary
            metric of another task.
        rows: the factor along the ordinate: by default depth, unless it is constant and another
            setting varies.
        columns: the factor along the abscissa: by default the activation, or the init if only that
            varies.
    """
    known = with_score(runs, "test").dropna(subset=["verdict"])
    across = columns or compared_factor(known)
    others = panel_factors(known, [across])
    down = rows or ("depth" if varies(known, "depth") or not others else others[0])
    panels = draw_word_map(
        known,
        down,
        across,
        _cell,
        COLOURS,
        size=(1.0, 0.5),
        margin=(0.2, 0.5),
        least=1.6,
        fontsize=7.5,
    )
    title = f"Verdict and test {score_name(runs, 'test')}"
    panels.label(title, x=axis_label(across), y=axis_label(down))
    return panels.figure


def _cell(runs: pd.DataFrame) -> tuple[str, str]:
    """Return the verdict of a cell's runs and the words that the cell shows."""
    gravity = list(COLOURS)
    counts = runs["verdict"].astype(str).value_counts()
    verdict = max(gravity, key=lambda word: (counts.get(word, 0), gravity.index(word)))
    share = f" {counts[verdict]}/{len(runs)}" if counts[verdict] < len(runs) else ""
    score = runs["score/test"].mean()
    number = "" if pd.isna(score) else f"\n{score:.3f}"
    return verdict, f"{verdict}{share}{number}"
