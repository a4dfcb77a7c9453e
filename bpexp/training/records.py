"""Observations: metrics and measurements of one run, or of all runs of a trainer, at one step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bpexp.probes import INSTRUMENTS
from bpexp.probes.measurer import Measured
from bpexp.probes.values import Value
from bpexp.training.trainer import Metrics


@dataclass(frozen=True, repr=False)
class Observation:
    """Metrics and measurements of one run at one step.

    >>> Observation(90, 1.0, {"loss/train": 0.62519}, {"q": np.ones(5)}, {"global_grad_norm": 0.7})
    Observation(step 90, epoch 1: loss/train 0.6252; 1 instrument of 5 layers; global_grad_norm 0.7)

    Attributes:
        step: optimizer steps so far.
        epoch: epochs so far; a fraction within an epoch.
        metrics: numbers by name; empty within an epoch.
        layers: values of the instruments that have one number a layer, by name, (L,) each; empty if
            nothing was measured.
        arrays: values of all other instruments by name: a float, an array with an axis for each
            dimension, or a list of arrays that differ in length.
    """

    step: int
    epoch: float
    metrics: dict[str, float]
    layers: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    arrays: dict[str, Value] = field(default_factory=dict)

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        parts = [f"step {self.step}, epoch {self.epoch:.4g}" + (f": {metrics}" if metrics else "")]
        if self.layers:
            n, n_layers = len(self.layers), len(next(iter(self.layers.values())))
            parts.append(f"{n} instrument{'s' * (n > 1)} of {n_layers} layers")
        parts += [f"{name} {_shown(value)}" for name, value in self.arrays.items()]
        return f"Observation({'; '.join(parts)})"


@dataclass(frozen=True)
class Record:
    """Metrics and measurements of R runs at one step.

    Attributes:
        rows: the indices of these runs among the networks at step 0, (R,).
        step: optimizer steps so far.
        epoch: epochs so far; a fraction within an epoch.
        metrics: numbers by name, (R,) each; empty within an epoch.
        measured: R values of each instrument, by name; empty if no run was measured.
        probed: whether each run was measured, (R,).
        ended: whether each run ends here: last epoch, stop rule or divergence, (R,).
        diverged_at: the step of the first non-finite cost, 0 if all were finite, (R,).
    """

    rows: NDArray[np.int64]
    step: int
    epoch: float
    metrics: Metrics
    measured: Measured
    probed: NDArray[np.bool_]
    ended: NDArray[np.bool_]
    diverged_at: NDArray[np.int64]

    def of(self, r: int) -> Observation:
        """Return the observation of the run at index r of `rows`."""
        layers: dict[str, NDArray[np.float64]] = {}
        arrays: dict[str, Value] = {}
        for name, values in self.measured.items() if self.probed[r] else ():
            value = values[r]
            if isinstance(value, np.ndarray) and INSTRUMENTS[name].dims == ("layer",):
                layers[name] = value
            elif value is not None:  # defined for this architecture
                arrays[name] = value
        metrics = {name: float(values[r]) for name, values in self.metrics.items()}
        return Observation(self.step, self.epoch, metrics, layers, arrays)


def _shown(value: Value) -> str:
    """Return a number, or the shape of an array."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value.shape) if isinstance(value, np.ndarray) else f"{len(value)} arrays"
