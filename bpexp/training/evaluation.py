"""Costs and scores: over a whole split, and over an epoch's batches as they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bpexp.data import Dataset
from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, with_constant_unit
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import Task, find_task

CHUNK = 512  # examples in one forward pass when a whole split is evaluated
SCORED = 4096  # examples scored at once, so that their outputs stay in the cache

Scores = dict[str, NDArray[np.float64]]
"""The mean cost, as "loss", and the task's metrics: values (R,) by name."""


@dataclass(frozen=True, eq=False)
class Split:
    """Examples in the layout that propagation needs.

    Attributes:
        rows: inputs with the constant unit, (N, n_0 + 1), in the run's dtype.
        targets: the examples' targets, in the same dtype.
    """

    rows: Array
    targets: Targets

    def __len__(self) -> int:
        """Return N, the number of examples."""
        return len(self.rows)

    def head(self, n: int) -> Split:
        """Return the first n examples, or all if there are fewer."""
        return Split(self.rows[:n], self.targets.head(n))


@lru_cache(maxsize=2)  # the stacks of one worker share these copies
def splits(data: Dataset, dtype: np.dtype[np.floating]) -> tuple[Split, Split]:
    """Return the training and the test split of a data set in a run's dtype."""

    def split(x: Array, y: Array) -> Split:
        return Split(with_constant_unit(x, dtype), data.targets(y, dtype))

    return split(data.x_train, data.y_train), split(data.x_test, data.y_test)


class Evaluator:
    """Scores a stack on one split, in buffers that are allocated once."""

    def __init__(self, stack: Stack, split: Split, *, running: bool = True) -> None:
        """Allocate for at most CHUNK examples at once.

        Args:
            stack: the networks.
            split: the examples.
            running: whether batch norms use running statistics; otherwise those of each chunk.
        """
        uses_batch = stack.architecture.couples and not running
        lowest = len(stack.layers) + 1 if uses_batch else None
        self._cost, self._split = stack.cost, split
        self._task = find_task(stack.architecture.task)
        self._chunks = [slice(i, i + CHUNK) for i in range(0, len(split), CHUNK)]
        sizes = {min(CHUNK, len(split)), len(split) % CHUNK or min(CHUNK, len(split))}
        self._passes = {
            size: Propagation(stack, np.empty_like(split.rows[:size]), lowest=lowest)
            for size in sizes
        }

    def __call__(self) -> Scores:
        """Return the mean cost and the task's metrics of each network."""
        costs, statistics = [], []
        for chunk in self._chunks:
            rows = self._split.rows[chunk]
            passes = self._passes[len(rows)]
            np.copyto(passes.rows, rows)
            z = passes.forward().swapaxes(0, 1)
            columns = self._split.targets.columns[:, None, chunk]
            costs.append(self._cost.value(z, columns))
            statistics.append(self._task.statistic(z, columns))
        cost = np.concatenate(costs, axis=1).mean(axis=1)
        statistic = np.concatenate(statistics, axis=1).mean(axis=1, dtype=np.float64)
        return _scores(self._task, cost, statistic, self._split.targets)


class EpochScore:
    """Scores the outputs of an epoch's batches at the end of the epoch.

    Scoring each batch would need more calls than the step itself; storing z^(L) needs one copy.

    Attributes:
        z: z^(L) of the epoch's examples in the order of training, (R, K, N); written by the steps.
    """

    def __init__(self, stack: Stack, targets: Targets) -> None:
        """Allocate for an epoch over the training split.

        Args:
            stack: R networks.
            targets: the targets of the training split.
        """
        self._cost, self._targets = stack.cost, targets
        self._task = find_task(stack.architecture.task)
        shape = (len(stack), stack.architecture.sizes[-1], len(targets))
        self.z: Array = memory.empty(shape, stack.theta.dtype)

    def __call__(
        self, index: NDArray[np.int64], ends: Sequence[int]
    ) -> tuple[Scores, NDArray[np.int64]]:
        """Score the epoch.

        Args:
            index: columns of the examples' targets in the table of targets, (R, N), in the order of
                training.
            ends: the end of each batch in this order.

        Returns:
            The mean cost and the task's metrics, and the number, from 1, of the first batch with a
            non-finite cost, 0 if there is none, (R,).
        """
        runs, done = index.shape
        cost, statistic = np.empty(runs), np.empty(runs)
        broken = np.zeros(runs, np.int64)
        costs, statistics = np.empty(done), np.empty(done)
        for r in range(runs):
            for start in range(0, done, SCORED):
                part = slice(start, min(start + SCORED, done))
                z, columns = self.z[r, :, part], self._targets.at(index[r, part])
                costs[part] = self._cost.value(z, columns.astype(z.dtype, copy=False))
                statistics[part] = self._task.statistic(z, columns)
            cost[r] = np.add.reduce(costs) / done
            statistic[r] = np.add.reduce(statistics) / done
            if not np.isfinite(cost[r]):
                wrong = ~np.isfinite(costs)  # all False if only their sum overflows
                first = wrong.argmax() if wrong.any() else costs.argmax()
                broken[r] = np.searchsorted(ends, first, side="right") + 1
        return _scores(self._task, cost, statistic, self._targets), broken


def _scores(
    task: Task, cost: NDArray[np.float64], statistic: NDArray[np.float64], targets: Targets
) -> Scores:
    metrics = zip(task.metrics, task.scores(statistic, targets), strict=True)
    return {"loss": cost, **dict(metrics)}
