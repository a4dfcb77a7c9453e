"""Verdicts and test scores over two factors, as a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.scores import with_score
from bpexp.analysis.verdict import AXES, VERDICTS, gradient_words
from bpexp.figures.parts.cells import Cell, draw_word_map, ordinate
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, compared_factor
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.scores import score_name

WIDE = 17  # letters in a line of a cell
# In order of severity.
COLOURS = {
    "healthy": "#8fc088",
    "preserved": "#c9f7bd",
    "stalled": "#fdd766",
    "vanishing": "#6b98f7",
    "exploding": "#de903e",
    "saturated": "#c29bdd",
    "dead": "#d4d4d4",
    "wrecked": "#96735a",
    "diverged": "#ea5f8f",
}


@styled
def verdict_map(
    runs: pd.DataFrame,
    *,
    rows: str | None = None,
    columns: str | None = None,
    **look: Unpack[Look],
) -> Figure:
    """Draw the verdicts over two factors as a map of coloured cells.

    The first line of a cell is the verdict of its runs. If seeds disagree it counts each verdict,
    and their shares divide the colours of the cell. The second line is the outcome of training and
    the arithmetic mean of the task's primary metric on the test split. The third line classifies
    the gradient at step 0 and, after an arrow, at the end. Each word is the most frequent one of
    the cell's runs. Other settings that vary divide the runs into panels.

    Args:
        runs: columns run, activation, init, depth, seed, verdict, accuracy/test or the primary
            metric of another task, and, if the record has them, verdict/gradient_start,
            verdict/gradient_end and verdict/training.
        rows: the factor along the ordinate: by default depth, unless it is constant and another
            setting varies.
        columns: the factor along the abscissa: by default the activation, or the init if only that
            varies.
        look: see `Look`.
    """
    known = with_score(runs, "test").dropna(subset=["verdict"])
    across = columns or compared_factor(known)
    down = rows or ordinate(known, across)
    panels = draw_word_map(
        known, down, across, _cell, COLOURS, look, width=1.35, least=1.6, fontsize=7.5
    )
    title = f"Verdict and test {score_name(runs, 'test')}\ngradient: step 0 → end"
    panels.label(title, x=axis_label(across), y=axis_label(down))
    return panels.figure


def _cell(runs: pd.DataFrame) -> Cell:
    """Return the number of a cell's runs with each verdict, and the cell's text."""
    verdicts = _counts(runs, "verdict", [*VERDICTS])
    start, end, training = (next(iter(_counts(runs, name, [*AXES[name]])), "") for name in AXES)
    score = runs["score/test"].mean()
    value = "" if pd.isna(score) else f"{score:.3f}"
    gradient = gradient_words(start, end, " → ")
    lines = [_headline(verdicts), f"{training} {value}".strip(), gradient]
    return Cell(verdicts, "\n".join(line for line in lines if line))


def _headline(verdicts: Mapping[str, int]) -> str:
    r"""Return the verdict of all runs of a cell, or the number of runs with each verdict.

    >>> _headline({"healthy": 5}), _headline({"healthy": 3, "dead": 2})
    ('healthy', 'healthy 3, dead 2')
    >>> _headline({"vanishing": 3, "dead": 1, "stalled": 1})
    'vanishing 3\nothers 2'
    """
    (first, n), *others = verdicts.items()
    if not others:
        return first
    word = others[0][0] if len(others) == 1 else "others"
    mix = f"{first} {n}", f"{word} {sum(count for _, count in others)}"
    return ", ".join(mix) if len("".join(mix)) <= WIDE else "\n".join(mix)


def _counts(runs: pd.DataFrame, name: str, words: Sequence[str]) -> dict[str, int]:
    """Return the number of runs with each word of a column, the most frequent word first.

    Args:
        runs: the runs of a cell.
        name: the column; older records lack it, and the result is then empty.
        words: the possible words in order of severity. Of equally frequent words the most severe
            one is first.
    """
    found = runs[name].dropna().astype(str) if name in runs else pd.Series(dtype=str)
    counts = found.value_counts()
    order = sorted(counts.index, key=lambda word: (-counts[word], -words.index(word)))
    return {word: int(counts[word]) for word in order}
