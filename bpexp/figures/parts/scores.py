"""Scores as an ordinate: their name, label, bounds and the limits of their axis.

Runs of different tasks have different data sets, which divide panels, so no line mixes metrics.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bpexp.analysis.averages import UNBOUNDED
from bpexp.analysis.scores import guesses, scores, tasks_in
from bpexp.figures.parts.quantities import Quantity

LOWEST = -1.0  # lower end of an axis: R2 has no lower bound


def score_of(frame: pd.DataFrame, split: str) -> Quantity:
    """Return the column score/test or score/train as an ordinate, with the tasks' bounds."""
    found = tasks_in(frame, split)
    ends = [end for task in found for end in (task.lowest, task.perfect)]
    within = (min(ends), max(ends)) if ends else UNBOUNDED
    return Quantity(f"score/{split}", within=within)


def score_name(frame: pd.DataFrame, split: str) -> str:
    """Return the name of the scores in a frame: "accuracy", "R2", or "score" for several tasks."""
    found = tasks_in(frame, split)
    return found[0].label if len(found) == 1 else "score"


def score_label(frame: pd.DataFrame, split: str) -> str:
    """Return the label of an axis of scores, such as "test accuracy (share correct)"."""
    found = tasks_in(frame, split)
    words = found[0].unit if len(found) == 1 else ", ".join(task.label for task in found)
    return f"{split} {score_name(frame, split)} ({words})"


def file_name(name: str, frame: pd.DataFrame) -> str:
    """Return a figure's name with the primary metric in place of "score", if there is one task."""
    found = tasks_in(frame, "test")
    return name.replace("score", found[0].metric) if len(found) == 1 else name


def limit_scores(panel: Axes, frame: pd.DataFrame, split: str) -> None:
    """Set the limits of an axis of scores: from 0, or the lowest score or guess, to above 1.

    The lower limit is at least -1. If 1 is not the best score of some task, limits stay automatic.
    """
    if any(task.perfect != 1 for task in tasks_in(frame, split)):
        return
    found = [scores(frame, split), guesses(frame, split)]
    lowest = max(LOWEST, float(np.nanmin([0.0, *(column.min() for column in found)])))
    panel.set_ylim(lowest - 0.03 if lowest < 0 else 0, 1.03)
