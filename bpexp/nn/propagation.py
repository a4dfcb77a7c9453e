"""Forward and backward propagation of a stack over a batch, in buffers allocated once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Array, Scratch
from bpexp.nn.products import product, turning_pays
from bpexp.nn.stack import Stack
from bpexp.nn.tape import Emit, Tape, assign

# From here on the first product is made with the examples as rows and then turned: BLAS multiplies
# two transposed matrices a third slower, and turning z costs less than that on wide inputs only.
WIDE = 512

T = TypeVar("T", bound=np.generic)


def _nothing(passes: Propagation, emit: Emit, layer: int) -> None:
    """Record nothing."""


Observe = Callable[["Propagation", Emit, int], None]
"""Records, through `do`, calls on what a pass has at hand of layer l, and overwrites later.

It is asked once, when the pass is recorded, and its calls must not write to the pass's memory.
"""


class Propagation:
    """The buffers of one batch size and the passes that fill them.

    Shapes: R networks, B examples, units first (see `bpexp.nn.stack`). Lists are indexed by the
    layer: entry 0 is the input, entries of quantities that a layer lacks are unused.

    Attributes:
        rows: inputs with the constant unit, to be filled before `forward`.
        a: a^(l) with the constant unit as row 0, (R, n_l + 1, B), for l < L; a^(0) views rows.
        z: z^(l), (R, n_l, B). Hidden layers share its memory, which stays in the cache.
        slope: g'(z^(l)); of layers below `lowest`, none.
        targets: what the outputs should be, (R, K, B), to be filled before `backward`.
        columns: the same memory as (K, R, B).
        delta: delta^(l) of each example's own cost times the scale, in the memory of slope.
        backward_signal: W^(l+1) delta^(l+1), (R, n_l, B), in the memory of z.
        gradients: sum_i dC_i/dtheta^(l) times the scale, (R, n_{l-1} + 1, n_l), l = 1 .. L at index
            l - 1.
    """

    def __init__(
        self,
        stack: Stack,
        rows: Array,
        *,
        lowest: int | None = 1,
        gradient: Array | None = None,
        scale: ArrayLike | None = None,
        on_forward: Observe = _nothing,
        on_backward: Observe = _nothing,
    ) -> None:
        """Allocate for B examples.

        Args:
            stack: the networks.
            rows: the memory of the inputs, (R, B, n_0 + 1), or (B, n_0 + 1) for all networks.
            lowest: the lowest layer whose gradient is wanted, where backpropagation ends; None:
                forward passes only.
            gradient: a gradient buffer (R, P) to share, else a new one.
            scale: what the gradient of sum_i C_i is multiplied by, one number or one a network;
                1 / B, for the mean's, if not given. Backpropagation is linear in the output
                layer's delta, so it enters there.
            on_forward: what else to do where z^(l) is at hand, of hidden layers also a^(l) and,
                from `lowest` on, slope^(l).
            on_backward: what else to do where delta^(l), its signal and the gradient are, from
                layer L down to `lowest`.
        """
        self.stack, self.rows = stack, rows
        batch = rows.shape[-2]
        self.lowest = len(stack.layers) + 1 if lowest is None else lowest
        copies, sizes, dtype = len(stack), stack.architecture.sizes, stack.theta.dtype
        hidden = (0, *sizes[1:-1])
        largest = (copies, max(1, *hidden), batch)

        def shared(dtype: DTypeLike = dtype) -> list[NDArray[Any]]:
            """Return arrays (R, n_l, B) that begin at one place."""
            place = memory.empty(largest, dtype).ravel()
            return [_shaped(place, copies, n, batch) for n in hidden]

        output = _output_buffer((copies, sizes[-1], batch), dtype)
        self.backward_signal = shared()
        self.z: list[Array] = [*self.backward_signal, output]
        self.slope: list[Array] = [memory.empty((copies, n, batch), dtype) for n in hidden]
        self.delta: list[Array] = [*self.slope, memory.empty_like(output)]
        self.a: list[Array] = [memory.empty((copies, n + 1, batch), dtype) for n in hidden]
        for a in self.a[1:]:
            a[:, 0] = 1
        self.a[0] = rows.swapaxes(-1, -2)
        self.columns: Array = memory.empty((sizes[-1], copies, batch), dtype)
        self.targets = self.columns.swapaxes(0, 1)
        self._scratch = list(map(Scratch, shared(), shared(), shared(np.bool_)))
        self.gradients: list[Array] = []
        if lowest is not None:
            self.gradients = stack.architecture.layers(
                memory.copy(np.zeros_like(stack.theta)) if gradient is None else gradient
            )
        self._forward, self._backward = Tape(), Tape()
        self._record_forward(on_forward)
        if lowest is not None:
            scale = np.asarray(1 / batch if scale is None else scale, dtype)
            self._record_backward(scale, on_backward)

    def forward(self) -> Array:
        """Propagate the inputs and return z^(L)."""
        self._forward.play()
        return self.z[-1]

    def backward(self) -> None:
        """Write the gradient for all layers from `lowest` on."""
        self._backward.play()

    def _record_forward(self, observe: Observe) -> None:
        emit = self._forward.record
        for layer, theta in enumerate(self.stack.layers):
            a, z = self.a[layer], self.z[layer + 1]
            if layer:
                slope = self.slope[layer] if layer >= self.lowest else None
                self.stack.activation.evaluate(
                    emit, self.z[layer], a[:, 1:], slope, self._scratch[layer]
                )
                observe(self, emit, layer)
            if layer == 0 and self.stack.architecture.sizes[0] >= WIDE:
                turned = memory.empty((*z.shape[:1], *z.shape[:0:-1]), z.dtype)
                product(emit, self.rows, theta, turned)
                assign(emit, z, turned.swapaxes(1, 2))
            else:
                product(emit, theta.swapaxes(1, 2), a, z)
        observe(self, emit, len(self.stack.layers))

    def _record_backward(self, scale: Array, observe: Observe) -> None:
        emit, last = self._backward.record, len(self.z) - 1
        delta, signal, turned = self.delta, self.backward_signal, self._turned()
        z, out = (array.swapaxes(0, 1) for array in (self.z[last], delta[last]))  # outputs first
        slope, scratch = memory.empty_like(z), Scratch.like(z, memory.empty_like)
        self.stack.cost.delta(emit, z, self.columns, out, slope, scratch)
        if (scale != 1).any():
            emit(np.multiply, out, _factors(scale, out), out)
        for layer in range(last, self.lowest - 1, -1):
            if layer < last:
                weights = self.stack.layers[layer][:, 1:]
                product(emit, weights, delta[layer + 1], signal[layer])
                emit(np.multiply, self.slope[layer], signal[layer], delta[layer])
            delta_t = delta[layer].swapaxes(1, 2)
            if (right := turned[layer]) is not None:
                assign(emit, right, delta_t)
                delta_t = right
            product(emit, self.a[layer - 1], delta_t, self.gradients[layer - 1])
            observe(self, emit, layer)

    def _turned(self) -> list[Array | None]:
        """Return memory (R, B, n_l), shared by the layers, for deltas that are to be turned."""
        copies, sizes, batch = len(self.stack), self.stack.architecture.sizes, self.rows.shape[-2]
        pairs = pairwise((0, *sizes))
        units = [n if turning_pays(n_in, n, batch) else 0 for n_in, n in pairs]
        place = memory.empty((copies * batch * max(units),), self.stack.theta.dtype)
        return [_shaped(place, copies, batch, n) if n else None for n in units]


def _shaped(place: NDArray[T], *shape: int) -> NDArray[T]:
    """Return the beginning of one-dimensional memory as an array of a shape."""
    return place[: prod(shape)].reshape(shape)


def _factors(scale: Array, delta: Array) -> Array:
    """Return what delta is multiplied by in the least time: one number, or one for each entry."""
    if scale.size == 1:
        return scale.reshape(())
    factors = memory.empty_like(delta)
    factors[...] = scale.reshape(-1, 1)
    return factors


def _output_buffer(shape: tuple[int, int, int], dtype: DTypeLike) -> Array:
    """Allocate (R, K, B) with K outermost in memory: sums over K are a few long loops.

    Fewer than four examples keep R outermost: NumPy and BLAS then add up K in one order whatever R
    is, also where the layer below has a single unit.
    """
    copies, outputs, batch = shape
    if batch < 4:
        return memory.empty(shape, dtype)
    return memory.empty((outputs, copies, batch), dtype).swapaxes(0, 1)
