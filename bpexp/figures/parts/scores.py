"""The primary metric of each run's task: as one column, and the label and limits of its axis.

Runs of different tasks have different data sets. These divide panels, so no line mixes metrics.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bpexp.nn.tasks import TASKS, Task

LOWEST = -1.0  # lower end of an axis: R2 has no lower bound


def tasks_in(frame: pd.DataFrame, split: str) -> list[Task]:
    """Return the tasks of which a frame has scores on a split, in the order of their table."""
    names = {task: f"{task.metric}/{split}" for task in TASKS.values()}
    return [task for task, name in names.items() if name in frame and frame[name].notna().any()]


def scores(frame: pd.DataFrame, split: str) -> pd.Series[float]:
    """Return the primary metric of each row on a split, NaN where there is none."""
    found = pd.Series(np.nan, frame.index)
    for task in tasks_in(frame, split):
        found = found.fillna(frame[f"{task.metric}/{split}"])
    return found


def with_score(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the frame with a column score/test or score/train, the primary metric of each row."""
    return frame.assign(**{f"score/{split}": scores(frame, split)})


def score_name(frame: pd.DataFrame, split: str) -> str:
    """Return what the scores of a frame are: "accuracy", "R2", or "score" of several tasks."""
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
    found = [scores(frame, split), *([frame["chance"]] if "chance" in frame else [])]
    lowest = max(LOWEST, float(np.nanmin([0.0, *(column.min() for column in found)])))
    panel.set_ylim(lowest - 0.03 if lowest < 0 else 0, 1.03)
