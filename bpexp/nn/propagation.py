"""Forward and backward propagation of a stack over a batch, in buffers allocated once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from bpexp.nn.activations import Array
from bpexp.nn.stack import Stack

# From here on the first product is made with the examples as rows and then turned: BLAS multiplies
# two transposed matrices a third slower, and turning z costs less than that on wide inputs only.
WIDE = 512

# Gradient products of so many multiplications get a delta that was turned first: small products
# are up to 1.6 times as slow with a transposed right side, which a turn of 64 units is worth.
TURNED = range(2**17, 10**6)


class Propagation:
    """The buffers of one batch size and the passes that fill them.

    Shapes: R networks, B examples, units first (see `bpexp.nn.stack`). Lists are indexed by the
    layer: entry 0 is the input, entries of quantities that a layer lacks are unused.

    Attributes:
        a: a^(l) with the constant unit as row 0, (R, n_l + 1, B), for 0 < l < L.
        z: z^(l), (R, n_l, B). Unless `keep`, slopes and then deltas overwrite the hidden ones.
        slope: g'(z^(l)), the memory of z unless `keep`.
        delta: delta^(l), the memory of slope unless `keep`.
        backward_signal: scratch (R, n_l, B): W^(l+1) delta^(l+1) of the last hop.
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
    ) -> None:
        """Allocate for `batch` examples.

        Args:
            stack: the networks.
            batch: B.
            lowest: the lowest layer whose gradient is wanted, where backpropagation ends; None:
                forward passes only.
            keep: keep z, slope and delta of every layer apart, to be looked at.
            gradient: a gradient buffer (R, P) to share, else a new one.
        """
        self.stack, self.batch = stack, batch
        self.lowest = len(stack.layers) + 1 if lowest is None else lowest
        copies, dtype = len(stack), stack.theta.dtype
        hidden = stack.architecture.sizes[1:-1]
        outputs = stack.architecture.sizes[-1]

        def buffers(*units: int) -> list[Array]:
            return [np.empty((copies, n, batch), dtype) for n in (0, *units)]

        output = _output_buffers(5, (copies, outputs, batch), dtype)
        self.z: list[Array] = [*buffers(*hidden), output[0]]
        self.slope = buffers(*hidden) if keep else self.z
        self.delta = buffers(*hidden) if keep else self.slope[:-1]
        self.delta.append(output[1])
        self.a = buffers(*(n + 1 for n in hidden))
        for a in self.a[1:]:
            a[:, 0] = 1
        work = np.empty((3, copies, max((0, *hidden)), batch), dtype)
        shared = [work[2, :, :n] for n in (0, *hidden)]
        self.backward_signal = buffers(*hidden) if keep else shared
        first = self.z[1]
        wide = stack.architecture.sizes[0] >= WIDE
        self._rows = np.empty((copies, batch, first.shape[1]), dtype) if wide else None
        # Views made here cost nothing in the step, where making them would cost a few per cent.
        self._work = [work[:, :, : z.shape[1]] for z in self.z[:-1]]
        self._output_work = output[2:]
        self._units = [a[:, 1:] for a in self.a]
        self._theta_t = [theta.swapaxes(1, 2) for theta in stack.layers]
        self._weights = [theta[:, 1:] for theta in stack.layers]
        self._delta_t = [delta.swapaxes(1, 2) for delta in self.delta]
        self._turned = self._allocate_turned(dtype)
        self.gradients: list[Array] = []
        if lowest is not None:
            self.gradients = stack.architecture.layers(
                np.zeros_like(stack.theta) if gradient is None else gradient
            )

    def _allocate_turned(self, dtype: DTypeLike) -> list[Array | None]:
        """Return memory (R, B, n_l), shared by the layers, for deltas that are to be turned."""
        sizes, batch = self.stack.architecture.sizes, self.batch
        units = [n if n_in * n * batch in TURNED else 0 for n_in, n in pairwise((0, *sizes))]
        memory = np.empty((len(self.stack), batch * max(units)), dtype)
        return [
            memory[:, : batch * n].reshape(len(self.stack), batch, n) if n else None for n in units
        ]

    def forward(self, rows: Array) -> Array:
        """Propagate inputs and return z^(L).

        Args:
            rows: inputs with the constant unit, (R, B, n_0 + 1), or (B, n_0 + 1) for all networks.
        """
        self.a[0] = rows.swapaxes(-1, -2)
        last = len(self.z) - 1
        for layer in range(1, last + 1):
            z = self.z[layer]
            if layer == 1 and self._rows is not None:
                np.matmul(rows, self.stack.layers[0], self._rows)
                np.copyto(z, self._rows.swapaxes(1, 2))
            else:
                np.matmul(self._theta_t[layer - 1], self.a[layer - 1], z)
            if layer < last:
                slope = self.slope[layer] if layer >= self.lowest else None
                self.stack.activation.evaluate(z, self._units[layer], slope, self._work[layer])
        return self.z[last]

    def output_delta(self, targets: Array) -> None:
        """Write delta^(L), each example's own: dC_i/dz_i^(L), for targets (R or 1, K, B)."""
        self.stack.cost.delta(self.z[-1], targets, self.delta[-1], self._output_work)

    def hop(self, layer: int) -> None:
        """Write delta^(layer) from delta^(layer + 1), for a hidden layer."""
        signal, delta = self.backward_signal[layer], self.delta[layer]
        np.matmul(self._weights[layer], self.delta[layer + 1], signal)
        np.multiply(self.slope[layer], signal, delta)

    def parameter_gradient(self, layer: int) -> None:
        """Write dC/dtheta^(layer), summed over the examples."""
        delta_t, turned = self._delta_t[layer], self._turned[layer]
        if turned is not None:
            np.copyto(turned, delta_t)
            delta_t = turned
        np.matmul(self.a[layer - 1], delta_t, self.gradients[layer - 1])

    def backward(self, targets: Array, divisor: float) -> None:
        """Write the gradient of sum_i C_i / divisor for all layers from `lowest` on."""
        last = len(self.z) - 1
        self.output_delta(targets)
        np.divide(self.delta[last], divisor, out=self.delta[last])
        for layer in range(last, self.lowest - 1, -1):
            self.parameter_gradient(layer)
            if layer > self.lowest:
                self.hop(layer - 1)


def _output_buffers(n: int, shape: tuple[int, int, int], dtype: DTypeLike) -> Array:
    """Allocate n arrays (R, K, B) with K outermost in memory: sums over K are a few long loops.

    A single example keeps R outermost, so that NumPy adds up K in one order whatever R is.
    """
    copies, outputs, batch = shape
    if batch == 1:
        return np.empty((n, copies, outputs, batch), dtype)
    return np.empty((n, outputs, copies, batch), dtype).swapaxes(1, 2)
