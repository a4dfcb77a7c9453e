"""What a kind of layer provides: its arrays, and the calls of a forward and a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bpexp.nn.initializers import Initializer
from bpexp.nn.tape import Emit

if TYPE_CHECKING:
    from bpexp.nn.buffers import Buffers

Stream = Callable[..., Generator]
"""Gives the generator of a purpose of the layer, and of further integers if several are needed."""

Tangent = NDArray[np.float64]
"""Derivatives with respect to z^(1) at each of E examples, (E, n, n_1)."""


@dataclass(frozen=True)
class ArraySpec:
    """One array of a layer.

    Attributes:
        name: unique within the layer; in saved files the layer's number follows.
        shape: of one network.
        initial: the value of its entries before `Layer.draw`.
        decayed_from: the first row that weight decay acts on; None if it acts on none.
    """

    name: str
    shape: tuple[int, ...]
    initial: float = 0.0
    decayed_from: int | None = None

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)


class Layer(Protocol):
    """A layer's specification: frozen and hashable, its fields numbers and names, saved as JSON.

    The notation is that of `bpexp.nn.stack`. The methods that record take `emit` (see
    `bpexp.nn.tape`), the arrays `at` of the pass (see `bpexp.nn.buffers`), and the layer's number
    l, from 1. The last layer, l = L, has no a^(l) and no slope^(l): its activation belongs to the
    cost, which also writes its delta^(l).

    Attributes:
        kind: its name in LAYERS.
    """

    kind: ClassVar[str]

    @property
    def n_in(self) -> int:
        """Units of the layer below, n_{l-1}."""

    @property
    def n_out(self) -> int:
        """Units, n_l."""

    @property
    def parameters(self) -> tuple[ArraySpec, ...]:
        """The trained arrays.

        One is `theta`, (n_in + 1, n_out): the biases in row 0, and below them the weights from
        a^(l-1). Layer statistics and `Network.layers` are about it.
        """

    @property
    def state(self) -> tuple[ArraySpec, ...]:
        """Arrays that are kept and saved but not trained, such as running statistics."""

    @property
    def activity(self) -> int:
        """How many numbers a step reads or writes for one example, parameters left out."""

    @property
    def reach(self) -> int:
        """How many layers down the layer reads: 1 if only a^(l-1)."""

    def draw(
        self,
        arrays: dict[str, NDArray[np.float64]],
        initializer: Initializer,
        negative_slope: float,
        stream: Stream,
    ) -> None:
        """Draw the initial parameters of one network.

        Args:
            arrays: the parameters by name, filled with their `initial`; to be overwritten.
            initializer: the initialization of weights and biases.
            negative_slope: of the activation, for He's variance.
            stream: gives the generator of a purpose, WEIGHTS or BIASES.
        """

    def forward(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record z^(l) and, of a hidden layer, a^(l) and the slope, if `at.wants_slope(l)`.

        If `at.trains`, the calls also update the state. If `at.evaluates`, they use the state in
        place of statistics of the batch.
        """

    def delta(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record delta^(l) = dC/dz^(l) of a hidden layer from dC/da^(l), `at.backward_signal`."""

    def gradient(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record the gradient of every parameter, `at.gradients`, from delta^(l)."""

    def signal(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/da^(l-1), `at.backward_signal`, which may share memory with dC/da^(l).

        A layer that reads further down appends its term of dC/da^(i) to `at.passed[i]`, at the
        latest here. The term is added once layer i + 1 has recorded its own, so it must be in
        memory that the layer allocated.
        """

    def tangent_z(self, at: Buffers, number: int, tangents: Sequence[Tangent]) -> Tangent:
        """Return dz^(l)/dz^(1) of the first network, after a forward pass.

        Args:
            at: the arrays of the pass.
            number: l, at least 2.
            tangents: da^(i)/dz^(1) of layers below, that of l - 1 last; as many as the largest
                reach of a layer.
        """

    def tangent_a(
        self, at: Buffers, number: int, z: Tangent, tangents: Sequence[Tangent]
    ) -> Tangent:
        """Return da^(l)/dz^(1) of a hidden layer of the first network, after a forward pass.

        Args:
            at: the arrays of the pass.
            number: l.
            z: dz^(l)/dz^(1).
            tangents: da^(i)/dz^(1) of layers below, that of l - 1 last; as many as the largest
                reach of a layer.
        """
