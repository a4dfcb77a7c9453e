"""Theory's numbers for a run's configuration and data, under the names that measurements bear."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from bpexp.config import Config
from bpexp.data import Dataset
from bpexp.nn import Choice
from bpexp.nn.stack import Architecture
from bpexp.theory import (
    Forecast,
    field_of,
    forecast,
    jacobian_moments,
    layer_variances,
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
    shape = config.architecture(data)
    field = field_of(shape, _variances(shape, config.init, data, config.probe.examples))
    orthogonal = config.init.name in ("orthogonal", "lsuv")
    square, variance = jacobian_moments(field, config.depth - 1, orthogonal=orthogonal)
    return {"jacobian/mean_square": square, "jacobian/relative_variance": variance}


@lru_cache(maxsize=1024)
def _layers(shape: Architecture, init: Choice, data: Dataset, examples: int) -> Any:
    variances = _variances(shape, init, data, examples)
    return predict_batch(shape, variances, data.x_train[:examples], data.y_train[:examples])


@lru_cache(maxsize=1024)
def _forecast(shape: Architecture, init: Choice, data: Dataset, examples: int) -> Forecast:
    variances = _variances(shape, init, data, examples)
    return forecast(shape, variances, float(np.mean(np.square(data.x_train), dtype=np.float64)))


def _variances(
    shape: Architecture, init: Choice, data: Dataset, examples: int
) -> list[tuple[float, float]]:
    return layer_variances(shape, init, batch=data.x_train[:examples])
