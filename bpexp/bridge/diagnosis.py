"""Measure a PyTorch module layer by layer, in one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from bpexp.analysis.signal import Signal
from bpexp.bridge.about import start_line
from bpexp.bridge.expected import expected
from bpexp.bridge.listening import Listener
from bpexp.bridge.measuring import chance, observe
from bpexp.figures.profiles import layer_profiles
from bpexp.nn.tasks import TASKS
from bpexp.record.history import History
from bpexp.record.metrics import finite, layer_columns, summary_metrics
from bpexp.record.observations import as_line
from bpexp.results.frames import joined, own
from bpexp.training import Observation


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The measurements of a module.

    Attributes:
        names: the names of the layers, first layer first.
        layers: a frame with the columns of `bpexp.load_layers` and two rows for each layer: the
            measurements have source "measured", the mean-field predictions source "theory".
        summaries: metrics by name: loss/train and accuracy/train of the batch,
            gradient/decay_rate, gradient/first_to_last, ...
        verdict: the word for the gradient, one of `bpexp.analysis.signal.GRADIENT`.
        evidence: the reason, as a sentence.
        observation: the measurements, as a training loop would record them.
    """

    names: tuple[str, ...]
    layers: pd.DataFrame
    summaries: dict[str, float]
    verdict: str
    evidence: str
    observation: Observation = field(compare=False)

    def figure(self, **look: Any) -> Figure:
        """Draw the measurements of each layer and the predictions of mean field.

        Args:
            look: see `bpexp.figures.Look`.
        """
        return layer_profiles(self.layers, **look)

    def __repr__(self) -> str:
        """Return the number of layers, the verdict and its evidence."""
        return f"<Diagnosis of {len(self.names)} layers: {self.verdict}. {self.evidence}>"


def diagnose(module: nn.Module, loss: Callable[[Any, Any], Any], x: Any, y: Any) -> Diagnosis:
    """Measure a module, as `bpexp.diagnose`."""
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        with torch.random.fork_rng(), torch.enable_grad():
            seen = x.detach()
            if seen.is_floating_point():
                seen = seen.clone().requires_grad_()  # for the deltas of frozen layers
            with Listener(module) as heard:
                value = loss(module(seen), y)
            observation = observe(module, heard, value, len(x))
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
    return _diagnosis(module, heard, observation, len(x))


def _diagnosis(
    module: nn.Module, heard: Listener, observation: Observation, examples: int
) -> Diagnosis:
    start = start_line(module, heard, examples, identity="module", name=type(module).__name__)
    history = History(start, [as_line(observation)])
    columns = layer_columns(history)
    theory = {name: columns[name] for name in ("step", "epoch", "layer")}
    theory |= expected(heard, observation.layers["delta_norm"])
    rows = [joined([(own(start), part)]) for part in (columns, theory)]
    both = pd.concat(
        [part.assign(source=s) for part, s in zip(rows, ("measured", "theory"), strict=True)],
        ignore_index=True,
    )
    task = TASKS[start["task"]]
    score = observation.metrics.get(f"{task.metric}/train", np.nan)
    wrong = not task.gain(score, chance(heard)) > 0
    probe = {**observation.layers, **observation.arrays}
    signal = Signal.of(probe, first=0, start=True, wrong=wrong)
    return Diagnosis(
        tuple(layer.name for layer in heard.layers),
        both,
        finite(summary_metrics(as_line(observation))),
        signal.word,
        f"The gradient that reaches the first layer is {signal.phrase}",
        observation,
    )
