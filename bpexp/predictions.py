"""Theory's numbers for a run's configuration and data, under the names that measurements bear."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from bpexp.config import Config
from bpexp.data import Dataset
from bpexp.nn import ACTIVATIONS, Choice
from bpexp.nn.stack import Architecture
from bpexp.theory import (
    BatchPrediction,
    Forecast,
    Prediction,
    forecast,
    jacobian_moments,
    layer_variances,
    predict,
    predict_batch,
)

Columns = dict[str, np.ndarray[Any, Any]]


def forecast_run(config: Config, data: Dataset) -> Forecast:
    """Forecast whether a run will train, and give the numbers that the forecast rests on."""
    return _forecast(config.architecture(data), config.init, data, config.probe.examples)


def predicted_layers(config: Config, data: Dataset) -> Columns:
    """Predict a run's probes at step 0: step, epoch, layer and the probes that theory knows."""
    shape, init, examples = config.architecture(data), config.init, config.probe.examples
    found = asdict(_layers(shape, init, data, examples))
    n_layers = len(shape.sizes) - 1
    return {
        "step": np.zeros(n_layers, np.int64),
        "epoch": np.zeros(n_layers),
        "layer": np.arange(1, n_layers + 1),
        **found,
    }


def predicted_moments(config: Config, data: Dataset) -> dict[str, float]:
    """Predict the moments of a run's Jacobian at step 0; none for fewer than two hidden layers."""
    if config.depth < 2:
        return {}
    shape, hops = config.architecture(data), config.depth - 1
    told = _prediction(shape, config.init, data, config.probe.examples)
    square, variance = jacobian_moments(
        config.activation.build(ACTIVATIONS),
        told.sigma_w2[1 : hops + 1],
        told.q[:hops],
        orthogonal=config.init.name in ("orthogonal", "lsuv"),
    )
    return {"jacobian/mean_square": square, "jacobian/relative_variance": variance}


@lru_cache(maxsize=1024)
def _layers(shape: Architecture, init: Choice, data: Dataset, examples: int) -> BatchPrediction:
    variances = _variances(shape, init, data, examples)
    with np.errstate(all="ignore"):  # lengths that run away are told by what they become
        return predict_batch(shape, variances, data.x_train[:examples], data.y_train[:examples])


@lru_cache(maxsize=1024)
def _forecast(shape: Architecture, init: Choice, data: Dataset, examples: int) -> Forecast:
    variances = _variances(shape, init, data, examples)
    return forecast(shape, variances, _moment(data))


@lru_cache(maxsize=1024)
def _prediction(shape: Architecture, init: Choice, data: Dataset, examples: int) -> Prediction:
    return predict(shape, _variances(shape, init, data, examples), _moment(data))


@lru_cache(maxsize=8)
def _moment(data: Dataset) -> float:
    """E[x^2] over examples and features."""
    return float(np.mean(np.square(data.x_train), dtype=np.float64))


def _variances(
    shape: Architecture, init: Choice, data: Dataset, examples: int
) -> list[tuple[float, float]]:
    return layer_variances(shape, init, batch=data.x_train[:examples])
