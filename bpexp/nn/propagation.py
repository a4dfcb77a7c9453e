"""Forward and backward propagation of a stack over a batch, recorded once per batch size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from bpexp.nn import memory
from bpexp.nn.activations import Array, Scratch
from bpexp.nn.buffers import Buffers
from bpexp.nn.stack import Stack
from bpexp.nn.tape import Emit, Tape

Observe = Callable[[Buffers, Emit, int], None]
"""Records further calls on the buffers of layer l, which the pass overwrites later.

It is called once for each layer, while the pass is recorded. The recorded calls must not write to
the buffers.
"""


def _nothing(at: Buffers, emit: Emit, number: int) -> None:
    """Record nothing."""


class Propagation:
    """The passes of a stack over batches of one size, and their buffers.

    Shapes: R networks, B examples, units before examples (see `bpexp.nn.stack`).

    Attributes:
        stack: the networks.
        buffers: the arrays that the passes read and write, by layer.
        rows: inputs with the constant unit, to be filled before `forward`.
        targets: the targets, (R, K, B), to be filled before `backward`.
        columns: the same memory as (K, R, B).
    """

    def __init__(
        self,
        stack: Stack,
        rows: Array,
        *,
        lowest: int | None = 1,
        gradient: Array | None = None,
        scale: ArrayLike | None = None,
        rescales: bool = False,
        trains: bool = False,
        on_forward: Observe = _nothing,
        on_backward: Observe = _nothing,
    ) -> None:
        """Allocate and record.

        Args:
            stack: the networks.
            rows: memory of the inputs, (R, B, n_0 + 1), or (B, n_0 + 1) for all networks.
            lowest: the lowest layer whose gradient is computed, where backpropagation ends; L + 1
                for no gradients. None: there is no backward pass, and layers use their state
                instead of statistics of the batch.
            gradient: a gradient buffer (R, P) to write to; a new one if None.
            scale: factor of the gradient of sum_i C_i: one number, or one for each network. None:
                1 / B, for the gradient of the mean. The factor multiplies the output layer's delta,
                in which backpropagation is linear.
            rescales: whether `rescale` will be called. Otherwise a scale of 1 records no call.
            trains: whether `forward` updates the layers' state, as in a training step.
            on_forward: called for each layer when its z^(l), a^(l) and slope^(l) are valid. The
                last layer has z^(l) only, and layers below `lowest` have no slope.
            on_backward: called when delta^(l), dC/da^(l) and the gradient of a layer are valid,
                from layer L down to `lowest`. The last layer has no dC/da^(l).
        """
        self.stack, self.rows = stack, rows
        batch, layers = rows.shape[-2], stack.architecture.layers
        if lowest is not None and gradient is None:
            gradient = memory.copy(np.zeros_like(stack.theta))
        self.buffers = Buffers(
            rows,
            stack.architecture.sizes,
            stack.activation,
            stack.parameters,
            stack.states,
            None if gradient is None else stack.architecture.parameters(gradient),
            lowest=len(layers) + 1 if lowest is None else lowest,
            trains=trains,
            evaluates=lowest is None,
        )
        outputs = stack.architecture.sizes[-1]
        self.columns: Array = memory.empty((outputs, len(stack), batch), stack.theta.dtype)
        self.targets = self.columns.swapaxes(0, 1)
        self._forward, self._backward = Tape(), Tape()
        self._scale: Array | None = None
        self._record_forward(on_forward)
        if lowest is not None:
            scale = np.asarray(1 / batch if scale is None else scale, stack.theta.dtype)
            self._record_output(scale, rescales)
            self._record_backward(on_backward)

    def forward(self) -> Array:
        """Propagate the inputs and return z^(L), (R, K, B)."""
        self._forward.play()
        return self.buffers.z[-1]

    def backward(self) -> None:
        """Write the gradients of layers `lowest` .. L; `forward` must be called before."""
        self._backward.play()

    def rescale(self, scale: Array) -> None:
        """Change the scale of the gradient, if the passes were recorded with `rescales`.

        Args:
            scale: a factor for each network, (R, 1).
        """
        assert self._scale is not None
        self._scale[...] = scale

    def _record_forward(self, observe: Observe) -> None:
        emit = self._forward.record
        for number, layer in enumerate(self.stack.architecture.layers, start=1):
            layer.forward(emit, self.buffers, number)
            observe(self.buffers, emit, number)

    def _record_output(self, scale: Array, rescales: bool) -> None:
        """Record delta^(L) of the cost times the scale, with the outputs as the first axis."""
        emit = self._backward.record
        z, out = (x[-1].swapaxes(0, 1) for x in (self.buffers.z, self.buffers.delta))
        slope, scratch = memory.empty_like(z), Scratch.like(z, memory.empty_like)
        self.stack.cost.delta(emit, z, self.columns, out, slope, scratch)
        if rescales or (scale != 1).any():
            self._scale = _factors(scale, out)
            emit(np.multiply, out, self._scale, out)

    def _record_backward(self, observe: Observe) -> None:
        emit, at, layers = self._backward.record, self.buffers, self.stack.architecture.layers
        for number in range(at.last, at.lowest - 1, -1):
            layer = layers[number - 1]
            if number < at.last:
                layer.delta(emit, at, number)
            layer.gradient(emit, at, number)
            observe(at, emit, number)
            if number > at.lowest:
                layer.signal(emit, at, number)
                signal = at.backward_signal[number - 1]
                for term in at.passed[number - 1]:
                    emit(np.add, signal, term, signal)


def _factors(scale: Array, delta: Array) -> Array:
    """Return a writable array of factors of delta: one number, or one for each entry.

    Both are faster than broadcasting one for each network.
    """
    if scale.size == 1:
        return np.array(scale.reshape(()))
    factors: Array = memory.empty_like(delta)
    factors[...] = scale.reshape(-1, 1)
    return factors
