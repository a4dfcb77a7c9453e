"""From journals to tidy frames: the columns every frame begins with, and their dtypes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bpexp.analysis.verdict import VERDICTS
from bpexp.config import flatten
from bpexp.data import DATASETS
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS
from bpexp.record.journal import History
from bpexp.record.metrics import (
    FINAL,
    NO_START,
    Part,
    final_metrics,
    flat_name,
    start_metrics,
)

ORDERED: dict[str, list[str]] = {
    "data": list(DATASETS),
    "activation": list(ACTIVATIONS),
    "init": list(INITIALIZERS),
    "cost": list(COSTS),
    "optimizer": list(OPTIMIZERS),
    "dtype": ["float32", "float64"],
    "status": ["RUNNING", "FINISHED", "FAILED", "KILLED"],
    "verdict": list(VERDICTS),
}


def run_row(folder: Path, history: History) -> dict[str, Any]:
    """Return a run's row of `load_runs`."""
    end = history.end or {}
    last = history.observations[-1] if history.observations else {"epoch": 0.0}
    return {
        **own(history),
        "status": history.status,
        "verdict": end.get("verdict"),
        "evidence": end.get("evidence"),
        "diverged_at": end.get("diverged_at"),
        "seconds": end.get("seconds", np.nan),
        "epoch": last["epoch"],
        "chance": history.start["chance"],
        **dict.fromkeys(FINAL, np.nan),
        **final_metrics(history),
        **NO_START,
        **{f"start/{flat_name(name)}": value for name, value in start_metrics(history).items()},
        "folder": str(folder),
    }


def own(history: History) -> dict[str, Any]:
    """Return the columns that every frame begins with: what run this is, and its configuration."""
    config = flatten(history.start["config"])
    return {"run": history.start["identity"], "name": history.start["name"], **config}


def joined(parts: Iterable[Part]) -> pd.DataFrame:
    """Put each run's own columns before its rows, and all runs below each other.

    Arrays are joined before there is a frame: a frame a run would take more room than its rows.
    What a run lacks of the others' columns is NaN.
    """
    found = list(parts)
    if not found:
        return pd.DataFrame()
    lengths = [len(next(iter(columns.values()), ())) for _, columns in found]
    names = dict.fromkeys(name for _, columns in found for name in columns)
    rows = {
        name: np.concatenate(
            [
                columns.get(name, np.full(length, np.nan))
                for (_, columns), length in zip(found, lengths, strict=True)
                if length or name in columns
            ]
        )
        for name in names
    }
    which = np.repeat(np.arange(len(found)), lengths)
    owns = typed(pd.DataFrame([own for own, _ in found])).iloc[which]
    owns.index = pd.RangeIndex(len(owns))
    return owns.assign(**rows)


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of ORDERED their ordered categories."""
    categories = {
        name: pd.CategoricalDtype([*order], ordered=True)
        for name, order in ORDERED.items()
        if name in frame
    }
    if "diverged_at" in frame:
        frame["diverged_at"] = frame["diverged_at"].astype(float)
    return frame.astype(categories)
