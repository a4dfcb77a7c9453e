"""The primary metric of each run's task: as one column, its label and its axis.

Runs of different tasks differ in their data set, which parts panels, so that no line mixes metrics.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpexp.figures import style
from bpexp.figures.frames import levels
from bpexp.figures.gradients import by_setting
from bpexp.nn.tasks import TASKS, Task

LOWEST = -1.0  # where an axis ends: R2 has no lower bound


def tasks_in(frame: pd.DataFrame, split: str) -> list[Task]:
    """Return the tasks of which a frame has scores on a split, in the order of their table."""
    names = {task: f"{task.metric}/{split}" for task in TASKS.values()}
    return [task for task, name in names.items() if name in frame and frame[name].notna().any()]


def scores(frame: pd.DataFrame, split: str) -> pd.Series[float]:
    """Return each row's primary metric on a split, NaN where there is none."""
    found = pd.Series(np.nan, frame.index)
    for task in tasks_in(frame, split):
        found = found.fillna(frame[f"{task.metric}/{split}"])
    return found


def with_score(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the frame with its scores as a column score/test or score/train."""
    return frame.assign(**{f"score/{split}": scores(frame, split)})


def score_name(frame: pd.DataFrame, split: str) -> str:
    """Name the scores of a frame: "accuracy", or "score" of several tasks."""
    found = tasks_in(frame, split)
    return found[0].label if len(found) == 1 else "score"


def score_label(frame: pd.DataFrame, split: str) -> str:
    """Label an axis: "test accuracy (share correct)"."""
    found = tasks_in(frame, split)
    words = found[0].unit if len(found) == 1 else ", ".join(task.label for task in found)
    return f"{split} {score_name(frame, split)} ({words})"


def file_name(name: str, frame: pd.DataFrame) -> str:
    """Return a figure's name with the primary metric in place of "score", if there is one task."""
    found = tasks_in(frame, "test")
    return name.replace("score", found[0].metric) if len(found) == 1 else name


def limit_scores(panel: Axes, frame: pd.DataFrame, split: str) -> None:
    """Let a score's axis end above 1, and at 0 or below the lowest score or guess, at least -1."""
    if any(task.perfect != 1 for task in tasks_in(frame, split)):
        return
    found = [scores(frame, split), *([frame["chance"]] if "chance" in frame else [])]
    lowest = max(LOWEST, float(np.nanmin([0.0, *(column.min() for column in found)])))
    panel.set_ylim(lowest - 0.03 if lowest < 0 else 0, 1.03)


def draw_scores(runs: pd.DataFrame, x: str) -> Figure:
    """Draw test scores against a setting, a line an activation (or init), with the best guess.

    Args:
        runs: columns run, activation, init, depth, seed, x, the scores, and if known chance.
        x: a numeric setting, such as depth.
    """
    guess = [style.note_guess()] if "chance" in runs and runs["chance"].notna().any() else []
    figure, panels = by_setting(with_score(runs, "test"), x, "score/test", also=guess)
    for panel, rows in panels:
        for chance in levels(rows, "chance") if "chance" in rows else ():
            panel.axhline(chance, **style.GUESS)
        limit_scores(panel, runs, "test")
    figure.supylabel(score_label(runs, "test"))
    return figure
