"""The optimizer steps of a stack, recorded once for each batch size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack
from bpexp.nn.tape import Tape
from bpexp.nn.updates import Optimizer, Parameters, Rates
from bpexp.training.evaluation import Split
from bpexp.training.rates import LearningRates

Step = Callable[[NDArray[np.int64], NDArray[np.int64], Array, Rates | None], None]
"""The type of functions that take an optimizer step. Arguments: indices of the examples, and of
their columns in the table of targets, (R, B) each; the buffer for their outputs, (R, K, B); and the
factor of the gradient in backpropagation, (R, 1), or None if it is the same as in the last step."""


class Steps:
    """The recorded steps of a stack, which share the buffers of gradient and update.

    Attributes:
        count: number of steps taken, an array (). It is set before steps are taken; update rules
            that depend on it increment it.
    """

    def __init__(
        self,
        stack: Stack,
        examples: Split,
        optimizer: Optimizer,
        rates: LearningRates,
        slots: Array,
        lowest: int,
    ) -> None:
        """Allocate the buffers and record the calls of the update.

        Args:
            stack: R networks, whose parameters and state the steps change.
            examples: the training split.
            optimizer: the update rule.
            rates: the networks' learning rates.
            slots: the state of the update rule, (slots, R, P'), P' parameters from `lowest` on.
            lowest: the lowest layer that is trained.
        """
        self._stack, self._examples, self._rates, self._lowest = stack, examples, rates, lowest
        self._gradient = memory.copy(np.zeros_like(stack.theta))
        self.count = np.zeros((), np.int64)
        trained = np.s_[..., stack.architecture.first_parameter(lowest) :]
        theta = stack.theta[trained]
        parameters = Parameters(
            theta=theta,
            gradient=self._gradient[trained],
            remaining_rate=rates.remaining,
            state=slots,
            work=memory.empty_like(theta),
            decayed=stack.architecture.decayed()[trained].astype(theta.dtype),
            step=self.count,
        )
        self._update = Tape()
        optimizer.record(self._update.record, parameters)
        self._recorded: dict[int, Step] = {}

    def of(self, batch: int) -> Step:
        """Return the step for `batch` examples; the first call records it."""
        if batch not in self._recorded:
            self._recorded[batch] = self._record(batch)
        return self._recorded[batch]

    def _record(self, batch: int) -> Step:
        stack, examples = self._stack, self._examples
        rows = memory.empty((len(stack), batch, examples.rows.shape[1]), stack.theta.dtype)
        passes = Propagation(
            stack,
            rows,
            lowest=self._lowest,
            gradient=self._gradient,
            scale=self._rates.scale(batch),
            rescales=self._rates.varies,
            trains=True,
        )
        columns, forward, backward = passes.columns, passes.forward, passes.backward
        # Methods, because the look-up in np.take makes a call four times as slow for small batches.
        take_rows, take_targets = examples.rows.take, examples.targets.table.take
        rescale, update = passes.rescale, self._update.play

        def step(
            order: NDArray[np.int64], index: NDArray[np.int64], outputs: Array, scale: Rates | None
        ) -> None:
            if scale is not None:
                rescale(scale)
            take_rows(order, 0, rows, "clip")
            take_targets(index, 1, columns, "clip")
            outputs[...] = forward()
            backward()
            update()

        return step
