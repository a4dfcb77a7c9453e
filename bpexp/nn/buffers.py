"""The arrays of a forward and a backward pass over a batch, allocated once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Activation, Array, Scratch
from bpexp.nn.arrays import Arrays


class Buffers:
    """The arrays that the layers of a stack read and write, for R networks and B examples.

    Lists are indexed by the layer, with the input at index 0. Arrays that a layer does not have are
    empty. All arrays have units before examples; see `bpexp.nn.stack`.

    Attributes:
        activation: the hidden layers' activation.
        last: the number L of the last layer.
        lowest: the lowest layer whose gradient is computed, where backpropagation ends; L + 1 for
            no gradients.
        trains: whether a forward pass updates the layers' state.
        evaluates: whether layers use their state instead of statistics of the batch.
        parameters: each layer's parameter arrays by name, (R, *shape).
        state: each layer's other arrays by name, (R, *shape).
        gradients: sum_i dC_i/dtheta^(l) times the scale, by name, in the parameters' shapes.
        a: a^(l) with the constant unit as row 0, (R, n_l + 1, B), for l < L; a^(0) views the rows.
        z: z^(l), (R, n_l, B). Hidden layers share its memory, which then remains in the cache. A
            layer that must keep its z^(l) replaces it by an array of its own.
        slope: g'(z^(l)), (R, n_l, B), of hidden layers from `lowest` on.
        delta: delta^(l) of each example's own cost times the scale, in the memory of slope.
        backward_signal: dC/da^(l) of each example's own cost times the scale, (R, n_l, B), for
            l < L, in the memory of z.
        passed: further terms of dC/da^(l), from other layers than l + 1 that read a^(l).
        scratch: memory of z^(l)'s shape, shared by all layers: valid within one layer's calls.
        own: arrays that a layer allocates while it records, by name.
    """

    def __init__(
        self,
        rows: Array,
        sizes: Sequence[int],
        activation: Activation,
        parameters: Sequence[Arrays],
        state: Sequence[Arrays],
        gradients: Sequence[Arrays] | None,
        *,
        lowest: int,
        trains: bool,
        evaluates: bool,
    ) -> None:
        """Allocate the arrays.

        Args:
            rows: the inputs with the constant unit, (R, B, n_0 + 1) or (B, n_0 + 1).
            sizes: units of each layer, inputs first: (n_0, ..., n_L).
            activation: the hidden layers' activation.
            parameters: arrays by name, (R, *shape), of the layers 1 .. L.
            state: arrays by name, (R, *shape), of the layers 1 .. L.
            gradients: as `parameters`; None if there is no backward pass.
            lowest: see the attribute.
            trains: see the attribute.
            evaluates: see the attribute.
        """
        theta = parameters[0]["theta"]
        copies, batch, dtype = len(theta), rows.shape[-2], theta.dtype
        hidden, units = (0, *sizes[1:-1]), (0, *sizes[1:])

        def shared(dtype: DTypeLike = dtype) -> list[NDArray[Any]]:
            """Return arrays (R, n_l, B) that begin at one address."""
            place = memory.empty((copies * max(units) * batch,), dtype)
            return [place[: copies * n * batch].reshape(copies, n, batch) for n in units]

        self.activation = activation
        self.last, self.lowest = len(parameters), lowest
        self.trains, self.evaluates = trains, evaluates
        self.parameters: list[Arrays] = [{}, *parameters]
        self.state: list[Arrays] = [{}, *state]
        self.gradients: list[Arrays] = (
            [{} for _ in sizes] if gradients is None else [{}, *gradients]
        )
        output = _output_buffer((copies, sizes[-1], batch), dtype)
        self.backward_signal: list[Array] = shared()[:-1]
        self.z: list[Array] = [*self.backward_signal, output]
        self.slope: list[Array] = [memory.empty((copies, n, batch), dtype) for n in hidden]
        self.delta: list[Array] = [*self.slope, memory.empty_like(output)]
        self.a: list[Array] = [memory.empty((copies, n + 1, batch), dtype) for n in hidden]
        for a in self.a[1:]:
            a[:, 0] = 1
        self.a[0] = rows.swapaxes(-1, -2)
        self.passed: list[list[Array]] = [[] for _ in sizes]
        self.scratch = list(map(Scratch, shared(), shared(), shared(np.bool_)))
        self.own: list[dict[str, Array]] = [{} for _ in sizes]

    def wants_slope(self, number: int) -> bool:
        """Return whether backpropagation reaches layer l."""
        return number >= self.lowest

    def error(self, number: int) -> Array:
        """Return dC/d(theta^(l)T a^(l-1)), which is delta^(l) for dense layers."""
        return self.own[number].get("error", self.delta[number])


def _output_buffer(shape: tuple[int, int, int], dtype: DTypeLike) -> Array:
    """Allocate (R, K, B) with K outermost in memory, so that sums over K are few long loops.

    With fewer than four examples R is outermost. NumPy and BLAS then add over K in an order that
    does not depend on R, also if the layer below has a single unit.
    """
    copies, outputs, batch = shape
    if batch < 4:
        return memory.empty(shape, dtype)
    return memory.empty((outputs, copies, batch), dtype).swapaxes(0, 1)
