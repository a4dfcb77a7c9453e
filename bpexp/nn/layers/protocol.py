"""The protocol of layers: their arrays, and the calls of a forward and a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bpexp.nn.arrays import ArraySpec
from bpexp.nn.buffers import Buffers
from bpexp.nn.initializers import Initializer
from bpexp.nn.tape import Emit

Stream = Callable[..., Generator]
"""Returns the generator for a purpose, WEIGHTS or BIASES, and further integers if any are given."""

Tangent = NDArray[np.float64]
"""Derivatives with respect to x^(1) at each of E examples, (E, n, n_1)."""


class Draw(NamedTuple):
    """The random draw of a layer's initial parameters.

    Attributes:
        initializer: the initialization of weights and biases.
        negative_slope: that of the activation, which enters He's variance.
        stream: returns the generator for a purpose, WEIGHTS or BIASES.
    """

    initializer: Initializer
    negative_slope: float
    stream: Stream


class Flow(NamedTuple):
    """The derivatives of a layer that the layers above use; see `Layer.tangent_x`.

    Attributes:
        x: dx^(l)/dx^(1).
        a: da^(l)/dx^(1).
    """

    x: Tangent
    a: Tangent


class Layer(Protocol):
    """The specification of a layer: frozen and hashable, with numbers, names and choices as fields.

    The notation is that of `bpexp.nn.stack`. Methods that record calls take `emit` (see
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

        One is `theta`, (n_in + 1, n_out): row 0 holds the biases, the other rows the weights from
        a^(l-1). Layer statistics and `Network.layers` refer to it.
        """

    @property
    def state(self) -> tuple[ArraySpec, ...]:
        """Arrays that are kept and saved but not trained, such as running statistics."""

    @property
    def activity(self) -> int:
        """The number of array elements that a step uses for one example, without parameters."""

    @property
    def reach(self) -> int:
        """The distance to the lowest layer that it reads: 1 if it reads a^(l-1) only."""

    @property
    def couples(self) -> bool:
        """Whether the output for an example depends on the other examples of its batch."""

    @property
    def stream(self) -> str | None:
        """The variable that skip connections pass on, "h" or "a"; None if there is none.

        See `bpexp.nn.layers.residual`.
        """

    def draw(self, arrays: dict[str, NDArray[np.float64]], draw: Draw) -> None:
        """Draw the initial parameters of one network.

        Args:
            arrays: the parameters by name, filled with their `initial`; they are overwritten.
            draw: the initialization and its random streams.
        """

    def forward(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record z^(l) and, of a hidden layer, a^(l) and the slope, if `at.wants_slope(l)`.

        z^(l) is the argument of g, and slope^(l) is g'(z^(l)).

        If `at.trains`, the calls also update the state. If `at.evaluates`, they use the state
        instead of statistics of the batch.
        """

    def delta(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record delta^(l) = dC/dz^(l) of a hidden layer from dC/da^(l), `at.backward_signal`."""

    def gradient(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record the gradient of every parameter, `at.gradients`, from delta^(l).

        A layer whose z^(l) differs from theta^(l)T a^(l-1) stores dC/d(theta^(l)T a^(l-1)) as
        `at.own[l]["error"]`.
        """

    def signal(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/da^(l-1), `at.backward_signal`, which may share memory with dC/da^(l).

        A layer that reads a lower layer i appends its term of dC/da^(i) to `at.passed[i]`, in this
        method or before. The term is added after layer i + 1 has recorded its own, so it must be in
        memory that the layer allocated.
        """

    def tangent_x(self, at: Buffers, number: int, below: Sequence[Flow]) -> Tangent:
        """Return dx^(l)/dx^(1) of the first network, after a forward pass.

        x^(l) is h^(l) if the layer's stream is "h", else z^(l); x^(1) is that of the first layer,
        or a^(1) if the stream is "a". Statistics of the batch are constants.

        Args:
            at: the arrays of the pass, over at least E examples.
            number: l, at least 2.
            below: the derivatives of the layers below at the first E examples, layer l - 1 last;
                as many as the largest reach of a layer.
        """

    def tangent_a(self, at: Buffers, number: int, x: Tangent, below: Sequence[Flow]) -> Tangent:
        """Return da^(l)/dx^(1) of a hidden layer of the first network, after a forward pass.

        Args:
            at: the arrays of the pass.
            number: l.
            x: dx^(l)/dx^(1).
            below: see `tangent_x`.
        """
