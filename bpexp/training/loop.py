"""The loop: a trainer through its epochs, yielding what is known of its runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpexp.data import Dataset
from bpexp.nn.choices import Choice, as_choice, require
from bpexp.nn.network import Network
from bpexp.nn.stack import Stack
from bpexp.training.stopping import STOPS, Rule, check_stop
from bpexp.training.trainer import Metrics, Trainer


@dataclass(frozen=True)
class Observation:
    """What is known of one run at one step.

    Attributes:
        step: optimizer steps so far.
        epoch: epochs so far; a fraction inside one.
        metrics: by name; empty inside an epoch.
        layers: each probe's values, (L,), or None where nothing was probed.
        spectra: singular values of the Jacobian at each of E examples, (E, n), if asked for.
    """

    step: int
    epoch: float
    metrics: dict[str, float]
    layers: dict[str, NDArray[np.float64]] | None
    spectra: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Record:
    """What is known of R runs at one step.

    Attributes:
        rows: which of the trainer's first runs these are, (R,).
        step: optimizer steps so far.
        epoch: epochs so far; a fraction inside one.
        metrics: (R,) by name; empty inside an epoch.
        layers: each probe's values, (R, L).
        spectra: singular values of Jacobians, (R, E, n), if asked for.
        probed: whether `layers` and `spectra` hold a run, (R,).
        ended: whether a run ends here: last epoch, stop rule or divergence, (R,).
        diverged_at: the step of the first non-finite cost, 0 where all were finite, (R,).
    """

    rows: NDArray[np.int64]
    step: int
    epoch: float
    metrics: Metrics
    layers: dict[str, NDArray[np.float64]]
    spectra: NDArray[np.float64] | None
    probed: NDArray[np.bool_]
    ended: NDArray[np.bool_]
    diverged_at: NDArray[np.int64]

    def of(self, r: int) -> Observation:
        """Return the part of the run at place r of `rows`."""
        metrics = {name: float(values[r]) for name, values in self.metrics.items()}
        if not self.probed[r]:
            return Observation(self.step, self.epoch, metrics, None)
        layers = {name: values[r] for name, values in self.layers.items()}
        spectra = None if self.spectra is None else self.spectra[r]
        return Observation(self.step, self.epoch, metrics, layers, spectra)


def run(
    trainer: Trainer, *, epochs: int, stop: Rule, probe_every: int | None = None
) -> Iterator[Record]:
    """Train to `epochs`, yielding step 0 (unless resumed), probes, and every epoch's end.

    A run that ends leaves the trainer only when the generator goes on: its parameters can be read
    while its last record is at hand.

    Args:
        trainer: the networks; trained in place.
        epochs: how many epochs in all; 0 looks and trains nothing.
        stop: when to stop before that.
        probe_every: probe every n steps; None: at every epoch's end; 0: first and last only.
    """
    if trainer.epoch == 0:
        yield _record(trainer, 0.0, trainer.initial_metrics(), ended=epochs == 0)
    while trainer.epoch < epochs and len(trainer.rows):
        for part in trainer.advance(probe_every):
            yield _record(trainer, trainer.epoch + part, {})
        metrics, diverged_at = trainer.close_epoch()
        stopped = [
            stop([cost[r] for cost in trainer.costs], [score[r] for score in trainer.scores])
            for r in range(len(trainer.rows))
        ]
        ended = np.array(stopped) | (diverged_at > 0) | (trainer.epoch >= epochs)
        due = probe_every is None or (probe_every > 0 and trainer.step % probe_every == 0)
        yield _record(trainer, float(trainer.epoch), metrics, due, ended, diverged_at)
        if ended.all():
            return
        if ended.any():
            trainer.keep(~ended)


def train(
    network: Network,
    data: Dataset,
    *,
    lr: float = 0.1,
    epochs: int = 20,
    batch_size: int = 32,
    optimizer: str | Choice = "sgd",
    seed: int = 0,
    frozen: int = 0,
    stop: str | Choice = "none",
    probe_every: int | None = None,
    probe_examples: int = 512,
    jacobian_examples: int = 0,
) -> list[Observation]:
    """Train one network in place and return what was measured on the way: for use by hand.

    Raises:
        ValueError: a parameter out of range, or a network of another task or shape than the data.

    >>> from bpexp.data import load
    >>> net = Network.create([64, 16, 10], activation="tanh", init="glorot_normal")
    >>> history = train(net, load("digits"), epochs=3)
    >>> history[-1].metrics["accuracy/test"] > 0.8
    True
    """
    require("lr", lr, "a finite number above 0", 0 < lr < np.inf)
    require("epochs", epochs, "an integer of at least 0", epochs >= 0)
    require("batch_size", batch_size, "an integer of at least 1", batch_size >= 1)
    shape, choice = network.architecture, as_choice(stop)
    require("task", shape.task, f"that of data {data.name}, {data.task}", shape.task == data.task)
    check_stop(data.task, choice)
    stack = Stack(shape, network.theta[None])
    trainer = Trainer(
        stack,
        data,
        rates=[lr],
        seeds=[seed],
        optimizer=as_choice(optimizer),
        batch_size=batch_size,
        frozen=frozen,
        probe_examples=probe_examples,
        jacobian_examples=jacobian_examples,
    )
    rule = choice.build(STOPS)
    records = run(trainer, epochs=epochs, stop=rule, probe_every=probe_every)
    return [record.of(0) for record in records]


def _record(
    trainer: Trainer,
    epoch: float,
    metrics: Metrics,
    due: bool = True,
    ended: NDArray[np.bool_] | bool = False,
    diverged_at: NDArray[np.int64] | int = 0,
) -> Record:
    """Look at the runs that are due or end here, and put together what is known."""
    runs = len(trainer.rows)
    ended = np.broadcast_to(ended, runs)
    probed = ended | due
    looked = probed.any()
    return Record(
        rows=trainer.rows,
        step=trainer.step,
        epoch=epoch,
        metrics=metrics,
        layers=trainer.measure(probed) if looked else {},
        spectra=trainer.look_at_jacobians(probed) if looked else None,
        probed=probed,
        ended=ended,
        diverged_at=np.broadcast_to(diverged_at, runs),
    )
