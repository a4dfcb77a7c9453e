"""The trainer: takes the optimizer steps of a stack of networks, scores and measures them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data import Dataset
from bpexp.nn import memory
from bpexp.nn.choices import Choice, as_choice
from bpexp.nn.initializers import batch_order
from bpexp.nn.optimizers import OPTIMIZERS
from bpexp.nn.stack import Stack
from bpexp.nn.tasks import find_task
from bpexp.nn.tuning import UFUNC_BUFFER
from bpexp.probes import Measurer
from bpexp.probes.measurer import Measured
from bpexp.training.distances import Distances
from bpexp.training.evaluation import EpochScore, Evaluator, Scores, splits
from bpexp.training.rates import LearningRates
from bpexp.training.schedules import SCHEDULES
from bpexp.training.steps import Steps

SCORES = "accuracies"  # the key of the scores in checkpoints, named in version 0.1

Metrics = dict[str, NDArray[np.float64]]


class Trainer:
    """R networks of one architecture on one data set, trained in lockstep.

    Attributes:
        stack: the networks that are still in training.
        rows: their indices among the networks at step 0.
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
        learning_rates: Sequence[float],
        seeds: Sequence[int],
        optimizer: Choice,
        batch_size: int,
        epochs: int,
        schedule: str | Choice = "constant",
        frozen: int = 0,
        probe_examples: int = 512,
        instruments: Mapping[str, int] | None = None,
    ) -> None:
        """Allocate all buffers; nothing is computed yet.

        Args:
            stack: R networks; their parameters and state are trained in place.
            data: the data set.
            learning_rates: lr of each network.
            seeds: the seed of each network's order of examples.
            optimizer: the update rule.
            batch_size: examples a step; an epoch's last batch may be smaller.
            epochs: the total number of epochs, which the schedule depends on.
            schedule: how the learning rate changes from step to step.
            frozen: the number of layers, from the first, that keep their parameters.
            probe_examples: size of the probe batch, the first examples of the training split.
            instruments: the instruments to measure besides the standard ones, each with its number
                of examples; 0 for those that need none.
        """
        self.stack = stack
        self.rows = np.arange(len(stack))
        self.epoch = self.step = 0
        self.costs: list[NDArray[np.float64]] = []
        self.scores: list[NDArray[np.float64]] = []
        self._optimizer = optimizer.build(OPTIMIZERS)
        self._epochs = epochs
        self._train, self._test = splits(data, stack.theta.dtype)
        self._ends = [*range(batch_size, len(self._train), batch_size), len(self._train)]
        self._probe = self._train.head(probe_examples)
        targets = self._probe.targets.columns
        self._measurer = Measurer(stack, self._probe.rows, targets, instruments)
        self._lowest = min(frozen, len(stack.layers)) + 1
        rates = np.array(learning_rates, np.float64)[:, None]
        planned = as_choice(schedule, "schedule", SCHEDULES).build(SCHEDULES)
        self._rates = LearningRates(rates, self._optimizer, planned, stack.theta.dtype)
        self._seeds = list(seeds)
        first, total = stack.architecture.first_parameter(self._lowest), stack.theta.shape[1]
        shape = (self._optimizer.slots, len(stack), total - first)
        self._update_state = memory.copy(np.zeros(shape, stack.theta.dtype))
        self._distances = Distances(stack, min(self._lowest, len(stack.layers)))
        self._allocate()

    def initial_metrics(self) -> Metrics:
        """Score the networks before any step, the probe batch in place of the training split.

        As in training, a batch norm uses the statistics of the batch.
        """
        with np.errstate(all="ignore"):
            scores = Evaluator(self.stack, self._probe, running=False)()
        return {**_named(scores, "train"), **self._test_metrics(), **self._distances(self.stack)}

    def advance(self, every: int | None = None) -> Iterator[float]:
        """Take the steps of an epoch; yield after each step that is a multiple of `every`.

        Args:
            every: a number of steps; None: do not yield.

        Yields:
            The part of the epoch that is done, between 0 and 1.
        """
        order = np.array([batch_order(s, self.epoch + 1, len(self._train)) for s in self._seeds])
        self._index = index = self._train.targets.index.take(order, mode="clip")
        outputs, starts, rates = self._score.z, [0, *self._ends], self._rates
        steps = self._steps
        if rates.varies:
            self._prepare_rates()

        def take(first: int, last: int) -> None:
            """Take the steps number first .. last - 1 of the epoch."""
            for number, (start, end) in enumerate(pairwise(starts[first : last + 1]), first):
                scale = rates.write(number) if rates.varies else None
                self.step += 1
                part = np.s_[..., start:end]
                steps.of(end - start)(order[part], index[part], outputs[part], scale)

        done, last = 0, len(self._ends)
        while done < last:
            pause = min(last, done + every - self.step % every) if every else last
            with np.errstate(all="ignore"):  # divergence is a result, found at the epoch's end
                np.setbufsize(UFUNC_BUFFER)  # errstate restores the old size
                steps.count[...] = self.step
                take(done, pause - 1)
                np.copyto(self._before, self.stack.theta)
                take(pause - 1, pause)
            done = pause
            if done < last:
                yield done / last
        self.epoch += 1

    def score_epoch(self) -> tuple[Metrics, NDArray[np.int64]]:
        """Score the batches of the epoch that `advance` took, as they were trained.

        Returns:
            loss/train and the task's metrics, and the step of the first batch whose cost is not
            finite, 0 if there is none, (R,).
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
            The metrics and the distances from step 0 (see `bpexp.training.distances`), and the step
            of the first non-finite cost, 0 if there is none, (R,).
        """
        metrics, diverged_at = self.score_epoch()
        metrics |= self._test_metrics() | self._distances(self.stack)
        # A divergence by the last update of the epoch is not visible in the costs of its batches.
        late = ~np.isfinite(metrics["loss/test"]) & (diverged_at == 0)
        return metrics, np.where(late, self.step, diverged_at)

    def measure(self, which: NDArray[np.bool_]) -> Measured:
        """Measure the networks `which`, (R,).

        Returns:
            R values of each instrument; those of other networks are NaN or None.
        """
        return self._measurer(self.stack, self._before if self.step else None, which)

    def state(self, r: int) -> dict[str, NDArray[Any]]:
        """Return the arrays from which training of network r resumes after this epoch."""
        return {
            "theta": self.stack.theta[r],
            "state": self.stack.state[r],
            "memory": self._update_state[:, r],
            "costs": np.array([cost[r] for cost in self.costs]),
            SCORES: np.array([score[r] for score in self.scores]),
            "epoch": np.array(self.epoch),
            "step": np.array(self.step),
        }

    def restore(self, states: Sequence[dict[str, NDArray[Any]]]) -> None:
        """Resume from the arrays that `state` returned for each network after the same epoch.

        The trainer must have been created with the initial parameters of the networks, because the
        distances are measured from them.
        """
        self.epoch, self.step = int(states[0]["epoch"]), int(states[0]["step"])
        for r, state in enumerate(states):
            self.stack.theta[r] = state["theta"]
            self.stack.state[r] = state.get("state", ())  # version 0.1 did not save any
            self._update_state[:, r] = state["memory"]
        self.costs = list(np.array([state["costs"] for state in states]).T)
        self.scores = list(np.array([state[SCORES] for state in states]).T)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Remove all networks but `which`, (R,)."""
        self.stack, self.rows = self.stack.select(which), self.rows[which]
        self._rates = self._rates.select(which)
        self._seeds = [seed for seed, kept in zip(self._seeds, which, strict=True) if kept]
        self._update_state = memory.copy(self._update_state[:, which])
        self._distances.keep(which)
        self.costs = [cost[which] for cost in self.costs]
        self.scores = [score[which] for score in self.scores]
        self._allocate()

    def _allocate(self) -> None:
        """Allocate the buffers whose size depends on R, so that steps allocate none."""
        self._steps = Steps(
            self.stack, self._train, self._optimizer, self._rates, self._update_state, self._lowest
        )
        self._score = EpochScore(self.stack, self._train.targets)
        self._evaluate_test = Evaluator(self.stack, self._test)
        self._before = memory.empty_like(self.stack.theta)  # theta before the last step

    def _prepare_rates(self) -> None:
        """Compute the learning rates of the next epoch."""
        n = len(self._ends)
        steps = range(self.step + 1, self.step + n + 1)
        self._rates.prepare(steps, self._epochs * n, np.diff(self._ends, prepend=0).tolist())

    def _test_metrics(self) -> Metrics:
        with np.errstate(all="ignore"):
            scores = self._evaluate_test()
        return _named(scores, "test")


def _named(scores: Scores, split: str) -> Metrics:
    """Append the split to the names: loss becomes loss/train or loss/test."""
    return {f"{name}/{split}": values for name, values in scores.items()}
