"""Verdicts and test scores over two factors, as a map."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.scores import with_score
from bpexp.analysis.verdict import AXES, VERDICTS
from bpexp.figures.parts.cells import draw_word_map
from bpexp.figures.parts.factors import axis_label, compared_factor, panel_factors, varies
from bpexp.figures.parts.scores import score_name
from bpexp.figures.parts.style import styled

# From the mildest to the gravest.
COLOURS = {
    "healthy": "#a6d8a8",
    "preserved": "#d9efc4",
    "stalled": "#f5f0c4",
    "vanishing": "#9ecae1",
    "exploding": "#fdc27a",
    "saturated": "#cdb5de",
    "dead": "#c8c8c8",
    "wrecked": "#e3b59c",
    "diverged": "#f09a8c",
}


@styled
def verdict_map(
    runs: pd.DataFrame, *, rows: str | None = None, columns: str | None = None
) -> Figure:
    """Draw the verdicts over two factors as a map of coloured cells.

    A cell's colour and first line are the most frequent verdict of its seeds (the gravest of
    equally frequent ones), and how many of the runs have it if not all do. Below stand what
    training did with the arithmetic mean of the task's primary metric on the test split, and what
    the gradient did at step 0 and, after an arrow, at the end; of each the most frequent word over
    all runs of the cell. With one seed a cell shows one network. Other settings that vary divide
    the runs into panels.

    Args:
        runs: columns run, activation, init, depth, seed, verdict, accuracy/test or the primary
            metric of another task, and as far as the record has them verdict/gradient_start,
            verdict/gradient_end and verdict/training.
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
        size=(1.35, 0.62),
        margin=(0.2, 0.5),
        least=1.6,
        fontsize=7.5,
    )
    title = f"Verdict and test {score_name(runs, 'test')}\ngradient: step 0 → end"
    panels.label(title, x=axis_label(across), y=axis_label(down))
    return panels.figure


def _cell(runs: pd.DataFrame) -> tuple[str, str]:
    """Return the verdict of a cell's runs and the words that the cell shows."""
    verdict, share = _most_frequent(runs, "verdict", [*VERDICTS])
    start, end, training = (_most_frequent(runs, name, [*AXES[name]])[0] for name in AXES)
    score = runs["score/test"].mean()
    number = "" if pd.isna(score) else f"{score:.3f}"
    gradient = " → ".join(word for word in dict.fromkeys((start, end)) if word)
    lines = [f"{verdict}{share}", f"{training} {number}".strip(), gradient]
    return verdict, "\n".join(line for line in lines if line)


def _most_frequent(runs: pd.DataFrame, name: str, words: Sequence[str]) -> tuple[str, str]:
    """Return the most frequent word of a column, and its share of the runs if that is not all.

    Args:
        runs: the runs of a cell.
        name: the column; the word is empty where the record lacks it.
        words: the words that it has, from the mildest to the gravest.
    """
    found = runs[name].dropna().astype(str) if name in runs else pd.Series(dtype=str)
    if found.empty:
        return "", ""
    counts = found.value_counts()
    word = max(words, key=lambda word: (counts.get(word, 0), words.index(word)))
    return word, f" {counts[word]}/{len(runs)}" if counts[word] < len(runs) else ""
