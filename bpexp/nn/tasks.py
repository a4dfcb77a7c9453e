"""Tasks: the kind of targets, the costs that fit them, and the scores of a network's outputs.

A network has K outputs. Its targets are either labels of K classes or K numbers for each example. A
task states which, and defines the metrics that compare outputs with targets. A new task is one row
of `TASKS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.choices import Choice, require
from bpexp.nn.costs import COSTS, Cost
from bpexp.nn.targets import Columns, Targets


@dataclass(frozen=True, eq=False)  # rows of a table, compared by identity
class Task:
    """The kind of targets, the costs that fit them, and the scores of outputs.

    Every metric is a function of the mean over examples of one number, so that batches and splits
    of any size are scored in one pass.

    Attributes:
        labels: whether targets are labels of classes, 0 .. K - 1, else K numbers for each example.
        cost: the default cost.
        fits: returns whether a cost can be minimised on such targets.
        metrics: a description of each metric by name, the primary metric first.
        statistic: `statistic(z, t)` returns one number for each example, (...), from z^(L) and
            targets (K, ...).
        scores: `scores(mean, targets)` returns the values of `metrics` from the statistic's mean
            over examples of each network, (R,), and the targets of their split.
        label: the primary metric's name in figures.
        unit: the primary metric's unit in figures.
        perfect: the primary metric's best value. It is above the metric of guessing if higher is
            better, and below it if lower is better.
        lowest: the primary metric's least value.
    """

    labels: bool
    cost: Choice
    fits: Callable[[Cost], bool]
    metrics: Mapping[str, str]
    statistic: Callable[[Array, Columns], NDArray[Any]]
    scores: Callable[[NDArray[np.float64], Targets], tuple[NDArray[np.float64], ...]]
    label: str
    unit: str
    perfect: float = 1.0
    lowest: float = -math.inf

    @property
    def metric(self) -> str:
        """The primary metric's name."""
        return next(iter(self.metrics))

    def gain(self, score: float, guess: float) -> float:
        """Return the share of the way from guessing to perfection: (s - s_0) / (s_1 - s_0).

        Args:
            score: the primary metric, s.
            guess: the metric of the best constant guess, s_0.

        Returns:
            1 for a perfect score, 0 for guessing and if guessing is perfect; higher is better.
        """
        return (score - guess) / (self.perfect - guess) if guess != self.perfect else 0.0

    def score(self, z: Array, targets: Targets) -> float:
        """Return the primary metric of outputs z^(L), (K, N)."""
        mean = self.statistic(z, targets.columns).mean(dtype=np.float64)
        return float(self.scores(np.array([mean]), targets)[0][0])


def hits(z: Array, t: Columns) -> NDArray[np.bool_]:
    """Return whether the first largest output is the class's, (...), for z and t (K, ...)."""
    top = np.maximum.reduce(z)
    peaks = z == top
    # The fast path is valid only without ties and without NaN; argmax takes twice as long.
    if np.count_nonzero(peaks) == top.size and not np.isnan(np.maximum.reduce(top, axis=None)):
        np.logical_and(peaks, t, out=peaks)
        return np.asarray(np.logical_or.reduce(peaks))
    return np.asarray(z.argmax(axis=0) == t.argmax(axis=0))


def squared_distance(z: Array, t: Columns) -> NDArray[np.float64]:
    """Return sum_k (z_k - t_k)^2 of each example in float64, (...), for z and t (K, ...)."""
    difference = np.subtract(z, t, dtype=np.float64)
    return np.asarray(np.add.reduce(np.square(difference, out=difference)))


def _accuracy(mean: NDArray[np.float64], targets: Targets) -> tuple[NDArray[np.float64]]:
    """Return the share of examples that are classified correctly."""
    return (mean,)


def _r2_and_mse(mean: NDArray[np.float64], targets: Targets) -> tuple[NDArray[np.float64], ...]:
    """Return R2 and the mean squared error, from the mean of ||a - t||^2 over examples.

    R2 = 1 - sum_ik (a_ik - t_ik)^2 / sum_ik (t_ik - mean_k)^2 with the means of these targets, as
    scikit-learn's multioutput="variance_weighted". The mean squared error is a mean over outputs,
    too.
    """
    return 1 - mean / np.float64(targets.variance), mean / len(targets.table)


TASKS: dict[str, Task] = {
    "classification": Task(
        labels=True,
        cost=Choice("cross_entropy"),
        fits=lambda cost: True,
        metrics={"accuracy": "share of examples whose largest output is that of their class"},
        statistic=hits,
        scores=_accuracy,
        label="accuracy",
        unit="share correct",
        lowest=0.0,
    ),
    "regression": Task(
        labels=False,
        cost=Choice("squared_error", {"output": "identity"}),
        fits=lambda cost: cost.linear,
        metrics={
            "r2": "1 - sum (a - t)^2 / sum (t - mean t)^2 over examples and outputs "
            '(scikit-learn\'s "variance_weighted"); 0 is guessing the mean',
            "mse": "mean of (a - t)^2 over examples and outputs",
        },
        statistic=squared_distance,
        scores=_r2_and_mse,
        label="$R^2$",
        unit="share of variance",
    ),
}


def find_task(name: str) -> Task:
    """Return the task of this name.

    Raises:
        ValueError: there is no such task.
    """
    require("task", name, f"one of {', '.join(TASKS)}", name in TASKS)
    return TASKS[name]


def check_cost(task: str, cost: Choice) -> None:
    """Refuse a cost that does not fit a task.

    Raises:
        ValueError: the cost does not fit; the message names one that does.
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
