"""The test score after training: against depth, a numeric setting, or the frozen layers."""

from __future__ import annotations

from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.scores import guesses, with_score
from bpexp.errors import one_of
from bpexp.figures.parts.by_setting import draw_by_setting
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.factors import axis_label, numeric_settings, varies
from bpexp.figures.parts.legends import note_guess
from bpexp.figures.parts.look import Look
from bpexp.figures.parts.scores import limit_scores, score_label, score_name, score_of
from bpexp.figures.parts.selection import several
from bpexp.figures.parts.style import GUESS


def runs_by_depth(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs if there are several and depth varies, or no other numeric setting does."""
    by_depth = varies(runs, "depth") or not numeric_settings(runs)
    return several(runs) if by_depth else runs.head(0)


def runs_by_setting(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs if all have one depth and a numeric setting has at least three values."""
    return runs if varies(runs, "run") and runs_by_depth(runs).empty else runs.head(0)


def runs_by_frozen(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs if the number of frozen layers varies."""
    return runs if varies(runs, "frozen") else runs.head(0)


@styled
def score_by_depth(runs: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the test score after training against depth.

    A line for each activation, or initialization if only that varies; other settings that vary
    divide the runs into panels. x: hidden layers. y: the task's primary metric: in classification
    the share of the test split classified correctly; in regression R2, whose axis ends at -1.
    Lines: arithmetic mean over seeds; two to five seeds are also drawn one by one, for more seeds
    the 95 % interval of the mean. Dotted line: the best constant guess, which is also the score of
    a run that diverged.

    Args:
        runs: columns run, activation, init, depth, seed, accuracy/test or the primary metric of
            another task, and if known chance and chance/test.
        look: see `Look`.
    """
    return _draw(runs, "depth", axis_label("depth"), "after training", look)


@styled
def score_by_setting(
    runs: pd.DataFrame, *, setting: str | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the test score after training against a numeric setting.

    x: the setting, on a log scale if its values are geometric. All else as in `score_by_depth`.

    Args:
        runs: columns run, activation, init, depth, seed, the setting, accuracy/test or the primary
            metric of another task, and if known chance and chance/test.
        setting: by default the first with at least three values.
        look: see `Look`.

    Raises:
        ValueError: there is no such setting.
    """
    candidates = numeric_settings(runs)
    across = setting or next(iter(candidates), None)
    if across not in runs:
        raise ValueError(one_of("setting", across, candidates))
    return _draw(runs, str(across), axis_label(str(across)), "after training", look)


@styled
def score_by_frozen(runs: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the test score after training against the number of frozen layers.

    x: the number of first layers that kept their initial weights. All else as in `score_by_depth`;
    depths are panels. A flat line means that training these layers did not improve the network.

    Args:
        runs: columns run, activation, init, depth, seed, frozen, accuracy/test or the primary
            metric of another task, and if known chance and chance/test.
        look: see `Look`.
    """
    return _draw(runs, "frozen", "first layers frozen", "with the first layers frozen", look)


def _draw(runs: pd.DataFrame, x: str, label: str, when: str, look: Look) -> Figure:
    notes = [note_guess()] if guesses(runs, "test").notna().any() else []
    y = score_of(runs, "test")
    panels = draw_by_setting(with_score(runs, "test"), x, y, look, notes=notes)
    for panel, rows in panels.parts:
        for guess in guesses(rows, "test").dropna().unique():
            panel.axhline(guess, **GUESS)
        limit_scores(panel, runs, "test")
    title = f"Test {score_name(runs, 'test')} {when}"
    panels.label(title, x=label, y=score_label(runs, "test"))
    return panels.figure
