"""What a run's journal says, as plain columns: shared by the mirror and by the result tables.

Names of metrics are the same everywhere, in MLflow and in data frames:

    loss/train, accuracy/train    running means over the epoch's batches as they were trained
                                  (at step 0: the probe batch)
    loss/test, accuracy/test      the whole test split
    r2/train, mse/train, ...      in place of accuracy in a regression; see `bpexp.nn.tasks.TASKS`
    gradient/decay_rate           mean log ratio of delta norms, nats a layer; negative: vanishing
    gradient/decay_rate_se        its standard error
    gradient/first_to_last        ||delta^(1)|| / ||delta^(L)||
    grad_norm/layer_001 ...       ||dC/dW^(l)||_F of the mean cost over the probe batch
    grad_norm/first, /last        the same for l = 1 and l = L, in a run's row
    jacobian/mean_square          mean of s^2, s the singular values of dz^(L-1)/dz^(1), over the
                                  examples of probe.jacobian; chi_1^(depth - 1) in mean field
    jacobian/relative_variance    variance of s^2 over its mean squared; 0 for an isometry
    jacobian/largest              the largest s
    epoch                         epochs done; the step axis counts optimizer steps
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.analysis.summaries import decay, isometry
from bpexp.nn.tasks import TASKS
from bpexp.probes import PROBES
from bpexp.record.history import History

Columns = Mapping[str, NDArray[Any]]
"""Columns of one length, by name."""

SPLITS = ("test", "train")

# What is summed up of the gradients: in a run's row, and before training as start/...
START = (
    "gradient/decay_rate",
    "gradient/decay_rate_se",
    "gradient/first_to_last",
    "grad_norm/first",
    "grad_norm/last",
    "jacobian/mean_square",
    "jacobian/relative_variance",
    "jacobian/largest",
)


def final_names(task: str) -> tuple[str, ...]:
    """Return the names of the numbers of a run's row: its task's metrics, the costs, and START.

    Of a task that is not in `bpexp.nn.tasks.TASKS` the metrics are left out.
    """
    metrics = TASKS[task].metrics if task in TASKS else ()
    return (*(f"{name}/{split}" for name in (*metrics, "loss") for split in SPLITS), *START)


def flat_name(metric: str) -> str:
    """Return a metric's name below start/ or final/: accuracy/test is final/accuracy_test."""
    return metric.replace("/", "_")


# What a run without this number shows: no decay rate, for example, where there is no hidden layer.
NO_START = {f"start/{flat_name(name)}": np.nan for name in START}

Part = tuple[dict[str, Any], Columns]
"""A run's own columns, one value each, and its rows."""


def summary_metrics(line: dict[str, Any]) -> dict[str, float]:
    """Return an observation's metrics with the gradients' summaries; all as they were, raw."""
    values: dict[str, float] = {"epoch": line["epoch"], **line["metrics"]}
    layers = line["layers"] or {}
    if "delta_norm" in layers:
        values |= decay(np.array(layers["delta_norm"]))
    if "grad_norm" in layers:
        norms = layers["grad_norm"]
        values |= {"grad_norm/first": norms[0], "grad_norm/last": norms[-1]}
    if "spectra" in line:
        values |= isometry(np.array(line["spectra"]))
    return values


def layer_metrics(line: dict[str, Any]) -> dict[str, float]:
    """Return an observation's gradient norms by layer, three digits so that depth 100 sorts."""
    norms = line["layers"]["grad_norm"] if line["layers"] else []
    return {f"grad_norm/layer_{i:03d}": norm for i, norm in enumerate(norms, start=1)}


def finite(values: dict[str, float]) -> dict[str, float]:
    """Drop what is not finite."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


def final_metrics(history: History) -> dict[str, float]:
    """Return the last finite value of each metric of `final_names` that the run has.

    A cost or score that is not finite at the end has none: its last finite value would rank a run
    that has diverged among the best.
    """
    last: dict[str, float] = {}
    names = final_names(history.start.get("task", "classification"))
    for line in reversed(history.observations):  # mostly the last line has them all
        missing = [name for name in names if name not in last]
        if not missing:
            break
        values = summary_metrics(line)
        for name in missing:
            if name in values and (name in line["metrics"] or math.isfinite(values[name])):
                last[name] = values[name]
    return finite({name: last[name] for name in names if name in last})


def start_metrics(history: History) -> dict[str, float]:
    """Return the finite metrics of START before the first step."""
    if not history.observations:
        return {}
    values = finite(summary_metrics(history.observations[0]))
    return {name: values[name] for name in START if name in values}


def curve_columns(history: History) -> Columns:
    """Return the run's metrics, raw, as columns: a row an epoch, step 0 included."""
    rows = [
        {"step": line["step"], **summary_metrics(line)}
        for line in history.observations
        if line["metrics"]
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def layer_columns(history: History) -> Columns:
    """Return every probe as columns: step, epoch, layer and PROBES, a row a step and layer."""
    probed = [line for line in history.observations if line["layers"]]
    n_layers = len(next(iter(probed[0]["layers"].values()))) if probed else 0
    columns: dict[str, NDArray[Any]] = {
        "step": np.repeat(np.array([line["step"] for line in probed], np.int64), n_layers),
        "epoch": np.repeat(np.array([line["epoch"] for line in probed], np.float64), n_layers),
        "layer": np.tile(np.arange(1, n_layers + 1), len(probed)),
    }
    for name in PROBES:
        values = [line["layers"].get(name, [np.nan] * n_layers) for line in probed]
        columns[name] = np.array(values, np.float64).ravel()
    return columns


def spectrum_columns(history: History) -> Columns:
    """Return every singular value as columns: step, epoch, example, rank (from 1, the largest)."""
    looked = [line for line in history.observations if "spectra" in line]
    values = np.array([line["spectra"] for line in looked], np.float64)
    if not looked:
        values = np.empty((0, 0, 0))
    steps, examples, ranks = np.indices(values.shape)
    return {
        "step": np.array([line["step"] for line in looked], np.int64)[steps].ravel(),
        "epoch": np.array([line["epoch"] for line in looked], np.float64)[steps].ravel(),
        "example": examples.ravel(),
        "rank": ranks.ravel() + 1,
        "singular_value": values.ravel(),
    }
