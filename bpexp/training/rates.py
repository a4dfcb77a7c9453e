"""The learning rates of a stack, split into a factor of backpropagation and one of the update."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.nn.activations import Array
from bpexp.nn.updates import Optimizer, Rates
from bpexp.training.schedules import Schedule


class LearningRates:
    """The learning rates of R networks under one schedule.

    A rate is the product of two factors (see `bpexp.nn.optimizers`). The gradient is multiplied by
    the first one, divided by B, in backpropagation and by the remaining one in the update.

    Attributes:
        varies: whether the rates change from step to step.
        remaining: the remaining factor, set by `write`: (R, 1), or () for one network, because a
            scalar is twice as fast; None if it is 1 in every step.
    """

    def __init__(
        self, largest: Rates, optimizer: Optimizer, schedule: Schedule, dtype: DTypeLike
    ) -> None:
        """Allocate the arrays of rates.

        Args:
            largest: lr of each network, (R, 1), which is the largest rate of every schedule.
            optimizer: determines which factor of a rate enters backpropagation.
            schedule: determines the factor of lr in each step.
            dtype: the dtype of the networks.
        """
        self._largest, self._optimizer, self._schedule = largest, optimizer, schedule
        self._dtype = dtype
        self.varies = schedule.varies
        self.remaining: Array | None = None
        remaining = optimizer.remaining_rate(largest).astype(dtype)
        # Rates never exceed lr, so a remaining factor of 1 at lr is 1 in every step.
        is_fixed = optimizer.backpropagates_rate or not self.varies
        if not (is_fixed and (remaining == 1).all()):
            self.remaining = remaining.reshape(()) if len(remaining) == 1 else remaining
        self._scales = self._rates = np.empty((0, *largest.shape))

    def scale(self, batch: int) -> Rates:
        """Return the factor of the gradient of sum_i C_i at the rates lr, (R, 1)."""
        return self._optimizer.backpropagated_rate(self._largest) / batch

    def prepare(self, steps: range, of: int, batches: Sequence[int]) -> None:
        """Compute the rates of an epoch.

        Args:
            steps: the numbers of its steps, from 1.
            of: the number of steps of the whole training.
            batches: the number of examples of each step.
        """
        factors = [self._schedule.factor(step, of) for step in steps]
        rates = np.multiply.outer(factors, self._largest)
        sizes = np.array(batches)[:, None, None]
        self._scales = self._optimizer.backpropagated_rate(rates) / sizes
        self._rates = self._optimizer.remaining_rate(rates)

    def write(self, number: int) -> Rates:
        """Write the remaining rate of step `number` of the epoch, from 0.

        Returns:
            The factor of the gradient of sum_i C_i in this step, (R, 1).
        """
        if self.remaining is not None:
            self.remaining[...] = self._rates[number]
        scale: Rates = self._scales[number]
        return scale

    def select(self, which: NDArray[np.bool_]) -> LearningRates:
        """Return the learning rates of the networks `which`, (R,)."""
        return LearningRates(self._largest[which], self._optimizer, self._schedule, self._dtype)
