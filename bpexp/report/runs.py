"""The report's table of runs: a row for each run, with details that can be unfolded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from bpexp.analysis.verdict import AXES, gradient_words
from bpexp.config.command import command
from bpexp.config.schema import IDENTITY_KEYS
from bpexp.figures.parts.factors import group
from bpexp.figures.parts.scores import score_name
from bpexp.record.run import Run
from bpexp.results import Tables

FIRST_TO_LAST = "start/gradient_first_to_last"


@dataclass(frozen=True)
class Cell:
    """A cell of the table: the text shown and the key to sort by."""

    text: str
    key: str | float


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        id: the run's identity.
        name: the run's name.
        verdict: the verdict; without one, the status.
        cells: a cell for each column of the table.
        evidence: the evidence of the verdict, or the error.
        command: the shell command that trains the run again.
        failed: whether the run failed, diverged, or has not ended.
    """

    id: str
    name: str
    verdict: str
    cells: list[Cell]
    evidence: str
    command: str
    failed: bool


def varied_keys(runs: pd.DataFrame) -> list[str]:
    """Return the configuration keys that decide numbers and differ between runs.

    A parameter that only some rows of a group have is left out, unless it differs within a row.
    """
    return [
        name
        for name in map(str, runs.columns)
        if (name in IDENTITY_KEYS or group(name) in IDENTITY_KEYS) and _varies_within(runs, name)
    ]


def _varies_within(runs: pd.DataFrame, name: str) -> bool:
    """Return whether a key differs; a row's parameter, among the runs of one row."""
    column = runs[name].map(str)  # lists have no order
    rows = runs[group(name)] if "." in name and group(name) in runs else pd.Series(0, runs.index)
    return bool((column.groupby(rows, observed=True).nunique() > 1).any())


def columns(tables: Tables, varied: Sequence[str]) -> list[str]:
    """Return the heads of the table's columns, beside the run's name."""
    score = f"test {score_name(tables.runs, 'test')}"
    return [
        *varied,
        "verdict",
        "training",
        "gradient",
        score,
        "test loss",
        "δ first/last",
        "seconds",
    ]


def rows(runs: Sequence[Run], tables: Tables, varied: Sequence[str]) -> list[Row]:
    """Return the rows of the table, in the order of the runs.

    Args:
        runs: the runs.
        tables: their frames.
        varied: the keys that have a column.
    """
    frame = tables.runs.to_dict("records")
    by_identity = {row["run"]: {str(key): value for key, value in row.items()} for row in frame}
    return [_row(run, by_identity[run.identity], varied) for run in runs]


def _row(run: Run, row: Mapping[str, Any], varied: Sequence[str]) -> Row:
    end = run.end or {}
    verdict = str(end.get("verdict") or run.status.lower())
    gradient, training = _words(row)
    return Row(
        id=run.identity,
        name=str(run.start["name"]),
        verdict=verdict,
        cells=[
            *(_cell(row[key]) for key in varied),
            Cell(verdict, verdict),
            Cell(training, training),
            Cell(gradient, gradient),
            _number(run.score("test"), "{:.3f}"),
            _number(row.get("loss/test"), "{:.3g}"),
            _number(row.get(FIRST_TO_LAST), "{:.2g}"),
            _number(row["seconds"], "{:.2f}"),
        ],
        evidence=str(end.get("evidence") or end.get("error") or "The run has no end yet."),
        command=command(run.start["config"], program=run.start.get("program", "")),
        failed=run.status != "FINISHED" or verdict == "diverged",
    )


def _words(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the words for the gradient, one if step 0 and the end agree, and for training."""
    start, end, training = (word if isinstance(word := row.get(name), str) else "" for name in AXES)
    return gradient_words(start, end, " → "), training


def _cell(value: object) -> Cell:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return Cell(str(value), str(value))
    return _number(float(value), "{:g}")


def _number(value: Any, form: str) -> Cell:
    if value is None or not math.isfinite(value):
        return Cell("", "")
    return Cell(form.format(value), float(value))
