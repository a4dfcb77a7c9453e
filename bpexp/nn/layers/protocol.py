"""What a kind of layer provides: its arrays, and the calls of a forward and a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bpexp.nn.arrays import ArraySpec
from bpexp.nn.initializers import Initializer
from bpexp.nn.tape import Emit

if TYPE_CHECKING:
    from bpexp.nn.buffers import Buffers

Stream = Callable[..., Generator]
"""Gives the generator of a purpose of the layer, and of further integers if several are needed."""

Tangent = NDArray[np.float64]
"""Derivatives with respect to x^(1) at each of E examples, (E, n, n_1)."""


class Flow(NamedTuple):
    """What derivatives of a layer the layers above read, as `Layer.tangent_x` explains.

    Attributes:
        x: dx^(l)/dx^(1).
        a: da^(l)/dx^(1).
    """

    x: Tangent
    a: Tangent


class Layer(Protocol):
    """A layer's specification: frozen and hashable, its fields numbers, names and choices.

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

    @property
    def couples(self) -> bool:
        """Whether what becomes of an example depends on the other examples of its batch."""

    @property
    def stream(self) -> str | None:
        """Which of its variables is a stream's, which skip connections hand on: "h", "a" or none.

        See `bpexp.nn.layers.residual`.
        """

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

        z^(l) is the argument of g, and slope^(l) is g'(z^(l)).

        If `at.trains`, the calls also update the state. If `at.evaluates`, they use the state in
        place of statistics of the batch.
        """

    def delta(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record delta^(l) = dC/dz^(l) of a hidden layer from dC/da^(l), `at.backward_signal`."""

    def gradient(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record the gradient of every parameter, `at.gradients`, from delta^(l).

        A layer whose z^(l) is not theta^(l)T a^(l-1) itself leaves dC/d(theta^(l)T a^(l-1)) as
        `at.own[l]["error"]`.
        """

    def signal(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/da^(l-1), `at.backward_signal`, which may share memory with dC/da^(l).

        A layer that reads further down appends its term of dC/da^(i) to `at.passed[i]`, at the
        latest here. The term is added once layer i + 1 has recorded its own, so it must be in
        memory that the layer allocated.
        """

    def tangent_x(self, at: Buffers, number: int, below: Sequence[Flow]) -> Tangent:
        """Return dx^(l)/dx^(1) of the first network, after a forward pass.

        x^(l) is h^(l) where the layer's stream is "h", else z^(l); x^(1) is that of the first
        layer, or a^(1) where the stream is "a". Statistics of the batch are held fixed.

        Args:
            at: the arrays of the pass, over at least E examples.
            number: l, at least 2.
            below: the derivatives of layers below at the first E examples, those of l - 1 last; as
                many as the largest reach of a layer.
        """

    def tangent_a(self, at: Buffers, number: int, x: Tangent, below: Sequence[Flow]) -> Tangent:
        """Return da^(l)/dx^(1) of a hidden layer of the first network, after a forward pass.

        Args:
            at: the arrays of the pass.
            number: l.
            x: dx^(l)/dx^(1).
            below: see `tangent_x`.
        """
