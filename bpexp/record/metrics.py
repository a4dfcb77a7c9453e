"""A run's metrics and tables, computed from its journal.

Metrics have the same names in journals, MLflow and data frames; `METRICS` explains each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.analysis.summaries import SUMMARIES
from bpexp.nn.tasks import TASKS
from bpexp.probes import INSTRUMENTS
from bpexp.probes.instruments import ORIGIN
from bpexp.probes.values import as_value, unravel
from bpexp.record.history import History
from bpexp.record.observations import measured

Columns = Mapping[str, NDArray[Any]]
"""Columns of one length, by name."""

SPLITS = {
    "test": "over the whole test split",
    "train": "running mean over the epoch's batches as they were trained; at step 0 over the probe "
    "batch",
}
_MOVED = "||theta^(l) - theta_0^(l)||_F / ||theta_0^(l)||_F of the {} layer, theta_0 at step 0"

METRICS: dict[str, str] = {
    **{f"loss/{split}": f"the mean cost C; {of}" for split, of in SPLITS.items()},
    **{
        f"{name}/{split}": f"{meaning}; {of}"
        for task in TASKS.values()
        for name, meaning in task.metrics.items()
        for split, of in SPLITS.items()
    },
    "distance/first": _MOVED.format("first trained"),
    "distance/last": _MOVED.format("last"),
    **{name: text for summary in SUMMARIES.values() for name, text in summary.metrics.items()},
    "grad_norm/layer_001 ...": f"{INSTRUMENTS['grad_norm'].meaning} l = 1 .. L, three digits.",
    **{name: row.meaning for name, row in INSTRUMENTS.items() if not row.dims},
    "epoch": "epochs done; the step axis counts optimizer steps",
}
"""The meaning of each metric of a run."""

# The summaries of instruments. Their values before training are named start/... in a run's row.
START = tuple(name for summary in SUMMARIES.values() for name in summary.metrics)


def final_names(task: str) -> tuple[str, ...]:
    """Return the names of the metrics in a run's row: its task's metrics, the costs, and START.

    The metrics of a task that is not in `bpexp.nn.tasks.TASKS` are left out.
    """
    metrics = TASKS[task].metrics if task in TASKS else ()
    return (*(f"{name}/{split}" for name in (*metrics, "loss") for split in SPLITS), *START)


def flat_name(metric: str) -> str:
    """Return a metric's name under start/ or final/: accuracy/test becomes accuracy_test."""
    return metric.replace("/", "_")


# The columns start/... of a run in which none is defined.
NO_START = {f"start/{flat_name(name)}": np.nan for name in START}

Part = tuple[dict[str, Any], Columns]
"""A run's identifying columns, one value each, and its table."""


def summary_metrics(line: dict[str, Any]) -> dict[str, float]:
    """Return an observation's metrics, the summaries and the instruments without dimensions.

    Values that are not finite are included.
    """
    values: dict[str, float] = {"epoch": line["epoch"], **line["metrics"]}
    found = measured(line)
    for name, summary in SUMMARIES.items():
        if name in found and summary.unless not in found:
            values |= summary.of(np.array(found[name]))
    return values | {name: v for name, v in found.items() if not isinstance(v, list)}


def layer_metrics(line: dict[str, Any]) -> dict[str, float]:
    """Return an observation's gradient norms by layer; three digits sort up to 999 layers."""
    norms = line["layers"]["grad_norm"] if line["layers"] else []
    return {f"grad_norm/layer_{i:03d}": norm for i, norm in enumerate(norms, start=1)}


def finite(values: dict[str, float]) -> dict[str, float]:
    """Return the values that are finite."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


def final_metrics(history: History) -> dict[str, float]:
    """Return the metrics of `final_names` that are defined and finite at the end of the run.

    Costs and scores are those of the last epoch, summaries of instruments those of the last probe.
    A metric that is not finite there is left out. An earlier value is not used instead: a run that
    diverged could rank among the best, and the value would depend on how often it was measured.
    """
    backwards = history.observations[::-1]
    values: dict[str, float] = {}
    values |= next((summary_metrics(line) for line in backwards if line["layers"]), {})
    values |= next((line["metrics"] for line in backwards if line["metrics"]), {})
    names = final_names(history.start.get("task", "classification"))
    return finite({name: values[name] for name in names if name in values})


def start_metrics(history: History) -> dict[str, float]:
    """Return the finite metrics of START before the first step."""
    if not history.observations:
        return {}
    values = finite(summary_metrics(history.observations[0]))
    return {name: values[name] for name in START if name in values}


def curve_columns(history: History) -> Columns:
    """Return the run's metrics as columns, a row for step 0 and for each epoch."""
    rows = [
        {"step": line["step"], **summary_metrics(line)}
        for line in history.observations
        if line["metrics"]
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def layer_columns(history: History) -> Columns:
    """Return the instruments of one number a layer as columns, a row for each step and layer.

    Columns: step, epoch, layer, the standard instruments, and the chosen ones.
    """
    lines = [line for line in history.observations if line["layers"]]
    n_layers = len(next(iter(lines[0]["layers"].values()))) if lines else 0
    columns: dict[str, NDArray[Any]] = {
        "step": np.repeat(np.array([line["step"] for line in lines], np.int64), n_layers),
        "epoch": np.repeat(np.array([line["epoch"] for line in lines], np.float64), n_layers),
        "layer": np.tile(np.arange(1, n_layers + 1), len(lines)),
    }
    standard = [
        name
        for name, row in INSTRUMENTS.items()
        if row.standard and not row.optional and row.dims == ("layer",)
    ]
    for name in dict.fromkeys([*standard, *(name for line in lines for name in line["layers"])]):
        values = [line["layers"].get(name, [np.nan] * n_layers) for line in lines]
        columns[name] = np.array(values, np.float64).ravel()
    return columns


def measurement_columns(history: History, instrument: str) -> Columns:
    """Return all values of one instrument as columns; none if its dimensions are not known.

    Columns: step, epoch, one for each dimension (layers and ranks count from 1, all others from 0),
    and the values under the instrument's name.
    """
    dims = history.dims(instrument)
    if dims is None:
        return {}
    lines = [line for line in history.observations if instrument in measured(line)]
    parts = [unravel(as_value(measured(line)[instrument])) for line in lines]
    lengths = [len(numbers) for _, numbers in parts]
    indices = np.concatenate([np.empty((len(dims), 0), int), *(i for i, _ in parts)], axis=1)
    return {
        "step": np.repeat(np.array([line["step"] for line in lines], np.int64), lengths),
        "epoch": np.repeat(np.array([line["epoch"] for line in lines], np.float64), lengths),
        **{dim: index + ORIGIN.get(dim, 0) for dim, index in zip(dims, indices, strict=True)},
        instrument: np.concatenate([np.empty(0), *(numbers for _, numbers in parts)]),
    }


def array_names(history: History) -> list[str]:
    """Return the names of the instruments in the `arrays` of observations."""
    arrays = [line.get("arrays", {}) for line in history.observations]
    return [*dict.fromkeys(name for of_line in arrays for name in of_line)]
