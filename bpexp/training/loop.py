"""The training loop: train a stack or one network through its epochs, and yield records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from bpexp.data import Dataset
from bpexp.errors import one_of
from bpexp.nn.checks import require_integer
from bpexp.nn.choices import Choice, as_choice, require
from bpexp.nn.network import Network
from bpexp.nn.norms import check_batches
from bpexp.nn.optimizers import OPTIMIZERS
from bpexp.nn.stack import Stack
from bpexp.probes import INSTRUMENTS
from bpexp.progress import begin
from bpexp.training.history import History
from bpexp.training.records import Record
from bpexp.training.stopping import STOPS, Rule, check_stop
from bpexp.training.trainer import Metrics, Trainer


def run(
    trainer: Trainer, *, epochs: int, stop: Rule, probe_every: int | None = None
) -> Iterator[Record]:
    """Train until `epochs` epochs are done; yield a record at step 0, each probe and each epoch.

    A resumed trainer yields no record at step 0. Runs that end are removed from the trainer when
    the generator resumes, so their parameters can be read while their last record is processed.

    Args:
        trainer: the networks; trained in place.
        epochs: the total number of epochs; 0 measures and trains nothing.
        stop: the rule that ends a run earlier.
        probe_every: optimizer steps between probes; None: probe at each epoch's end; 0: only at
            step 0 and where a run ends.
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
    schedule: str | Choice = "constant",
    seed: int = 0,
    frozen: int = 0,
    stop: str | Choice = "none",
    probe_every: int | None = None,
    probe_examples: int = 512,
    measure: Collection[str] | Mapping[str, int] = (),
    progress: bool = False,
) -> History:
    """Train one network in place and return its observations.

    The numbers equal those of a run of the same configuration. Nothing is written.

    >>> from bpexp.data import load
    >>> net = Network.create([64, 16, 10], activation="tanh", init="glorot_normal")
    >>> history = train(net, load("digits"), epochs=3, measure=["global_grad_norm"])
    >>> history[-1].metrics["accuracy/test"] > 0.8
    True
    >>> history[-1].layers["grad_norm"].shape, history[-1].arrays["global_grad_norm"] > 0
    ((2,), True)
    >>> history.frame()["epoch"].tolist()
    [0.0, 1.0, 2.0, 3.0]

    Args:
        network: the network; its parameters and its `classes` are changed.
        data: the data set, as `bpexp.load_data` returns it.
        lr: learning rate, a finite number above 0.
        epochs: passes over the training split; 0 measures the network and trains nothing.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        optimizer: the update rule: its name, or a Choice with parameters.
        schedule: how the learning rate changes from step to step: the schedule's name, or a Choice
            with parameters.
        seed: the seed of the order of the examples.
        frozen: the number of layers, from the first, that keep their parameters.
        stop: when to stop before the last epoch: the rule's name, or a Choice with parameters.
        probe_every: optimizer steps between probes; None: probe at each epoch's end; 0: only before
            training and at its end.
        probe_examples: size of the probe batch, the first examples of the training split.
        measure: names of instruments to measure besides the standard ones. Instruments that need a
            number of examples need a mapping of names to numbers: {"jacobian_spectrum": 4}.
        progress: whether to show a bar with the time left and the metrics of the latest epochs, in
            a notebook, a terminal or a log.

    Returns:
        An observation at step 0, before any update, and one at every probe and every epoch's end;
        `frame()` converts them to a data frame.

    Raises:
        ValueError: an argument is out of range, a name is not in its table, or the network's task
            or sizes are not those of the data.
    """
    _check_kinds(network, data)
    number = isinstance(lr, int | float | np.number) and not isinstance(lr, bool)
    require("lr", lr, "a finite number above 0", number and 0 < lr < np.inf)
    least = {"epochs": 0, "batch_size": 1, "seed": 0, "frozen": 0, "probe_examples": 1}
    given = (epochs, batch_size, seed, frozen, probe_examples)
    for name, value in zip(least, given, strict=True):
        require_integer(name, value, least[name])
    require_integer("probe_every", probe_every, 0, nullable=True)
    layers = len(network.architecture.sizes) - 1
    require("frozen", frozen, f"at most {layers}, the number of layers", frozen <= layers)
    shape, choice = network.architecture, as_choice(stop, "stop", STOPS)
    require("task", shape.task, f"that of data {data.name}, {data.task}", shape.task == data.task)
    fits = (shape.sizes[0], shape.sizes[-1]) == (data.n_features, data.n_outputs)
    allowed = f"of {data.n_features} inputs and {data.n_outputs} outputs, as data {data.name} has"
    require("sizes", shape.sizes, allowed, fits)
    check_stop(data.task, choice)
    if shape.couples:
        check_batches(shape.norm, batch_size, len(data.x_train))
    dtype = network.theta.dtype
    largest = float(np.finfo(dtype).max)
    require("data", data.largest, f"in the range of {dtype}, the dtype", data.largest <= largest)
    network.classes = data.classes
    stack = Stack(shape, network.theta[None], network.state[None])
    trainer = Trainer(
        stack,
        data,
        learning_rates=[lr],
        seeds=[seed],
        optimizer=as_choice(optimizer, "optimizer", OPTIMIZERS),
        batch_size=batch_size,
        schedule=schedule,
        epochs=epochs,
        frozen=frozen,
        probe_examples=probe_examples,
        instruments=_instruments(measure),
    )
    rule = choice.build(STOPS)
    records = run(trainer, epochs=epochs, stop=rule, probe_every=probe_every)
    seen = []
    with begin("training", epochs, "epoch", shown=progress) as shown:
        for record in records:
            seen.append(record.of(0))
            if seen[-1].metrics and record.epoch > 0:
                metrics = (f"{name} {value:.4g}" for name, value in seen[-1].metrics.items())
                shown.result(f"epoch {record.epoch:g}", *metrics)
                shown.advance()
    return History(seen)


def _check_kinds(network: object, data: object) -> None:
    """Raise ValueError if the arguments are not a Network and a Dataset."""
    if not isinstance(network, Network):
        raise ValueError(f"network: a {type(network).__name__} is not a bpexp.Network")
    if not isinstance(data, Dataset):
        raise ValueError(
            f"data: a {type(data).__name__} is not a data set; bpexp.dataset(x, y) makes one of "
            "arrays x and y"
        )


def _instruments(measure: Collection[str] | Mapping[str, int]) -> dict[str, int]:
    """Return the instruments to measure, each with its number of examples; 0 if it needs none."""
    if isinstance(measure, str):
        raise ValueError(f"measure: {measure!r} is not a list of names; use [{measure!r}]")
    if not isinstance(measure, Iterable):
        raise ValueError(f"measure: {measure!r} is not a list of names")
    given = measure if isinstance(measure, Mapping) else dict.fromkeys(measure, 0)
    for name, examples in given.items():
        if name not in INSTRUMENTS:
            raise ValueError(one_of("measure", name, INSTRUMENTS))
        least = int(INSTRUMENTS[name].examples_key is not None)
        allowed = f"a mapping of it to an integer of at least {least}"
        require(f"measure: {name}", examples, allowed, examples >= least)
    return dict(given)


def _record(
    trainer: Trainer,
    epoch: float,
    metrics: Metrics,
    due: bool = True,
    ended: NDArray[np.bool_] | bool = False,
    diverged_at: NDArray[np.int64] | int = 0,
) -> Record:
    """Return the record; measure all runs if a probe is due, else only those that end."""
    runs = len(trainer.rows)
    ended = np.broadcast_to(ended, runs)
    probed = ended | due
    return Record(
        rows=trainer.rows,
        step=trainer.step,
        epoch=epoch,
        metrics=metrics,
        measured=trainer.measure(probed) if probed.any() else {},
        probed=probed,
        ended=ended,
        diverged_at=np.broadcast_to(diverged_at, runs),
    )
