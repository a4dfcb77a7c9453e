"""Forward and backward propagation of a stack over a batch, in buffers allocated once."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.nn.activations import Array, Scratch
from bpexp.nn.stack import Stack
from bpexp.nn.tape import Do, Tape

# From here on the first product is made with the examples as rows and then turned: BLAS multiplies
# two transposed matrices a third slower, and turning z costs less than that on wide inputs only.
WIDE = 512

T = TypeVar("T", bound=np.generic)


class Propagation:
    """The buffers of one batch size and the passes that fill them.

    Shapes: R networks, B examples, units first (see `bpexp.nn.stack`). Lists are indexed by the
    layer: entry 0 is the input, entries of quantities that a layer lacks are unused.

    Attributes:
        a: a^(l) with the constant unit as row 0, (R, n_l + 1, B), for 0 < l < L.
        z: z^(l), (R, n_l, B). Unless `keep`, hidden layers share its memory, which stays in the
            cache.
        slope: g'(z^(l)); of layers below `lowest`, none.
        targets: what the outputs should be, (R, K, B), to be filled before `backward`.
        columns: the same memory as (K, R, B).
        delta: delta^(l), the memory of slope unless `keep`.
        backward_signal: W^(l+1) delta^(l+1), (R, n_l, B), in the memory of z unless `keep`.
        gradients: dC/dtheta^(l), (R, n_{l-1} + 1, n_l), l = 1 .. L at index l - 1.
    """

    def __init__(
        self,
        stack: Stack,
        batch: int,
        *,
        lowest: int | None = 1,
        keep: bool = False,
        gradient: Array | None = None,
        divisor: float | None = None,
    ) -> None:
        """Allocate for `batch` examples.

        Args:
            stack: the networks.
            batch: B.
            lowest: the lowest layer whose gradient is wanted, where backpropagation ends; None:
                forward passes only.
            keep: keep z, slope and delta of every layer apart, to be looked at.
            gradient: a gradient buffer (R, P) to share, else a new one.
            divisor: the gradient is that of sum_i C_i / divisor; B if not given.
        """
        self.stack, self.batch = stack, batch
        self.lowest = len(stack.layers) + 1 if lowest is None else lowest
        copies, sizes, dtype = len(stack), stack.architecture.sizes, stack.theta.dtype
        hidden = (0, *sizes[1:-1])
        memory = np.empty((3, copies * batch * max(1, *hidden)), dtype)

        def shared(number: int) -> list[Array]:
            """Return arrays (R, n_l, B) that begin at one place."""
            return [_shaped(memory[number], copies, n, batch) for n in hidden]

        def apart() -> list[Array]:
            return [np.empty((copies, n, batch), dtype) for n in hidden]

        output = _output_buffers(5, (copies, sizes[-1], batch), dtype)
        self.z: list[Array] = [*(apart() if keep else shared(0)), output[0]]
        self.slope = apart()
        self.delta: list[Array] = [*(apart() if keep else self.slope), output[1]]
        self.backward_signal = apart() if keep else shared(0)
        self.a = [np.empty((copies, n + 1, batch), dtype) for n in hidden]
        for a in self.a[1:]:
            a[:, 0] = 1
        self.columns = np.empty((sizes[-1], copies, batch), dtype)
        self.targets = self.columns.swapaxes(0, 1)
        masks: NDArray[np.bool_] = np.empty(memory.shape[1], np.bool_)
        self._scratch = [
            Scratch(first, second, _shaped(masks, *first.shape))
            for first, second in zip(shared(1), shared(2), strict=True)
        ]
        self._output_scratch = Scratch(output[2], output[3], np.empty_like(output[2], np.bool_))
        self._output_slope = output[4]
        self._divisor = np.array(batch if divisor is None else divisor, dtype)
        self.gradients: list[Array] = []
        if lowest is not None:
            self.gradients = stack.architecture.layers(
                np.zeros_like(stack.theta) if gradient is None else gradient
            )
        # `np.dot` calls the same BLAS routine as `np.matmul` at half the overhead, a tenth of a
        # small network's step. It takes matrices only, and treats vectors in ways of its own.
        self._alone = copies == 1 and min(batch, *sizes) > 1
        self._multiply = np.dot if self._alone else np.matmul
        self._wide = np.empty((copies, batch, sizes[1]), dtype) if sizes[0] >= WIDE else None
        self._forward, self._backward = Tape(), Tape()
        self._record_forward(self._forward.record)
        if lowest is not None:
            self._record_backward(self._backward.record)

    def forward(self, rows: Array) -> Array:
        """Propagate inputs and return z^(L).

        Args:
            rows: inputs with the constant unit, (R, B, n_0 + 1), or (B, n_0 + 1) for all networks.
        """
        if self._alone:
            rows = rows.reshape(rows.shape[-2:])
        self._inputs = rows.swapaxes(-1, -2)
        if self._wide is None:
            self._multiply(self._theta_t, self._inputs, self._first_z)
        else:
            self._multiply(rows, self._theta, self._matrix(self._wide))
            np.copyto(self.z[1], self._wide.swapaxes(1, 2))
        self._forward.play()
        return self.z[-1]

    def backward(self) -> None:
        """Write the gradient of sum_i C_i / divisor for all layers from `lowest` on."""
        self._backward.play()
        if self.lowest == 1:
            self._multiply(self._inputs, self._first_delta_t, self._first_gradient)

    def _matrix(self, array: Array) -> Array:
        """Return an array (R, n, m) as products take it: without R where a network is alone."""
        return array[0] if self._alone else array

    def _record_forward(self, do: Do) -> None:
        """Record all but the product with the inputs, which may come from anywhere."""
        matrix, last = self._matrix, len(self.z) - 1
        self._theta, self._first_z = matrix(self.stack.layers[0]), matrix(self.z[1])
        self._theta_t = self._theta.swapaxes(-1, -2)
        for layer in range(1, last):
            z, a = self.z[layer], self.a[layer]
            slope = self.slope[layer] if layer >= self.lowest else None
            self.stack.activation.evaluate(do, z, a[:, 1:], slope, self._scratch[layer])
            theta_t = matrix(self.stack.layers[layer]).swapaxes(-1, -2)
            do(self._multiply, theta_t, matrix(a), matrix(self.z[layer + 1]))

    def _record_backward(self, do: Do) -> None:
        """Record all but the gradient of the first layer, which takes the inputs."""
        matrix, last = self._matrix, len(self.z) - 1
        delta, turned = self.delta, self._turned_memory()
        self.stack.cost.delta(
            do, self.z[last], self.targets, delta[last], self._output_slope, self._output_scratch
        )
        do(np.divide, delta[last], self._divisor, delta[last])
        for layer in range(last, self.lowest - 1, -1):
            delta_t = matrix(delta[layer]).swapaxes(-1, -2)
            if (right := turned[layer]) is not None:
                do(np.copyto, matrix(right), delta_t)
                delta_t = matrix(right)
            gradient = matrix(self.gradients[layer - 1])
            if layer == 1:
                self._first_delta_t, self._first_gradient = delta_t, gradient
            else:
                do(self._multiply, matrix(self.a[layer - 1]), delta_t, gradient)
            if layer > self.lowest:
                below, signal = layer - 1, self.backward_signal[layer - 1]
                weights = matrix(self.stack.layers[layer - 1][:, 1:])
                do(self._multiply, weights, matrix(delta[layer]), matrix(signal))
                do(np.multiply, self.slope[below], signal, delta[below])

    def _turned_memory(self) -> list[Array | None]:
        """Return memory (R, B, n_l), shared by the layers, for deltas that are to be turned."""
        copies, sizes, batch = len(self.stack), self.stack.architecture.sizes, self.batch
        pairs = pairwise((0, *sizes))
        units = [n if turning_pays(n_in, n, batch) else 0 for n_in, n in pairs]
        memory = np.empty(copies * batch * max(units), self.stack.theta.dtype)
        return [_shaped(memory, copies, batch, n) if n else None for n in units]


def turning_pays(n_in: int, n_out: int, batch: int) -> bool:
    """Return whether the product a delta^T is made faster by turning delta in memory first.

    OpenBLAS multiplies small matrices in kernels of their own, up to a million multiplications.
    With a transposed right side these take up to 1.3 times as long, unless the result is so small
    that they add along the examples; and turning costs little while delta fits the nearest cache.
    """
    return n_in * n_out > 1100 and n_out * batch <= 2**13 and n_in * n_out * batch < 10**6


def _shaped(memory: NDArray[T], *shape: int) -> NDArray[T]:
    """Return the beginning of one-dimensional memory as an array of a shape."""
    return memory[: prod(shape)].reshape(shape)


def _output_buffers(n: int, shape: tuple[int, int, int], dtype: DTypeLike) -> Array:
    """Allocate n arrays (R, K, B) with K outermost in memory: sums over K are a few long loops.

    A single example keeps R outermost, so that NumPy adds up K in one order whatever R is.
    """
    copies, outputs, batch = shape
    if batch == 1:
        return np.empty((n, copies, outputs, batch), dtype)
    return np.empty((n, outputs, copies, batch), dtype).swapaxes(1, 2)
