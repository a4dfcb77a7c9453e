"""The score of each run: its task's primary metric on a split, as one column.

A run that diverged has no score. It is scored as the best constant guess of the training split, so
that means over seeds include it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bpexp.nn.tasks import TASKS, Task


def tasks_in(frame: pd.DataFrame, split: str) -> list[Task]:
    """Return the tasks for which a frame has scores on a split, in the order of TASKS."""
    names = {task: f"{task.metric}/{split}" for task in TASKS.values()}
    return [task for task, name in names.items() if name in frame and frame[name].notna().any()]


def scores(frame: pd.DataFrame, split: str) -> pd.Series[float]:
    """Return the primary metric of each row on a split, NaN where there is none.

    Args:
        frame: columns of the tasks' primary metrics, and optionally diverged_at, chance and
            chance/test.
        split: train or test.
    """
    found = pd.Series(np.nan, frame.index)
    for task in tasks_in(frame, split):
        found = found.fillna(frame[f"{task.metric}/{split}"])
    if "diverged_at" in frame and "chance" in frame:
        found = found.mask(frame["diverged_at"].notna(), guesses(frame, split))
    return found


def guesses(frame: pd.DataFrame, split: str) -> pd.Series[float]:
    """Return the primary metric, on a split, of the best constant guess of the training split.

    Records that lack it for the test split have that of the training split.

    Args:
        frame: columns chance and, for the test split if known, chance/test. Without chance the
            result is NaN.
        split: train or test.
    """
    found = frame["chance"] if "chance" in frame else pd.Series(np.nan, frame.index)
    own = f"chance/{split}"
    return frame[own].fillna(found) if own in frame else found


def with_score(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the frame with a column score/test or score/train, the score of each row."""
    return frame.assign(**{f"score/{split}": scores(frame, split)})
