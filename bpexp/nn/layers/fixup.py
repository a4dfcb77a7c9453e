"""Fixup: residual layers of order pre with scalars, and small or zero initial weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.arrays import ArraySpec
from bpexp.nn.buffers import Buffers
from bpexp.nn.layers.dense import Dense
from bpexp.nn.layers.protocol import Draw
from bpexp.nn.layers.residual import Pre, total
from bpexp.nn.tape import Emit


@dataclass(frozen=True)
class Fixup(Pre):
    """z^(l) = norm(h^(l) + beta), a^(l) = g(z^(l)) + alpha; h^(l) as in order pre.

    The scalars alpha and beta are initially 0. alpha is the bias before the layer above.

    Attributes:
        factor: the factor of the drawn weights; with 0 the biases are 0 too.
        inside: whether the layer is in a block and not its last; its h^(l) is then not the stream.
    """

    kind: ClassVar[str] = "fixup"
    factor: float = 1.0
    inside: bool = False

    @property
    def stream(self) -> str | None:
        """h in the first layer and in layers that end a block, else None."""
        return None if self.inside else "h"

    @property
    def parameters(self) -> tuple[ArraySpec, ...]:
        """The parameters of order pre, and two scalars; weight decay acts on the weights only."""
        return (*super().parameters, ArraySpec("beta", ()), ArraySpec("alpha", ()))

    def draw(self, arrays: dict[str, NDArray[np.float64]], draw: Draw) -> None:
        """Draw theta as a dense layer does, and multiply the weights by the factor."""
        super().draw(arrays, draw)
        arrays["theta"][1 if self.factor else 0 :] *= self.factor

    def normalise(self, emit: Emit, at: Buffers, number: int, u: Array) -> None:
        """Record z^(l) = norm(u + beta)."""
        shifted = at.scratch[number].second if self.built else at.z[number]
        emit(np.add, u, at.parameters[number]["beta"][:, None, None], shifted)
        super().normalise(emit, at, number, shifted)

    def activate(self, emit: Emit, at: Buffers, number: int, out: Array) -> None:
        """Record g(z^(l)) + alpha and g'(z^(l))."""
        super().activate(emit, at, number, out)
        emit(np.add, out, at.parameters[number]["alpha"][:, None, None], out)

    def denormalise(self, emit: Emit, at: Buffers, number: int) -> Array:
        """Record dC/dh^(l) through the branch above, and the gradients of the scalars.

        A scalar that a norm subtracts has a gradient of exactly 0. These are beta, if the norm
        subtracts the mean, and alpha below a batch norm. The output layer has no norm.
        """
        inner, gradients = super().denormalise(emit, at, number), at.gradients[number]
        is_centred = self.built is not None and self.built.centred
        for name, of, is_subtracted in (
            ("beta", inner, is_centred),
            ("alpha", at.backward_signal[number], self.couples and number + 1 < at.last),
        ):
            if is_subtracted:
                emit(gradients[name].fill, 0)
            else:
                total(emit, of, gradients[name])
        return inner


@dataclass(frozen=True)
class Zero(Dense):
    """A dense layer whose weights and biases are initially 0."""

    kind: ClassVar[str] = "zero"

    def draw(self, arrays: dict[str, NDArray[np.float64]], draw: Draw) -> None:
        """Leave theta at 0."""
