"""Convert records to tidy frames: the columns that every frame begins with, and their dtypes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bpexp.analysis.verdict import AXES, VERDICTS
from bpexp.config import flatten
from bpexp.data import DATASETS
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS
from bpexp.nn.norms import NORMS
from bpexp.nn.skips import SKIPS
from bpexp.nn.tasks import TASKS
from bpexp.record.metrics import NO_START, Part, final_names, flat_name
from bpexp.record.run import Run
from bpexp.training import SCHEDULES

VERSION = ("algorithm", "attempt")  # they distinguish runs of one configuration
ORDERED: dict[str, Collection[str]] = {
    "data": DATASETS,
    "activation": ACTIVATIONS,
    "init": INITIALIZERS,
    "cost": COSTS,
    "optimizer": OPTIMIZERS,
    "norm": NORMS,
    "skip": SKIPS,
    "schedule": SCHEDULES,
    "dtype": ["float32", "float64"],
    "status": ["RUNNING", "FINISHED", "FAILED", "KILLED"],
    "verdict": VERDICTS,
    **AXES,
    "task": TASKS,
}


def run_row(run: Run) -> dict[str, Any]:
    """Return a run's row of `load_runs`."""
    end, (epoch, final, initial) = run.end or {}, run.metrics
    return {
        **own(run.start),
        "status": run.status,
        "verdict": end.get("verdict"),
        **{name: end.get(name) for name in AXES},
        "evidence": end.get("evidence"),
        "diverged_at": end.get("diverged_at"),
        "seconds": end.get("seconds", np.nan),
        "epoch": epoch,
        "task": run.task,
        "chance": run.chance,
        "chance/test": run.chance_test,
        **dict.fromkeys(final_names(run.task), np.nan),
        **final,
        **NO_START,
        **{f"start/{flat_name(name)}": value for name, value in initial.items()},
        "folder": str(run.folder),
    }


def own(start: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that every frame begins with: the run and its configuration.

    Args:
        start: the start line of the run's journal.
    """
    about = {"run": start["identity"], "name": start["name"]}
    return about | {key: start[key] for key in VERSION} | flatten(start["config"])


def joined(parts: Iterable[Part]) -> pd.DataFrame:
    """Return one frame of the rows of all runs, with each run's own columns.

    Columns that a run does not have are NaN in its rows. Arrays are concatenated before the frame
    is created, because a frame for each run would take more memory than the rows.
    """
    found = list(parts)
    if not found:
        return pd.DataFrame()
    lengths = [len(next(iter(columns.values()), ())) for _, columns in found]
    names = dict.fromkeys(name for _, columns in found for name in columns)
    rows = {
        name: np.concatenate(
            [
                columns[name] if name in columns else np.full(length, np.nan)
                for (_, columns), length in zip(found, lengths, strict=True)
                if length or name in columns
            ]
        )
        for name in names
    }
    which = np.repeat(np.arange(len(found)), lengths)
    owns = typed(pd.DataFrame([own for own, _ in found])).iloc[which]
    owns.index = pd.RangeIndex(len(owns))
    others = owns.drop(columns=[name for name in rows if name in owns])
    return pd.concat([others, pd.DataFrame(rows)], axis=1)  # assign would fragment the frame


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert the columns of ORDERED to ordered categories.

    Names that are not in their table, from another version or program, are the last categories.
    """
    categories = {
        name: pd.CategoricalDtype([*dict.fromkeys([*order, *frame[name].dropna()])], ordered=True)
        for name, order in ORDERED.items()
        if name in frame
    }
    if "diverged_at" in frame:
        frame["diverged_at"] = frame["diverged_at"].astype(float)
    return frame.astype(categories)
