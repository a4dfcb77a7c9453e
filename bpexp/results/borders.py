"""The border of trainability as a curve along each numeric setting that theory covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bpexp.config import Config
from bpexp.data import Dataset
from bpexp.nn import Choice
from bpexp.results.frames import typed
from bpexp.results.theory import Known, input_moments
from bpexp.theory import UnknownLayerError, layer_variances, max_trainable_depth

POINTS = 100  # points of a curve; each takes some milliseconds
NETWORK = ("activation", "init", "norm", "skip")
FEWEST = 3  # values of a setting for a curve along it


def with_borders(runs: pd.DataFrame, understood: Iterable[Known | None]) -> pd.DataFrame:
    """Append the runs, source "measured", to the points of the border, source "theory".

    A setting is a parameter of the activation or the initialization that has at least three values
    while all other parameters of both, the norm and the skip connections are equal. The border is
    sampled along the setting over the extent of a map's cells: from half a cell below the least
    value to half a cell above the greatest. No other key of the configuration changes the border.

    Args:
        runs: a row for each run.
        understood: the configuration and data of each run; None for runs that theory does not
            cover.

    Returns:
        The points and the runs. A point has the configuration of one run with another value of the
        setting, and theory/deepest.
    """
    rows = [row for points in _curves(understood) for row in points]
    curves = typed(pd.DataFrame(rows)).assign(source="theory") if rows else runs.head(0)
    return pd.concat([curves, runs.assign(source="measured")], ignore_index=True)


def _curves(understood: Iterable[Known | None]) -> Iterator[list[dict[str, Any]]]:
    values: dict[Any, set[float]] = {}
    examples: dict[Any, Known] = {}
    for run in filter(None, understood):
        for group in ("activation", "init"):
            for name, value in getattr(run[0], group).parameters.items():
                if isinstance(value, float):
                    others = _changed(run[0], group, name, None)
                    key = group, name, *(getattr(others, each) for each in NETWORK)
                    values.setdefault(key, set()).add(value)
                    examples.setdefault(key, run)
    for key, found in values.items():
        if len(found) >= FEWEST:
            yield _curve(examples[key], key[0], key[1], sorted(found))


def _curve(run: Known, group: str, name: str, values: list[float]) -> list[dict[str, Any]]:
    config, data = run
    low = values[0] - (values[1] - values[0]) / 2
    high = values[-1] + (values[-1] - values[-2]) / 2
    if values[0] > 0:  # maps of positive values may have a logarithmic axis with wider cells
        high = values[-1] * (values[-1] / values[-2]) ** 0.5
    rows = []
    for value in np.unique([*np.linspace(low, high, POINTS), *values]):
        at = _changed(config, group, name, float(value))
        try:
            rows.append({**at.flat(), "theory/deepest": _deepest(at, data)})
        except (UnknownLayerError, ValueError):  # not covered by theory, or out of range
            continue
    return rows


def _deepest(config: Config, data: Dataset) -> float:
    """Return the largest trainable depth that theory predicts."""
    layers = int(config.skip.parameters.get("every") or 1)  # layers of a block
    shape = replace(config, depth=max(config.depth, 1 + layers)).architecture(data)
    batch = data.x_train[: config.probe.examples]
    variances = layer_variances(shape, config.init, batch=batch)
    return max_trainable_depth(shape, variances, *input_moments(data))


def _changed(config: Config, group: str, name: str, value: float | None) -> Config:
    """Return a configuration with another value of one parameter of a group's choice."""
    choice: Choice = getattr(config, group)
    changed = Choice(choice.name, {**choice.parameters, name: value})
    return replace(config, **{group: changed})  # type: ignore[arg-type]
