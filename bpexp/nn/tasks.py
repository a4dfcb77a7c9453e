"""Tasks: what targets are, which costs fit them, and how a network's outputs are scored.

A network has K outputs. Its targets are either labels of K classes or K numbers an example; a task
says which, and defines the metrics that compare outputs with targets. A new task is one row of
`TASKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.nn.activations import Array
from bpexp.nn.choices import Choice, require
from bpexp.nn.costs import COSTS, Cost

Columns = Array | NDArray[np.bool_]
"""Targets (K, ...), outputs first; those of classes may be booleans."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of N examples, as columns of a table.

    All examples of a class share a column, so that a table of classes stays in the cache where the
    targets of all examples would not.

    Attributes:
        table: (K, M), floating point: the identity matrix for classes, else a column an example.
        index: (N,) int64; the target of example i is table[:, index[i]].
        classes: whether the table is that of classes.
    """

    table: Array
    index: NDArray[np.int64]
    classes: bool

    @classmethod
    def of(cls, y: NDArray[np.generic], n_outputs: int, dtype: DTypeLike, labels: bool) -> Targets:
        """Lay targets out as a table.

        Args:
            y: labels (N,) if `labels`, or targets (N, K); of one output also (N,).
            n_outputs: K.
            dtype: of the table.
            labels: whether a one-dimensional y holds labels of classes.

        Raises:
            ValueError: y has another shape, or labels that are no integers.
        """
        if labels and y.ndim == 1:
            if not np.issubdtype(y.dtype, np.integer):
                raise ValueError(f"y: labels of dtype {y.dtype} are not integers")
            return cls(np.eye(n_outputs, dtype=dtype), y.astype(np.int64), True)
        wide = y[:, None] if y.ndim == 1 else y
        if wide.ndim != 2 or wide.shape[1] != n_outputs:
            raise ValueError(f"y: shape {y.shape} is not (N, {n_outputs})")
        return cls(np.ascontiguousarray(wide.T, dtype), np.arange(len(y)), False)

    def __len__(self) -> int:
        """N."""
        return len(self.index)

    def head(self, n: int) -> Targets:
        """Return those of the first n examples, or all if there are fewer."""
        return Targets(self.table, self.index[:n], self.classes)

    def at(self, index: NDArray[np.int64]) -> Columns:
        """Return columns of the table, (K, B); of classes as booleans.

        A comparison of narrow integers takes half the time of gathering columns.
        """
        if self.classes:
            return np.asarray(index.astype(self._numbers.dtype) == self._numbers[:, None])
        return np.asarray(self.table.take(index, 1))

    @cached_property
    def columns(self) -> Array:
        """Every example's target, (K, N)."""
        return self.table.take(self.index, 1)

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean target, (K,): the frequency of each class, or each number's mean."""
        return self.table.astype(np.float64) @ self._shares

    @cached_property
    def variance(self) -> float:
        """Mean over examples of ||t - mean||^2, summed over the K outputs."""
        squares = np.square(self.table - self.mean[:, None], dtype=np.float64)
        return float(squares.sum(axis=0) @ self._shares)

    @cached_property
    def _numbers(self) -> NDArray[np.integer]:
        return np.arange(len(self.table), dtype=np.min_scalar_type(len(self.table)))

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        """Return the share of the examples that has each column of the table, (M,)."""
        return np.bincount(self.index, minlength=self.table.shape[1]) / len(self.index)


@dataclass(frozen=True)
class Task:
    """What targets are, which costs fit, and how outputs are scored.

    Every metric is a function of one number an example, averaged over examples, so that batches and
    splits of any size are scored in one pass.

    Attributes:
        labels: whether targets are labels of classes, 0 .. K - 1, else K numbers an example.
        cost: the cost of a network for which none is chosen.
        fits: whether a cost can be minimised on such targets.
        metrics: names of the metrics, the primary one first.
        statistic: `statistic(z, t)` gives one number an example, (...), from z^(L) and targets
            (K, ...).
        scores: `scores(mean, targets)` gives the values of `metrics` from the statistic's mean over
            examples of a network, (R,), and the targets of the split that they belong to.
        label: the primary metric's name in figures.
        unit: what it is a share of, in figures.
        perfect: the primary metric's best value; it is above that of guessing where higher is
            better, and below where lower is.
    """

    labels: bool
    cost: Choice
    fits: Callable[[Cost], bool]
    metrics: tuple[str, ...]
    statistic: Callable[[Array, Columns], NDArray[Any]]
    scores: Callable[[NDArray[np.float64], Targets], tuple[NDArray[np.float64], ...]]
    label: str
    unit: str
    perfect: float = 1.0

    @property
    def metric(self) -> str:
        """The primary metric's name."""
        return self.metrics[0]

    def gain(self, score: float, guess: float) -> float:
        """Return the share of the way from guessing to perfection: (s - s_0) / (s_1 - s_0).

        Args:
            score: the primary metric, s.
            guess: that of the best constant guess, s_0.

        Returns:
            1 for a perfect score, 0 for guessing or where guessing is perfect; higher is better.
        """
        return (score - guess) / (self.perfect - guess) if guess != self.perfect else 0.0

    def score(self, z: Array, targets: Targets) -> float:
        """Return the primary metric of outputs z^(L), (K, N)."""
        mean = self.statistic(z, targets.columns).mean(dtype=np.float64)
        return float(self.scores(np.array([mean]), targets)[0][0])


def hits(z: Array, t: Columns) -> NDArray[np.bool_]:
    """Return whether the first largest output is that of the class, (...), for z and t (K, ...)."""
    top = np.maximum.reduce(z)
    peaks = z == top
    # Without ties, and NaN that would make up for them in number, there is no need of argmax, which
    # takes twice as long.
    if np.count_nonzero(peaks) == top.size and not np.isnan(np.maximum.reduce(top, axis=None)):
        np.logical_and(peaks, t, out=peaks)
        return np.asarray(np.logical_or.reduce(peaks))
    return np.asarray(z.argmax(axis=0) == t.argmax(axis=0))


def squared_distance(z: Array, t: Columns) -> NDArray[np.float64]:
    """Return sum_k (z_k - t_k)^2 of each example in float64, (...), for z and t (K, ...)."""
    difference = np.subtract(z, t, dtype=np.float64)
    return np.asarray(np.add.reduce(np.square(difference, out=difference)))


def _accuracy(mean: NDArray[np.float64], targets: Targets) -> tuple[NDArray[np.float64]]:
    """Return the share of examples that are classified right."""
    return (mean,)


def _r2_and_mse(mean: NDArray[np.float64], targets: Targets) -> tuple[NDArray[np.float64], ...]:
    """Return R2 and the mean squared error, of K outputs and the mean of ||a - t||^2.

    R2 = 1 - sum_ik (a_ik - t_ik)^2 / sum_ik (t_ik - mean_k)^2 with the means of these targets: what
    scikit-learn calls multioutput="variance_weighted". The mean squared error is a mean over the
    outputs as well.
    """
    return 1 - mean / np.float64(targets.variance), mean / len(targets.table)


TASKS: dict[str, Task] = {
    "classification": Task(
        labels=True,
        cost=Choice("cross_entropy"),
        fits=lambda cost: True,
        metrics=("accuracy",),
        statistic=hits,
        scores=_accuracy,
        label="accuracy",
        unit="share correct",
    ),
    "regression": Task(
        labels=False,
        cost=Choice("squared_error", {"output": "identity"}),
        fits=lambda cost: cost.linear,
        metrics=("r2", "mse"),
        statistic=squared_distance,
        scores=_r2_and_mse,
        label="$R^2$",
        unit="share of variance",
    ),
}


def find_task(name: str) -> Task:
    """Return the task of this name.

    Raises:
        ValueError: there is none.
    """
    require("task", name, f"one of {', '.join(TASKS)}", name in TASKS)
    return TASKS[name]


def check_cost(task: str, cost: Choice) -> None:
    """Refuse a cost that does not fit a task.

    Raises:
        ValueError: it does not; the line names a cost that does.
    """
    found = find_task(task)
    if found.fits(cost.build(COSTS)):
        return
    usual = found.cost.parameters
    own = [f"{key}={value}" for key, value in cost.parameters.items() if key in usual]
    fitting = [f"cost={found.cost.name}", *(f"cost.{key}={usual[key]}" for key in usual)]
    raise ValueError(
        f"cost: {' '.join([cost.name, *own])} does not fit a {task} task; use {' '.join(fitting)}"
    )
