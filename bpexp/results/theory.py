"""Predictions of theory for recorded runs, as columns of frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from bpexp.config import Config, flatten
from bpexp.data import Dataset, load_once
from bpexp.errors import BpexpError
from bpexp.nn import ACTIVATIONS, Architecture, Choice
from bpexp.record.metrics import Columns
from bpexp.record.simulated import Simulated, affordable, simulated
from bpexp.results.frames import typed
from bpexp.results.kept import Predicted, kept
from bpexp.theory import (
    PREDICTED,
    BatchPrediction,
    Prediction,
    UnknownCostError,
    UnknownLayerError,
    critical_line,
    jacobian_moments,
    layer_variances,
    predict,
    predict_batch,
)

LENGTHS = np.geomspace(1e-3, 30, 60)  # q* along a critical line

Known = tuple[Config, Dataset]
"""A run's configuration and data set, from which theory predicts."""


def known(start: Mapping[str, Any]) -> Known | None:
    """Return the configuration and data set of a run from the start line of its journal.

    Returns None if the data set cannot be loaded or has another digest than the run's.
    """
    try:
        config = Config.of(start["config"])
        data = load_once(config.data.name, **config.data.parameters)
    except BpexpError:
        return None
    return (config, data) if data.digest == start["digest"] else None


def theory_columns(
    runs: Sequence[Known | None], *, study: Path | None = None, draws: bool | None = None
) -> list[Columns]:
    """Predict the layer measurements of runs at step 0: columns for each run, a row per layer.

    A run has no columns if it is None or theory does not cover a layer of its network.

    Args:
        runs: configuration and data set of each run.
        study: the folder of the study in which predictions and simulated draws are stored, or None.
        draws: whether to add columns computed from 200 draws of each network (see
            `bpexp.record.simulated`). None: only if those that `study` lacks take a few seconds for
            all networks together. Networks that would take more than 2 s each are not drawn.
    """
    networks = [Simulated.of(*run) if run else None for run in runs]
    # Runs that differ only in seed or learning rate have the same network, predicted once.
    first = dict(zip(reversed(networks), reversed(runs), strict=True))
    drawn = {network for network in first if network and network.work and draws is not False}
    if draws is None:
        drawn = affordable(drawn, PREDICTED, study)
    columns: dict[Simulated | None, Columns] = {}
    with threadpool_limits(1, "blas"):  # as in `simulate`
        for network, run in first.items():
            columns[network] = _columns(run, network in drawn, study) if run else {}
    return [columns[network] for network in networks]


def _columns(run: Known, drawn: bool, study: Path | None) -> Columns:
    try:
        columns = predicted_layers(*run, study)
    except (UnknownCostError, UnknownLayerError):
        return {}
    return {**columns, **simulated(Simulated.of(*run), PREDICTED, study)} if drawn else columns


def phase_plane(activations: Iterable[Choice], runs: pd.DataFrame) -> pd.DataFrame:
    """Return the critical line of each activation, source "theory", followed by the runs.

    Args:
        activations: the activations, without repetition.
        runs: a row for each run, with columns theory/... Runs with a norm or skip connections are
            left out, because the critical line is that of plain networks.
    """
    lines = []
    for choice in activations:
        sigma_w2, sigma_b2 = critical_line(choice, LENGTHS)
        line = pd.DataFrame({"theory/sigma_w2": sigma_w2, "theory/sigma_b2": sigma_b2})
        named = flatten({"activation": {"name": choice.name, **choice.parameters}})
        lines.append(typed(line.assign(source="theory", **named)))
    plain = [runs[key] == "none" for key in ("norm", "skip") if key in runs]
    kept = runs[np.logical_and.reduce(plain)] if plain else runs
    return pd.concat([*lines, kept.assign(source="measured")], ignore_index=True)


def predicted_layers(config: Config, data: Dataset, study: Path | None = None) -> Columns:
    """Predict a run's layer measurements at step 0.

    Args:
        config: the run's configuration.
        data: its data set.
        study: the folder of the study in which the prediction is stored, or None.

    Returns:
        Columns step, epoch, layer and the fields of `BatchPrediction`, a row for each layer.
    """
    shape, init, examples = config.architecture(data), config.init, config.probe.examples
    subject = Predicted("layers", shape, init, data, examples)
    found = kept(study, subject, lambda: asdict(_layers(shape, init, data, examples)))
    n_layers = len(shape.sizes) - 1
    return {
        "step": np.zeros(n_layers, np.int64),
        "epoch": np.zeros(n_layers),
        "layer": np.arange(1, n_layers + 1),
        **{name: values for name, values in found.items() if values is not None},
    }


def predicted_moments(config: Config, data: Dataset) -> dict[str, float]:
    """Predict the moments of a run's Jacobian at step 0.

    The result is empty for fewer than two hidden layers, and for residual networks, whose spectrum
    is not known.
    """
    if config.depth < 2 or config.skip.name != "none":
        return {}
    shape, hops = config.architecture(data), config.depth - 1
    with np.errstate(all="ignore"):  # lengths may grow without bound
        prediction = _prediction(shape, config.init, data, config.probe.examples)
        square, variance = jacobian_moments(
            config.activation.build(ACTIVATIONS),
            prediction.sigma_w2[1 : hops + 1] * prediction.norm_factor[:hops] ** 2,
            prediction.q[:hops],
            orthogonal=config.init.name in ("orthogonal", "lsuv"),
        )
    return {"jacobian/mean_square": square, "jacobian/relative_variance": variance}


@lru_cache(maxsize=1024)
def _layers(shape: Architecture, init: Choice, data: Dataset, examples: int) -> BatchPrediction:
    found = variances(shape, init, data, examples)
    targets = np.asarray(data.targets(data.y_train[:examples]).columns.T, np.float64)
    with np.errstate(all="ignore"):  # q may overflow
        return predict_batch(shape, found, data.x_train[:examples], targets)


@lru_cache(maxsize=1024)
def _prediction(shape: Architecture, init: Choice, data: Dataset, examples: int) -> Prediction:
    return predict(shape, variances(shape, init, data, examples), *input_moments(data))


@lru_cache(maxsize=8)
def input_moments(data: Dataset) -> tuple[float, float]:
    """Return the means over features of E[x^2], and of E[x]^2 = E[x_i x_j] of two examples."""
    square = np.mean(np.square(data.x_train), dtype=np.float64)
    return float(square), float(np.mean(np.mean(data.x_train, axis=0, dtype=np.float64) ** 2))


@lru_cache(maxsize=1024)
def variances(
    shape: Architecture, init: Choice, data: Dataset, examples: int
) -> list[tuple[float, float]]:
    """Return (Var W, Var b) of each layer."""
    return layer_variances(shape, init, batch=data.x_train[:examples])
