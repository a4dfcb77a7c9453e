"""A trainer: a stack of networks, its optimizer's memory and its place in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data import Dataset
from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.choices import Choice
from bpexp.nn.initializers import batch_order
from bpexp.nn.optimizers import OPTIMIZERS, Parameters
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack
from bpexp.nn.tape import Tape
from bpexp.nn.tasks import find_task
from bpexp.probes import Measurer
from bpexp.probes.measurer import Measured
from bpexp.training.evaluation import EpochScore, Evaluator, Scores, splits

# NumPy copies an operand that lies in pieces through a buffer, to have longer loops, where two of
# the pieces fit into it. In the 8192 numbers of the default those of a stack's a^(l) do, and a step
# then takes up to a tenth longer.
BUFFER = 1024

SCORES = "accuracies"  # what checkpoints have called the scores since there was one task

Batches = Callable[[int], Sequence[NDArray[np.int64]]]
"""From the epoch, counted from 1, to its batches: indices of training examples, (R, B) each."""

Step = Callable[[NDArray[np.int64], NDArray[np.int64], Array], None]
"""Takes a step on training examples: their indices and their targets' columns in the table of
targets (R, B), and where to keep their outputs (R, K, B)."""

Metrics = dict[str, NDArray[np.float64]]


class Trainer:
    """R networks of one architecture on one data set, in lockstep.

    Attributes:
        stack: the networks.
        rows: which of the first R networks are still in training.
        epoch: epochs done.
        step: optimizer steps done.
        costs: loss/train of the epochs done, (R,) each.
        scores: the task's primary metric on the training split, of the epochs done, (R,) each.
    """

    def __init__(
        self,
        stack: Stack,
        data: Dataset,
        *,
        rates: Sequence[float],
        seeds: Sequence[int],
        optimizer: Choice,
        batch_size: int,
        frozen: int = 0,
        probe_examples: int = 512,
        instruments: Mapping[str, int] | None = None,
        batches: Batches | None = None,
        divisor: float | None = None,
    ) -> None:
        """Prepare to train; nothing is computed yet.

        Args:
            stack: R networks; their parameters are trained in place.
            data: the data set.
            rates: learning rate of each network.
            seeds: decide each network's order of examples.
            optimizer: the update rule.
            batch_size: examples a step; an epoch's last batch may be smaller.
            frozen: the first k layers keep their weights.
            probe_examples: size of the probe batch, the first examples of the training split.
            instruments: what to measure beside the standard instruments, each with the number of
                examples it is measured at; 0 for those that take no such number.
            batches: the batches of an epoch instead of a shuffle by seed.
            divisor: divide a batch's summed cost by this instead of by its own size.
        """
        self.stack = stack
        self.rows = np.arange(len(stack))
        self.epoch = self.step = 0
        self.costs: list[NDArray[np.float64]] = []
        self.scores: list[NDArray[np.float64]] = []
        self._optimizer = optimizer.build(OPTIMIZERS)
        self._batch_size, self._divisor, self._given_batches = batch_size, divisor, batches
        self._train, self._test = splits(data, stack.theta.dtype)
        self._probe = self._train.head(probe_examples)
        targets = self._probe.targets.columns
        self._measurer = Measurer(stack, self._probe.rows, targets, instruments)
        self._lowest = min(frozen, len(stack.layers)) + 1
        self._trained = slice(stack.architecture.first_parameter(self._lowest), None)
        is_weight = np.ones(stack.theta.shape[1], stack.theta.dtype)
        for theta in stack.architecture.layers(is_weight):
            theta[0] = 0
        self._is_weight = is_weight[self._trained]
        self._rates = np.array(rates, np.float64)[:, None]
        self._seeds = list(seeds)
        shape = (self._optimizer.slots, *stack.theta[:, self._trained].shape)
        self._memory = memory.copy(np.zeros(shape, stack.theta.dtype))
        self._probed: Array | None = None
        self._count = np.zeros((), np.int64)
        self._allocate()

    def initial_metrics(self) -> Metrics:
        """Score the networks before any step; the training split is stood in by the probe batch."""
        with np.errstate(all="ignore"):
            scores = Evaluator(self.stack, self._probe)()
        return {**_named(scores, "train"), **self._test_metrics()}

    def advance(self, every: int | None = None) -> Iterator[float]:
        """Take an epoch's steps, stopping on the way where the step is a multiple of `every`.

        Yields:
            The part of the epoch that is done there.
        """
        order, self._ends = self._next_batches()
        self._index = index = self._train.targets.index.take(order, mode="clip")
        outputs = self._score.z
        done, last = 0, len(self._ends)
        starts = [0, *self._ends]
        while done < last:
            pause = min(last, done + every - self.step % every) if every else last
            with np.errstate(all="ignore"):  # divergence is a result, found at the epoch's end
                np.setbufsize(BUFFER)  # until errstate ends
                self._count[...] = self.step
                for start, end in pairwise(starts[done : pause + 1]):
                    if (batch := end - start) not in self._steps:
                        self._steps[batch] = self._step_on(batch)
                    self.step += 1
                    part = np.s_[..., start:end]
                    self._steps[batch](order[part], index[part], outputs[part])
            done = pause
            if done < last:
                yield done / last
        self.epoch += 1

    def score_epoch(self) -> tuple[Metrics, NDArray[np.int64]]:
        """Score the batches of the epoch that `advance` took, as they were trained.

        Returns:
            loss/train and the task's metrics, and the step of the first batch whose cost is not
            finite, 0 where there is none (R,).
        """
        with np.errstate(all="ignore"):
            scores, broken = self._score(self._index, self._ends)
        self.costs.append(scores["loss"])
        self.scores.append(scores[find_task(self.stack.architecture.task).metric])
        start = self.step - len(self._ends)
        return _named(scores, "train"), np.where(broken, start + broken, 0)

    def close_epoch(self) -> tuple[Metrics, NDArray[np.int64]]:
        """Score the epoch that `advance` took, and the test split.

        Returns:
            The metrics, and the step of the first non-finite cost, 0 where there is none (R,).
        """
        metrics, diverged_at = self.score_epoch()
        metrics |= self._test_metrics()
        late = ~np.isfinite(metrics["loss/test"]) & (diverged_at == 0)  # by the last update
        return metrics, np.where(late, self.step, diverged_at)

    def measure(self, which: NDArray[np.bool_] | None = None) -> Measured:
        """Measure the networks `which` (R,), all by default.

        Returns:
            R values of each instrument; those of the networks left out are NaN or None.
        """
        which = np.ones(len(self.stack), bool) if which is None else which
        measured = self._measurer(self.stack, self._probed, which)
        if which.all():
            self._probed = self.stack.theta.copy()
        return measured

    def state(self, r: int) -> dict[str, NDArray[Any]]:
        """Return all that network r needs to go on from the end of this epoch."""
        probed = self.stack.theta if self._probed is None else self._probed
        return {
            "theta": self.stack.theta[r],
            "memory": self._memory[:, r],
            "probed": probed[r],
            "costs": np.array([cost[r] for cost in self.costs]),
            SCORES: np.array([score[r] for score in self.scores]),
            "epoch": np.array(self.epoch),
            "step": np.array(self.step),
        }

    def restore(self, states: Sequence[dict[str, NDArray[Any]]]) -> None:
        """Go on from what `state` returned, one a network, all at the end of the same epoch."""
        self.epoch, self.step = int(states[0]["epoch"]), int(states[0]["step"])
        self._probed = np.empty_like(self.stack.theta)
        for r, state in enumerate(states):
            self.stack.theta[r] = state["theta"]
            self._memory[:, r] = state["memory"]
            self._probed[r] = state["probed"]
        self.costs = list(np.array([state["costs"] for state in states]).T)
        self.scores = list(np.array([state[SCORES] for state in states]).T)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Go on with the networks `which` (R,) only."""
        self.stack = Stack(self.stack.architecture, memory.copy(self.stack.theta[which]))
        self.rows, self._rates = self.rows[which], self._rates[which]
        self._seeds = [seed for seed, kept in zip(self._seeds, which, strict=True) if kept]
        self._memory = memory.copy(self._memory[:, which])
        self._probed = None if self._probed is None else self._probed[which]
        self.costs = [cost[which] for cost in self.costs]
        self.scores = [score[which] for score in self.scores]
        self._allocate()

    def _allocate(self) -> None:
        """Make the buffers whose size depends on R; nothing is allocated in a step."""
        self._gradient = memory.copy(np.zeros_like(self.stack.theta))
        theta, gradient = self.stack.theta[:, self._trained], self._gradient[:, self._trained]
        self._scale, rest = self._optimizer.split(self._rates)
        rest = rest.astype(theta.dtype)
        # One without dimensions: NumPy multiplies by it in half the time.
        rest = rest.reshape(()) if len(rest) == 1 else rest
        parameters = Parameters(
            theta=theta,
            gradient=gradient,
            rest=None if (rest == 1).all() else rest,
            state=self._memory,
            work=memory.empty_like(theta),
            is_weight=self._is_weight,
            step=self._count,
        )
        self._update = Tape()
        self._optimizer.record(self._update.record, parameters)
        self._score = EpochScore(self.stack, self._train.targets)
        self._evaluate_test = Evaluator(self.stack, self._test)
        self._steps: dict[int, Step] = {}

    def _step_on(self, batch: int) -> Step:
        """Return the optimizer step on B examples, whatever it needs looked up beforehand."""
        shape = (len(self.stack), batch, self._train.rows.shape[1])
        rows = memory.empty(shape, self.stack.theta.dtype)
        passes = Propagation(
            self.stack,
            rows,
            lowest=self._lowest,
            gradient=self._gradient,
            scale=self._scale / (batch if self._divisor is None else self._divisor),
        )
        columns, forward, backward = passes.columns, passes.forward, passes.backward
        # The methods: np.take looks them up, for four times the cost on small batches.
        take_rows, take_targets = self._train.rows.take, self._train.targets.table.take
        update = self._update.play

        def step(order: NDArray[np.int64], index: NDArray[np.int64], outputs: Array) -> None:
            take_rows(order, 0, rows, "clip")
            take_targets(index, 1, columns, "clip")
            outputs[...] = forward()
            backward()
            update()

        return step

    def _next_batches(self) -> tuple[NDArray[np.int64], list[int]]:
        """Return the epoch's order of examples (R, N), and where each batch ends in it."""
        if self._given_batches is not None:
            batches = self._given_batches(self.epoch + 1)
            ends = np.cumsum([batch.shape[1] for batch in batches])
            return np.concatenate(batches, axis=1), ends.tolist()
        n, size = len(self._train), self._batch_size
        order = np.array([batch_order(seed, self.epoch + 1, n) for seed in self._seeds])
        return order, [*range(size, n, size), n]

    def _test_metrics(self) -> Metrics:
        with np.errstate(all="ignore"):
            scores = self._evaluate_test()
        return _named(scores, "test")


def _named(scores: Scores, split: str) -> Metrics:
    """Name scores by their split: loss is loss/train or loss/test."""
    return {f"{name}/{split}": values for name, values in scores.items()}
