"""Record a training loop of PyTorch in a study's folder."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from bpexp.analysis.verdict import Evidence, verdict
from bpexp.bridge.about import start_line
from bpexp.bridge.listening import Listener
from bpexp.bridge.measuring import norm, observe
from bpexp.errors import BridgeError, reason
from bpexp.nn.tasks import TASKS
from bpexp.record.journal import Journal
from bpexp.record.layout import RUNS
from bpexp.record.studies import Study
from bpexp.training import Observation


class Watch:
    """A context that records the training of a module.

    A step is measured in the loop's own passes. Recording begins with a forward pass of the module
    in training mode with gradients enabled, and ends with the next call of `backward`. Other steps
    are only counted.
    """

    def __init__(
        self,
        module: nn.Module,
        every: int,
        study: str,
        name: str,
        root: Path,
        steps_per_epoch: int | None,
    ) -> None:
        """Begin without measurements; see `bpexp.watch` for the arguments.

        Raises:
            BridgeError: `every` or `steps_per_epoch` is below 1.
        """
        for key, value in {"every": every, "steps_per_epoch": steps_per_epoch}.items():
            if value is not None and value < 1:
                raise BridgeError(f"{key}: {value} is not an integer of at least 1")
        self._module, self._every, self._epoch = module, every, steps_per_epoch or 1
        self._identity, self._name = uuid4().hex[:16], name or type(module).__name__
        self._study = Study(root / RUNS / study, frozenset([self._identity]))
        self._journal: Journal | None = None  # opened with the first observation
        self._parameters = {id(value) for value in module.parameters()}
        self._step, self._begun, self._examples = 0, time.monotonic(), 0
        self._start: dict[str, Any] = {}
        self._listener: Listener | None = None
        self._pending: tuple[Observation, Listener] | None = None
        self._measured = -1  # the last step that was measured
        self._watched: list[tuple[Any, Any]] = []  # weight and bias of each layer
        self._initial: list[Any] = []
        self._before: list[Any] = []
        self._diverged_at: int | None = None
        self._hooks: list[Any] = []

    def __enter__(self) -> Study:
        """Return the study, of which this run is the only member."""
        self._hooks = [
            self._module.register_forward_pre_hook(self._on_forward, with_kwargs=True),
            register_optimizer_step_pre_hook(self._on_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        return self._study

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the end of the run."""
        for hook in self._hooks:
            hook.remove()
        self._close_listener()
        self._write_pending({})
        if self._journal is None:
            return
        with self._journal as journal:
            seconds = time.monotonic() - self._begun
            if error is None:
                found = self._verdict(journal.observations)
                journal.end("FINISHED", seconds=seconds, diverged_at=self._diverged_at, **found)
            elif isinstance(error, Exception):
                journal.end("FAILED", seconds=seconds, error=reason(error))
            else:
                journal.end("KILLED", seconds=seconds)

    def _on_forward(self, module: nn.Module, args: Any, kwargs: Mapping[str, Any]) -> None:
        """Record the forward pass if this step is to be measured."""
        self._close_listener()
        is_due = self._step % self._every == 0 and self._pending is None
        is_new = self._measured < self._step
        if not (is_due and is_new and module.training and torch.is_grad_enabled()):
            return
        given = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)]
        if given:
            self._examples = len(given[0])
            self._listener = Listener(module, self._measure)
            self._listener.__enter__()

    def _measure(self, loss: torch.Tensor) -> None:
        """Measure before the loop's own backward pass."""
        heard = self._listener
        if heard is None or not heard.layers:
            return
        weights = [layer.weight for layer in heard.layers]
        moved = None
        if not self._initial:
            self._initial = [weights[i].detach().clone() for i in (0, -1)]
        elif len(self._before) == len(heard.layers):
            pairs = zip(heard.layers, self._before, strict=True)
            moved = [_moved((layer.weight, layer.bias), before) for layer, before in pairs]
        found = observe(
            self._module,
            heard,
            loss,
            self._examples,
            step=self._step,
            epoch=self._step / self._epoch,
            moved=moved,
        )
        if not np.isfinite(found.metrics["loss/train"]) and self._diverged_at is None:
            self._diverged_at = self._step
        ends = zip(("first", "last"), (weights[0], weights[-1]), self._initial, strict=True)
        found.metrics.update({f"distance/{end}": _distance(now, then) for end, now, then in ends})
        self._pending, self._measured = (found, heard), self._step

    def _on_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Write the measurements; copy the parameters if the next step is to be measured."""
        if not self._is_own(optimizer):
            return
        self._close_listener()
        group = optimizer.param_groups[0]
        self._write_pending(
            {
                "optimizer": {"name": type(optimizer).__name__.lower()},
                "lr": float(group["lr"]),
            }
        )
        if (self._step + 1) % self._every == 0 and self._start:
            self._before = [
                [None if value is None else value.detach().clone() for value in pair]
                for pair in self._watched
            ]

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._is_own(optimizer):
            self._step += 1

    def _is_own(self, optimizer: Optimizer) -> bool:
        groups = optimizer.param_groups
        return any(id(value) in self._parameters for group in groups for value in group["params"])

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.__exit__(None, None, None)
            self._listener = None

    def _write_pending(self, settings: Mapping[str, Any]) -> None:
        """Write the observation, and before the first one the start line with these settings."""
        if self._pending is None:
            return
        observation, heard = self._pending
        self._pending = None
        if self._journal is None:
            self._journal = Journal(self._study.folder / self._identity)
            probe = {"every": self._every, "examples": self._examples}
            self._start = start_line(
                self._module,
                heard,
                self._examples,
                identity=self._identity,
                name=self._name,
                study=self._study.name,
                probe=probe,
                **settings,
            )
            self._journal.start(**self._start)
            self._watched = [(layer.weight, layer.bias) for layer in heard.layers]
        self._journal.observe(observation)

    def _verdict(self, seen: Sequence[Observation]) -> dict[str, str]:
        """Return the verdict; empty if a batch has no score."""
        task = TASKS[self._start["task"]]
        metrics = [observation.metrics for observation in seen]
        if not all(f"{task.metric}/train" in found for found in metrics):
            return {}
        probes = [{**observation.layers, **observation.arrays} for observation in seen]
        return verdict(
            Evidence.of(
                probes,
                metrics,
                task=task,
                chance=self._start["chance"],
                diverged_at=self._diverged_at,
            )
        ).fields()


def _moved(now: tuple[Any, Any], before: list[Any]) -> float:
    pairs = zip(now, before, strict=True)
    return math.hypot(*(0.0 if a is None else norm(a - b) for a, b in pairs))


def _distance(now: Any, then: Any) -> float:
    moved = norm(now.detach().double() - then.double())
    return float(np.divide(moved, norm(then))) if moved else 0.0
