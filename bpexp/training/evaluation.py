"""Costs and accuracies: of a whole split, and of an epoch's batches as they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from bpexp.data import Dataset
from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.network import one_hot
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, with_constant_unit

CHUNK = 512  # examples a pass when a whole split is evaluated
SCORED = 4096  # outputs scored at once: they stay in the cache


@dataclass(frozen=True, eq=False)
class Split:
    """Examples laid out for the kernel.

    Attributes:
        rows: inputs with the constant unit, (N, n_0 + 1), the run's dtype.
        labels: (N,) int64.
        n_classes: K.
    """

    rows: Array
    labels: NDArray[np.int64]
    n_classes: int

    @cached_property
    def columns(self) -> Array:
        """One-hot targets, (K, N), the run's dtype."""
        return np.ascontiguousarray(one_hot(self.labels, self.n_classes, self.rows.dtype).T)

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    def head(self, n: int) -> Split:
        """Return the first n examples, or all if there are fewer."""
        return Split(self.rows[:n], self.labels[:n], self.n_classes)


@lru_cache(maxsize=2)  # the stacks of one worker share the copies in the kernel's layout
def splits(data: Dataset, dtype: np.dtype[np.floating]) -> tuple[Split, Split]:
    """Return the training and the test split of a data set in a run's dtype."""
    return (
        Split(with_constant_unit(data.x_train, dtype), data.y_train, data.n_classes),
        Split(with_constant_unit(data.x_test, dtype), data.y_test, data.n_classes),
    )


class Evaluator:
    """The buffers to score a stack on one split."""

    def __init__(self, stack: Stack, split: Split) -> None:
        """Allocate for at most CHUNK examples at once."""
        self._cost, self._split = stack.cost, split
        self._chunks = [slice(i, i + CHUNK) for i in range(0, len(split), CHUNK)]
        sizes = {min(CHUNK, len(split)), len(split) % CHUNK or min(CHUNK, len(split))}
        self._passes = {
            size: Propagation(stack, np.empty_like(split.rows[:size]), lowest=None)
            for size in sizes
        }

    def __call__(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (mean cost, accuracy) of each network, (R,) each."""
        costs, correct = [], []
        for chunk in self._chunks:
            split = self._split.rows[chunk]
            passes = self._passes[len(split)]
            np.copyto(passes.rows, split)
            z, columns = passes.forward().swapaxes(0, 1), self._split.columns[:, None, chunk]
            costs.append(self._cost.value(z, columns))
            correct.append(hits(z, columns, self._split.labels[chunk]))
        return np.concatenate(costs, axis=1).mean(axis=1), np.concatenate(correct, axis=1).mean(1)


def hits(
    z: Array, columns: Array | NDArray[np.bool_], labels: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Return whether the first largest output is the label's, (..., B), for z (K, ..., B)."""
    top = np.maximum.reduce(z)
    peaks = z == top
    # Without ties, and NaN that would make up for them in number, there is no need of argmax, which
    # takes twice as long.
    if np.count_nonzero(peaks) == top.size and not np.isnan(np.maximum.reduce(top, axis=None)):
        np.logical_and(peaks, columns, out=peaks)
        return np.asarray(np.logical_or.reduce(peaks))
    return np.asarray(z.argmax(axis=0) == labels)


class EpochScore:
    """The outputs of an epoch's batches, kept to be scored once at its end.

    Scoring every batch would cost more calls than the step itself; keeping z^(L) costs one copy.

    Attributes:
        z: z^(L) of the epoch's examples in the order of training, (R, K, N), to be filled.
    """

    def __init__(self, stack: Stack, examples: int) -> None:
        """Allocate for an epoch over so many examples."""
        self._cost = stack.cost
        outputs = stack.architecture.sizes[-1]
        self.z: Array = memory.empty((len(stack), outputs, examples), stack.theta.dtype)
        # The narrowest integers that hold a class: comparing them takes a third of the time.
        self._classes = np.arange(outputs, dtype=np.min_scalar_type(outputs))

    def __call__(
        self, labels: NDArray[np.int64], ends: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Score the epoch.

        Args:
            labels: those of the examples, (R, N).
            ends: where each batch ends in them.

        Returns:
            Mean cost (R,), accuracy (R,), and the number, from 1, of the first batch with a
            non-finite cost, 0 where there is none (R,).
        """
        runs, done = labels.shape
        cost, accuracy, broken = np.empty(runs), np.empty(runs), np.zeros(runs, np.int64)
        costs, correct = np.empty(done), np.empty(done, bool)
        for r in range(runs):
            for start in range(0, done, SCORED):
                part = slice(start, min(start + SCORED, done))
                z, narrow = self.z[r, :, part], labels[r, part].astype(self._classes.dtype)
                columns = np.equal(narrow, self._classes[:, None])
                costs[part] = self._cost.value(z, columns.astype(z.dtype))
                correct[part] = hits(z, columns, narrow)
            cost[r] = np.add.reduce(costs) / done
            accuracy[r] = np.count_nonzero(correct) / done
            if not np.isfinite(cost[r]):
                wrong = ~np.isfinite(costs)  # none, where only their sum leaves float64's range
                first = wrong.argmax() if wrong.any() else costs.argmax()
                broken[r] = np.searchsorted(ends, first, side="right") + 1
        return cost, accuracy, broken
