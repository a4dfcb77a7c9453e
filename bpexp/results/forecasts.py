"""The forecast of whether recorded or planned runs train, from configurations and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.config import Config
from bpexp.data import Dataset
from bpexp.nn import OPTIMIZERS, Architecture, Choice
from bpexp.nn.examples import evenly_spaced
from bpexp.nn.tasks import find_task
from bpexp.record.metrics import flat_name
from bpexp.record.run import Run
from bpexp.results.kept import Predicted, kept
from bpexp.results.theory import Known, input_moments, predicted_moments, variances
from bpexp.theory import (
    Descent,
    Forecast,
    Learning,
    UnknownLayerError,
    forecast,
    learn,
    tangent_kernel,
    trained,
)
from bpexp.theory.moments import SMALL
from bpexp.training import SCHEDULES


def forecast_rows(runs: Sequence[Known | None], study: Path | None = None) -> list[dict[str, Any]]:
    """Return the forecast of each run as columns theory/...

    There are no columns if a run is None or theory does not cover a layer of its network. Runs that
    differ only in what their forecast does not depend on, such as the seed, share it.

    Args:
        runs: configuration and data set of each run.
        study: the folder of the study in which forecasts are stored, or None.
    """
    subjects = [_subject(*run) if run else None for run in runs]
    rows: dict[Predicted | None, dict[str, Any]] = {None: {}}
    for subject, run in zip(subjects, runs, strict=True):
        if subject and run and subject not in rows:
            rows[subject] = _row(subject, *run, study)
    return [rows[subject] for subject in subjects]


def _subject(config: Config, data: Dataset) -> Predicted:
    """Return what a forecast depends on."""
    shape, descent = config.architecture(data), _descent(config, data)
    return Predicted("forecast", shape, config.init, data, config.probe.examples, descent)


def _row(subject: Predicted, config: Config, data: Dataset, study: Path | None) -> dict[str, Any]:
    def compute() -> dict[str, Any]:
        return {**forecast_columns(forecast_run(config, data)), **predicted_moments(config, data)}

    try:
        values = kept(study, subject, compute)
    except UnknownLayerError:
        return {}
    return {f"theory/{flat_name(name)}": value for name, value in values.items()}


def outcomes(runs: Sequence[Run]) -> dict[str, bool]:
    """Return by identity whether each run trained, to score forecasts.

    A run trained if its score on the training split is more than half way from that of guessing to
    the best possible one. Runs that are not finished are left out, and so are quick runs and runs
    without epochs, which are too short to train.
    """
    found = {}
    for run in runs:
        config = run.start["config"]
        if run.finished and config["epochs"] and not config.get("quick"):
            perfect = find_task(run.task).perfect
            found[run.identity] = trained(run.score("train"), run.chance, perfect)
    return found


def forecast_run(config: Config, data: Dataset) -> Forecast:
    """Forecast whether a run will train, from its configuration and data.

    Raises:
        UnknownLayerError: theory does not cover a layer of the run's network.
    """
    shape, examples = config.architecture(data), config.probe.examples
    with np.errstate(all="ignore"):  # lengths may grow without bound
        return _forecast(shape, config.init, data, examples, _descent(config, data))


def forecast_columns(forecast: Forecast) -> dict[str, Any]:
    """Return a forecast's fields under their column names; `deepest` is max_trainable_depth."""
    names = {"max_trainable_depth": "deepest"}
    return {names.get(name, name): value for name, value in asdict(forecast).items()}


@lru_cache(maxsize=1024)
def _forecast(
    shape: Architecture, init: Choice, data: Dataset, examples: int, descent: Descent | None
) -> Forecast:
    def learning() -> Learning:
        assert descent is not None
        kernels = _kernels(shape, init, data, examples, descent.frozen)
        targets = data.targets(data.y_train[_representatives(data, examples)])
        return learn(shape, *kernels, targets, descent)

    square, product = input_moments(data)
    return forecast(
        shape,
        variances(shape, init, data, examples),
        square,
        learning if descent else None,
        data.chance,
        product,
    )


def _descent(config: Config, data: Dataset) -> Descent | None:
    """Return a run's gradient descent; None for other optimizers and for runs without steps."""
    steps = config.epochs * -(-len(data.x_train) // config.batch_size)
    return _compute_descent(config.optimizer, config.lr, config.schedule, steps, config.frozen)


@lru_cache(maxsize=1024)
def _compute_descent(
    optimizer: Choice, lr: float, schedule: Choice, steps: int, frozen: int
) -> Descent | None:
    if not (steps and optimizer.build(OPTIMIZERS).by_rate):
        return None
    factor = schedule.build(SCHEDULES).factor
    places = np.unique(np.linspace(1, steps, 1000).round().astype(int)).tolist()
    share = np.mean([factor(step, steps) for step in places])
    momentum = float(optimizer.parameters.get("momentum") or 0.0)
    return Descent(lr, max(1, round(steps * share)), momentum, frozen)


@lru_cache(maxsize=64)
def _kernels(
    shape: Architecture, init: Choice, data: Dataset, examples: int, frozen: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = data.x_train[_representatives(data, examples)].astype(np.float64)
    return tangent_kernel(shape, variances(shape, init, data, examples), x, frozen)


def _representatives(data: Dataset, examples: int) -> NDArray[np.int64]:
    """Return the examples of the probe batch on which the linearised network is trained."""
    return evenly_spaced(min(examples, len(data.x_train)), SMALL)
