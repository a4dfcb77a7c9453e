"""Recording of the layer statistics in the tapes of a forward and a backward pass.

The statistics are NumPy calls that are recorded into the tapes of the passes (see `bpexp.nn.tape`),
each before the pass overwrites what it reads. Call overhead dominates for small layers, so only
what needs the arrays of a pass is recorded. What can be computed from the statistics of all layers
and networks in one call is an equation in `bpexp.probes.layers`.

Sums are accumulated in float64, since squares of float32 numbers leave the range of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Array, Scratch
from bpexp.nn.buffers import Buffers
from bpexp.nn.propagation import Propagation
from bpexp.nn.tape import Emit, assign
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.statistics import NORMS, RECORDED, LayerStatistics, Values

SATURATED = 0.05  # of the largest slope

T = TypeVar("T", bound=np.generic)


class StatisticsRecorder:
    """A forward and a backward pass over the probe batch that leave the layer statistics behind."""

    def __init__(self, probed: ProbedNetwork) -> None:
        """Record the passes and the statistics; nothing is computed yet."""
        stack, examples = probed.stack, len(probed.rows)
        self._stack, self._examples = stack, examples
        self._before = np.full_like(stack.theta, np.nan)
        self._layers_before = stack.architecture.thetas(self._before)
        # In a float32 run norms are recorded as their squares, which fit float64, and the roots of
        # all are taken at the end. In a float64 run squares may overflow, and `norm` rescales.
        self._squared = stack.theta.dtype != np.float64
        self._values = np.full((len(RECORDED), len(stack.layers)), np.nan)
        self._row = dict(zip(RECORDED, self._values, strict=True))
        activity = max(stack.architecture.sizes[1:]) * examples
        largest = max(activity, *(theta[0].size for theta in stack.layers))
        self._wide, self._flags = memory.empty((largest,), float), memory.empty((largest,), bool)
        self._squares = memory.empty((activity,), float)
        self._work = memory.empty((largest,), stack.theta.dtype)
        self._passes = Propagation(
            stack, probed.rows, scale=1, on_forward=self._forward, on_backward=self._backward
        )
        np.copyto(self._passes.targets, probed.targets)

    def record(self, before: Array | None) -> Values:
        """Run the passes on the parameters that the network has now.

        Args:
            before: its parameters (P,) at the last probe, or None.

        Returns:
            A row for each name in RECORDED, (RECORDED, L); overwritten by the next call.
        """
        self._before[:] = np.nan if before is None else before
        self._passes.forward()
        self._passes.backward()
        return self._values

    def statistics(self, recorded: Values) -> LayerStatistics:
        """Return the statistics of R networks from what `record` returned, (RECORDED, R, L)."""
        named = dict(zip(RECORDED, recorded, strict=True))
        if self._squared:
            squares = recorded[[RECORDED.index(name) for name in NORMS]]
            named.update(zip(NORMS, np.sqrt(squares), strict=True))
        sizes = np.array(self._stack.architecture.sizes, np.float64)
        return LayerStatistics(self._examples, sizes[1:], sizes[:-1] * sizes[1:], **named)

    def _forward(self, at: Buffers, emit: Emit, layer: int) -> None:
        """Record the statistics of layer l that need the arrays of the forward pass."""
        z = at.z[layer][0]
        self._geometry(emit, z, layer)
        if layer == len(self._stack.layers):
            a = memory.empty_like(z)
            self._stack.cost.output(emit, z, a, Scratch.like(z, memory.empty_like))
            self._activity(emit, a, layer)
        else:
            self._activity(emit, at.a[layer][0, 1:], layer)
            self._slopes(emit, at.slope[layer][0], layer)

    def _backward(self, at: Buffers, emit: Emit, layer: int) -> None:
        """Record the statistics of layer l that need the arrays of the backward pass."""
        self._norm(emit, at.delta[layer][0], "delta", layer)
        if layer < len(self._stack.layers):
            self._norm(emit, at.backward_signal[layer][0], "signal", layer)
        self._gradient(emit, at.gradients[layer]["theta"][0], layer)
        theta, before = self._stack.layers[layer - 1][0], self._layers_before[layer - 1][0]
        moved = _like(self._work, theta)
        emit(np.subtract, theta, before, moved)
        self._norm(emit, theta, "theta", layer)
        self._norm(emit, moved, "moved", layer)

    def _geometry(self, emit: Emit, z: Array, layer: int) -> None:
        """Record the squares of z (n, B) and the resultant of its columns."""
        wide, squares = _like(self._wide, z), _like(self._squares, z)
        lengths, total = np.empty(z.shape[1]), np.empty(len(z))
        assign(emit, wide, z)
        emit(np.multiply, wide, wide, squares)
        emit(np.add.reduce, squares, 0, None, lengths)
        emit(np.add.reduce, lengths, 0, None, self._at("squares", layer))
        emit(np.sqrt, lengths, lengths)
        emit(np.divide, np.ones(()), lengths, lengths)
        emit(wide.dot, lengths, total)
        emit(total.dot, total, self._at("resultant", layer))

    def _activity(self, emit: Emit, a: Array, layer: int) -> None:
        """Record the mean of a (n, B) and the squared deviations from it."""
        wide, mean = self._wide[: a.size], self._at("mean", layer)
        assign(emit, _like(wide, a), a)
        emit(np.add.reduce, wide, 0, None, mean)
        emit(np.divide, mean, np.array(float(a.size)), mean)
        emit(np.subtract, wide, mean, wide)
        emit(wide.dot, wide, self._at("spread", layer))

    def _slopes(self, emit: Emit, slope: Array, layer: int) -> None:
        """Count the units that are alive and, where g is bounded, the saturated entries."""
        alive, activation = np.empty(len(slope), bool), self._stack.activation
        emit(np.logical_or.reduce, slope, 1, None, alive)
        self._count(emit, alive, "alive", layer)
        if activation.bounded:
            bound = np.array(SATURATED * activation.max_slope, slope.dtype)
            flags = _like(self._flags, slope)
            emit(np.less, slope, bound, flags)
            self._count(emit, flags, "saturated", layer)

    def _gradient(self, emit: Emit, gradient: Array, layer: int) -> None:
        """Record the norms of dC/dtheta (n_in + 1, n), and count the zeros and subnormals."""
        weights = gradient[1:]
        size, flags = _like(self._work, weights), _like(self._flags, weights)
        zero, tiny = np.zeros((), size.dtype), np.array(np.finfo(size.dtype).tiny)
        self._norm(emit, weights, "gradient", layer)
        self._norm(emit, gradient[0], "bias_gradient", layer)
        emit(np.not_equal, weights, zero, flags)
        self._count(emit, flags, "nonzero", layer)
        emit(np.abs, weights, size)
        emit(np.less, size, tiny, flags)
        self._count(emit, flags, "small", layer)

    def _count(self, emit: Emit, flags: NDArray[np.bool_], name: str, layer: int) -> None:
        """Record the number of flags that are set."""
        emit(_store, self._at(name, layer), np.count_nonzero, flags)

    def _norm(self, emit: Emit, x: Array, name: str, layer: int) -> None:
        """Record the Frobenius norm of x, or its square."""
        out, wide = self._at(name, layer), self._wide[: x.size]
        if self._squared:
            assign(emit, _like(wide, x), x)
            emit(wide.dot, wide, out)
        else:
            emit(_store, out, norm, x)

    def _at(self, name: str, layer: int) -> Values:
        """Return where a statistic of layer l is written, an array without dimensions."""
        return self._row[name][layer - 1, ...]


def norm(x: Array) -> float:
    """Return the Frobenius norm, right over the whole range of float32 and float64.

    Squares of float32 numbers fit float64. Where squares of float64 numbers leave its range, x is
    scaled first; NumPy then warns of the overflow unless the caller disables it.
    """
    wide = np.asarray(x, dtype=np.float64, order="C").ravel()
    square = float(wide.dot(wide))
    if 1e-280 < square < 1e280 or not wide.size:
        return math.sqrt(square)
    largest = float(np.abs(wide).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    wide = wide / largest
    return largest * math.sqrt(wide.dot(wide))


def _store(out: Values, function: Callable[..., float], x: NDArray[T]) -> None:
    """Write the result of a function that takes no `out` argument."""
    out[...] = function(x)


def _like(place: NDArray[T], x: Array) -> NDArray[T]:
    """Return the beginning of one-dimensional memory in the shape of x."""
    return place[: x.size].reshape(x.shape)
