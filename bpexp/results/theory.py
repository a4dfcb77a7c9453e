"""Theory's frames for the runs of a study: the columns of what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from bpexp.config import Config, flatten
from bpexp.data import Dataset, load_once
from bpexp.errors import BpexpError
from bpexp.journal import History
from bpexp.predictions import forecast_run, predicted_layers, predicted_moments
from bpexp.results.frames import Run, frame, typed
from bpexp.tables import flat_name
from bpexp.theory import critical_line

LENGTHS = np.geomspace(1e-3, 30, 60)  # q* along a critical line


def theory_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Predict the probes at step 0: a row a run and layer, source "theory"."""

    def columns(history: History) -> Any:
        data = _data_of(history)
        return {} if data is None else predicted_layers(_config(history), data)

    return frame(runs, columns).assign(source="theory")


def forecast_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Forecast each run: a row a run, columns theory/..., empty where the data are not at hand."""
    return pd.DataFrame([_forecast_row(history) for _, history in runs])


def plane(found: Sequence[Run], runs: pd.DataFrame) -> pd.DataFrame:
    """Put each activation's critical line, source "theory", above the runs' points."""
    if "theory/sigma_w2" not in runs:
        return runs.head(0)
    lines = []
    for choice in dict.fromkeys(_config(history).activation for _, history in found):
        sigma_w2, sigma_b2 = critical_line(choice, LENGTHS)
        line = pd.DataFrame({"theory/sigma_w2": sigma_w2, "theory/sigma_b2": sigma_b2})
        named = flatten({"activation": {"name": choice.name, **choice.parameters}})
        lines.append(typed(line.assign(source="theory", **named)))
    return pd.concat([*lines, runs.assign(source="measured")], ignore_index=True)


def _forecast_row(history: History) -> dict[str, Any]:
    data = _data_of(history)
    if data is None:
        return {}
    config = _config(history)
    told = {**asdict(forecast_run(config, data)), **predicted_moments(config, data)}
    return {f"theory/{flat_name(name)}": value for name, value in told.items()}


def _config(history: History) -> Config:
    return Config.of(history.start["config"])


def _data_of(history: History) -> Dataset | None:
    """Return the data set that a run was trained on, or None if it is not at hand."""
    choice = dict(history.start["config"]["data"])
    try:
        data = load_once(choice.pop("name"), **choice)
    except BpexpError:
        return None
    return data if data.digest == history.start["digest"] else None
