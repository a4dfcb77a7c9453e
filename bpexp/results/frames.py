"""From journals to tidy frames: the columns every frame begins with, and their dtypes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bpexp.config import flatten
from bpexp.data import DATASETS
from bpexp.diagnosis import VERDICTS
from bpexp.journal import History
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS
from bpexp.tables import (
    FINAL,
    START,
    final_metrics,
    flat_name,
    layer_columns,
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

# What a run without this number shows: no decay rate, for example, where there is no hidden layer.
NO_START = {f"start/{flat_name(name)}": np.nan for name in START}

Run = tuple[Path, History]


def run_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return a row a run."""
    return typed(pd.DataFrame([_run_row(folder, history) for folder, history in runs]))


def layer_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return a row a run, step and layer."""
    return frame(runs, layer_columns).assign(source="measured")


def frame(runs: Iterable[Run], columns: Callable[[History], Any]) -> pd.DataFrame:
    """Put what `columns` says of each run below each other, the run's own columns before it."""
    return joined((own(history), pd.DataFrame(columns(history))) for _, history in runs)


def _run_row(folder: Path, history: History) -> dict[str, Any]:
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


def joined(frames: Iterable[tuple[dict[str, Any], pd.DataFrame]]) -> pd.DataFrame:
    """Put each run's own columns before its rows, and all runs below each other."""
    owns, parts = [], []
    for own, part in frames:
        owns.append(own)
        parts.append(part.assign(_run=len(owns) - 1))
    if not parts:
        return pd.DataFrame()
    rows = pd.concat(parts, ignore_index=True)
    own_columns = typed(pd.DataFrame(owns)).iloc[rows.pop("_run")].reset_index(drop=True)
    return pd.concat([own_columns, rows], axis=1)


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
