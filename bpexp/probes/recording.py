"""Recording of the layer statistics in the tapes of a forward and a backward pass.

The statistics are NumPy calls that are recorded into the tapes of the passes (see `bpexp.nn.tape`),
each before the pass overwrites what it reads. Call overhead dominates for small layers, so only
what needs the arrays of a pass is recorded. What can be computed from the statistics of all layers
and networks in one call is an equation in `bpexp.probes.layers`.

Sums are accumulated in float64, since squares of float32 numbers leave the range of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Activation, Array, Scratch
from bpexp.nn.buffers import Buffers
from bpexp.nn.propagation import Propagation
from bpexp.nn.tape import Emit, assign
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.norms import norm
from bpexp.probes.statistics import BACKWARD, NORMS, RECORDED, LayerStatistics, Values

SATURATED = 0.05  # of the largest slope
# If the root mean square of an array's entries is below this multiple of the dtype's least normal
# number, subnormal entries and their rounding errors contribute to its norm.
MARGIN = 1e6

T = TypeVar("T", bound=np.generic)


class StatisticsRecorder:
    """A forward and a backward pass over the probe batch that record the layer statistics.

    The backward pass is that of the mean cost C, as in `Network.gradients`, so the same entries of
    the gradient are 0 or subnormal. Its deltas are those of the examples' own costs C_i divided by
    B. If the division makes them almost subnormal, the passes are repeated without it, and the
    norms of delta are taken from the repetition.
    """

    def __init__(self, probed: ProbedNetwork) -> None:
        """Record the passes and the statistics; nothing is computed yet."""
        stack, examples = probed.stack, len(probed.rows)
        self._stack, self._examples = stack, examples
        self._before = np.full_like(stack.theta, np.nan)
        self._layers_before = stack.architecture.thetas(self._before)
        # Of float32 arrays the squares of norms are recorded, which are in the range of float64;
        # one call takes all square roots at the end. Squares of float64 numbers may overflow, so
        # `norm` is called, which rescales.
        self._squared = stack.theta.dtype != np.float64
        self._values = np.full((len(RECORDED), len(stack.layers)), np.nan)
        self._row = dict(zip(RECORDED, self._values, strict=True))
        self._deltas = [RECORDED.index(name) for name in BACKWARD]
        self._entries = np.array(stack.architecture.sizes[1:], np.float64) * examples
        activity = max(stack.architecture.sizes[1:]) * examples
        largest = max(activity, *(theta[0].size for theta in stack.layers))
        self._wide, self._flags = memory.empty((largest,), float), memory.empty((largest,), bool)
        self._squares = memory.empty((activity,), float)
        self._work = memory.empty((largest,), stack.theta.dtype)
        self._passes = Propagation(
            stack,
            probed.rows,
            rescales=True,
            on_forward=self._forward,
            on_backward=self._backward,
        )
        np.copyto(self._passes.targets, probed.targets)

    def record(self, before: Array | None) -> Values:
        """Run the passes with the present parameters of the network.

        Args:
            before: its parameters (P,) before the last optimizer step, or None.

        Returns:
            A row for each name in RECORDED, (RECORDED, L).
        """
        self._before[:] = np.nan if before is None else before
        self._run(1 / self._examples)
        of_mean = self._values.copy()
        unit = self._examples**2 if self._squared else self._examples
        of_mean[self._deltas] *= unit
        if self._is_near_underflow(of_mean[RECORDED.index("delta")]):
            self._run(1.0)
            of_mean[self._deltas] = self._values[self._deltas]
        return of_mean

    def _run(self, scale: float) -> None:
        """Run the passes; the backward one is of the cost sum_i C_i times `scale`."""
        self._passes.rescale(np.array(scale, self._stack.theta.dtype))
        self._passes.forward()
        self._passes.backward()

    def _is_near_underflow(self, delta: Values) -> bool:
        """Return whether entries of a layer's delta, of C_i / B, are close to subnormal numbers.

        Args:
            delta: the recorded norms of delta, of C_i, (L,), or their squares.
        """
        norms = np.sqrt(delta) if self._squared else delta
        sizes = norms / np.sqrt(self._entries) / self._examples
        return bool((sizes < MARGIN * np.finfo(self._stack.theta.dtype).tiny).any())

    def statistics(self, recorded: Values) -> LayerStatistics:
        """Return the statistics of R networks from what `record` returned, (RECORDED, R, L)."""
        named = dict(zip(RECORDED, recorded, strict=True))
        if self._squared:
            squares = recorded[[RECORDED.index(name) for name in NORMS]]
            named.update(zip(NORMS, np.sqrt(squares), strict=True))
        sizes = np.array(self._stack.architecture.sizes, np.float64)
        residual = any(layer.stream for layer in self._stack.architecture.layers)
        separate = np.array(["error" in own for own in self._passes.buffers.own[1:]])
        shape = residual, separate, sizes[1:], sizes[:-1] * sizes[1:]
        return LayerStatistics(self._examples, *shape, **named)

    def _forward(self, at: Buffers, emit: Emit, layer: int) -> None:
        """Record the statistics of layer l that need the arrays of the forward pass."""
        z = at.z[layer][0]
        self._geometry(emit, z, layer)
        if self._stack.architecture.layers[layer - 1].stream:
            self._stream(emit, at.own[layer], layer)
        if layer < len(self._stack.layers):
            slope = at.slope[layer][0]
            self._activity(emit, at.a[layer][0, 1:], layer)
            self._alive(emit, slope, layer)
            self._saturation(emit, slope, self._stack.activation, layer)
            return
        a, scratch = memory.empty_like(z), Scratch.like(z, memory.empty_like)
        activation = self._stack.cost.slope_of
        if activation is None:
            self._stack.cost.output(emit, z, a, scratch)
        else:
            slope = memory.empty_like(z)
            activation.evaluate(emit, z, a, slope, scratch)
            self._saturation(emit, slope, activation, layer)
        self._activity(emit, a, layer)

    def _backward(self, at: Buffers, emit: Emit, layer: int) -> None:
        """Record the statistics of layer l that need the arrays of the backward pass."""
        self._norm(emit, at.delta[layer][0], "delta", layer)
        if layer < len(self._stack.layers):
            self._norm(emit, at.backward_signal[layer][0], "signal", layer)
        if "error" in at.own[layer]:
            self._norm(emit, at.error(layer)[0], "error", layer)
        if self._stack.architecture.layers[layer - 1].stream:
            self._norm(emit, at.own[layer]["stream_gradient"][0], "stream_gradient", layer)
        self._gradient(emit, at.gradients[layer]["theta"][0], layer)
        others = [array[0, ...] for key, array in at.gradients[layer].items() if key != "theta"]
        if others:
            emit(self._norm_of_all, others, self._at("other_gradient", layer))
        else:
            self._at("other_gradient", layer)[...] = 0
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

    def _stream(self, emit: Emit, own: dict[str, Array], layer: int) -> None:
        """Record the means and the spread of the stream (n, B), and the spread of the branch."""
        stream = own["stream"][0]
        means = np.empty((len(stream), 1))
        self._spread(emit, stream, means, "stream_spread", layer)
        mean, square = self._at("stream_mean", layer), self._at("stream_means", layer)
        emit(np.add.reduce, means, None, None, mean)
        emit(np.divide, mean, np.array(float(len(stream))), mean)
        emit(means[:, 0].dot, means[:, 0], square)
        if "branch" in own:
            self._spread(emit, own["branch"][0], np.empty_like(means), "branch_spread", layer)

    def _spread(self, emit: Emit, x: Array, means: Values, name: str, layer: int) -> None:
        """Record the mean of each row of x (n, B), and the squared deviations from it."""
        wide = _like(self._wide, x)
        assign(emit, wide, x)
        emit(np.add.reduce, wide, 1, None, means, True)
        emit(np.divide, means, np.array(float(x.shape[1])), means)
        emit(np.subtract, wide, means, wide)
        flat = self._wide[: x.size]
        emit(flat.dot, flat, self._at(name, layer))

    def _alive(self, emit: Emit, slope: Array, layer: int) -> None:
        """Count the units whose slope is not 0 for some example."""
        alive = np.empty(len(slope), bool)
        emit(np.logical_or.reduce, slope, 1, None, alive)
        self._count(emit, alive, "alive", layer)

    def _saturation(self, emit: Emit, slope: Array, activation: Activation, layer: int) -> None:
        """Count the saturated entries, if the activation is bounded."""
        if activation.bounded:
            bound = np.array(SATURATED * activation.max_slope, slope.dtype)
            size, flags = _like(self._work, slope), _like(self._flags, slope)
            emit(np.abs, slope, size)
            emit(np.less, size, bound, flags)
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

    def _norm_of_all(self, arrays: Sequence[Array], out: Values) -> None:
        """Write the norm of all entries of some arrays, or its square."""
        total = math.hypot(*map(norm, arrays))
        out[...] = total**2 if self._squared else total

    def _at(self, name: str, layer: int) -> Values:
        """Return the element of a statistic for layer l, as a writable array ()."""
        return self._row[name][layer - 1, ...]


def _store(out: Values, function: Callable[..., float], x: NDArray[T]) -> None:
    """Write the result of a function that takes no `out` argument."""
    out[...] = function(x)


def _like(place: NDArray[T], x: Array) -> NDArray[T]:
    """Return the beginning of a one-dimensional buffer as a view in the shape of x."""
    return place[: x.size].reshape(x.shape)
