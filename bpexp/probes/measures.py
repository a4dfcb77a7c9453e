"""The looks: what is measured of each layer while a pass has it at hand.

The measures are NumPy calls recorded into the passes' own tapes (see `bpexp.nn.tape`), each before
the pass goes on to the next layer and overwrites what it reads. On a probe batch of small layers
most of a call's time is what comes before its numbers, so that what can be computed of all layers
and networks in one call is left to the equations.

Sums are made in float64: squares of float32 numbers leave that dtype's range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Array, Scratch
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack
from bpexp.nn.tape import Emit, assign
from bpexp.probes.equations import MEASURED, NORMS, PROBES, LayerStatistics

SATURATED = 0.05  # of the largest slope

T = TypeVar("T", bound=np.generic)


class Prober:
    """The probe batch and the buffers to look at one network after another.

    One at a time, whatever the stack: the buffers stay in cache, and a run's numbers cannot depend
    on its neighbours.
    """

    def __init__(self, stack: Stack, rows: Array, columns: Array) -> None:
        """Take the probe batch: rows (B, n_0 + 1) with the constant unit, targets (K, B)."""
        self._alone = Stack(stack.architecture, stack.theta[:1].copy())
        self._before = np.full_like(self._alone.theta, np.nan)
        self._measures = _Measures(self._alone, self._before, len(rows))
        self._passes = Propagation(
            self._alone,
            rows,
            scale=1,
            on_forward=self._measures.forward,
            on_backward=self._measures.backward,
        )
        np.copyto(self._passes.targets, columns)

    def __call__(
        self, stack: Stack, before: Array | None, which: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float64]]:
        """Measure every layer of the networks `which` (R,).

        Args:
            stack: the networks; they are not changed.
            before: their parameters (R, P) at the last probe, in the same dtype, or None.
            which: those to look at; the rows of the others are NaN.

        Returns:
            Each probe's values, (R, L) float64.
        """
        measured = np.full((len(MEASURED), len(stack), len(stack.layers)), np.nan)
        with np.errstate(all="ignore"):  # what has overflowed, or is not defined, is not finite
            for r in map(int, np.flatnonzero(which)):
                self._alone.theta[:] = stack.theta[r]
                self._before[:] = np.nan if before is None else before[r]
                self._passes.forward()
                self._passes.backward()
                measured[:, r] = self._measures.values
            seen = self._measures.seen(measured)
            return {name: probe(seen) for name, probe in PROBES.items()}


class _Measures:
    """What is recorded, and the memory that it is written to.

    Attributes:
        values: the last look's measures, a row each, (MEASURED, L).
    """

    def __init__(self, alone: Stack, before: Array, examples: int) -> None:
        """Allocate for a network, its parameters at the last look (1, P) and B examples."""
        self._alone, self._examples = alone, examples
        self._before = alone.architecture.layers(before)
        # Whether norms are recorded as their squares, and rooted at the end. Those of float32
        # numbers fit float64; in a run in float64 `norm` decides by the numbers' range.
        self._squared = before.dtype != np.float64
        self.values = np.full((len(MEASURED), len(alone.layers)), np.nan)
        self._row = dict(zip(MEASURED, self.values, strict=True))
        activity = max(alone.architecture.sizes[1:]) * examples
        largest = max(activity, *(theta[0].size for theta in alone.layers))
        self._wide, self._flags = memory.empty((largest,), float), memory.empty((largest,), bool)
        self._squares = memory.empty((activity,), float)
        self._work = memory.empty((largest,), before.dtype)

    def seen(self, measured: NDArray[np.float64]) -> LayerStatistics:
        """Name what was measured of R networks, rows of `values` (MEASURED, R, L)."""
        named = dict(zip(MEASURED, measured, strict=True))
        if self._squared:
            squares = measured[[MEASURED.index(name) for name in NORMS]]
            named.update(zip(NORMS, np.sqrt(squares), strict=True))
        sizes = np.array(self._alone.architecture.sizes, np.float64)
        return LayerStatistics(self._examples, sizes[1:], sizes[:-1] * sizes[1:], **named)

    def forward(self, passes: Propagation, emit: Emit, layer: int) -> None:
        """Record what is measured of layer l in the forward pass."""
        z = passes.z[layer][0]
        self._geometry(emit, z, layer)
        if layer == len(self._alone.layers):
            a = memory.empty_like(z)
            self._alone.cost.output(emit, z, a, Scratch.like(z, memory.empty_like))
            self._activity(emit, a, layer)
        else:
            self._activity(emit, passes.a[layer][0, 1:], layer)
            self._slopes(emit, passes.slope[layer][0], layer)

    def backward(self, passes: Propagation, emit: Emit, layer: int) -> None:
        """Record what is measured of layer l in the backward pass, and of its parameters."""
        self._norm(emit, passes.delta[layer][0], "delta", layer)
        if layer < len(self._alone.layers):
            self._norm(emit, passes.backward_signal[layer][0], "signal", layer)
        self._gradient(emit, passes.gradients[layer - 1][0], layer)
        theta, before = self._alone.layers[layer - 1][0], self._before[layer - 1][0]
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
        """Record the mean of a (n, B) and the deviations from it."""
        wide, mean = self._wide[: a.size], self._at("mean", layer)
        assign(emit, _like(wide, a), a)
        emit(np.add.reduce, wide, 0, None, mean)
        emit(np.divide, mean, np.array(float(a.size)), mean)
        emit(np.subtract, wide, mean, wide)
        emit(wide.dot, wide, self._at("spread", layer))

    def _slopes(self, emit: Emit, slope: Array, layer: int) -> None:
        """Record how many units are alive and, where g is bounded, how many entries saturated."""
        alive, activation = np.empty(len(slope), bool), self._alone.activation
        emit(np.logical_or.reduce, slope, 1, None, alive)
        self._count(emit, alive, "alive", layer)
        if activation.bounded:
            bound = np.array(SATURATED * activation.max_slope, slope.dtype)
            flags = _like(self._flags, slope)
            emit(np.less, slope, bound, flags)
            self._count(emit, flags, "saturated", layer)

    def _gradient(self, emit: Emit, gradient: Array, layer: int) -> None:
        """Record the norms of dC/dtheta (n_in + 1, n), and in which range dC/dW has its entries."""
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
        """Record how many flags are set."""
        emit(_store, self._at(name, layer), np.count_nonzero, flags)

    def _norm(self, emit: Emit, x: Array, name: str, layer: int) -> None:
        """Record the Frobenius norm of x, or its square."""
        out, wide = self._at(name, layer), self._wide[: x.size]
        if self._squared:
            assign(emit, _like(wide, x), x)
            emit(wide.dot, wide, out)
        else:
            emit(_store, out, norm, x)

    def _at(self, name: str, layer: int) -> NDArray[np.float64]:
        """Where a measure of layer l is written, without dimensions."""
        return self._row[name][layer - 1, ...]


def norm(x: Array) -> float:
    """Frobenius norm in float64, right over the whole range of x's dtype.

    Squares of float32 numbers fit float64; those of float64 numbers need a scale when they leave
    its range, which NumPy warns of unless the caller forbids it.
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


def _store(out: NDArray[np.float64], function: Callable[..., float], x: NDArray[T]) -> None:
    """Write what a function returns that takes no `out`."""
    out[...] = function(x)


def _like(place: NDArray[T], x: Array) -> NDArray[T]:
    """Return the beginning of one-dimensional memory in the shape of x."""
    return place[: x.size].reshape(x.shape)
