"""The normalised layer: a dense layer with a normalisation before its activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.arrays import ArraySpec
from bpexp.nn.buffers import Buffers
from bpexp.nn.choices import NONE, Choice
from bpexp.nn.layers.dense import Dense
from bpexp.nn.layers.protocol import Flow, Tangent
from bpexp.nn.norms import NORMS, Norm
from bpexp.nn.products import weighted_sums
from bpexp.nn.tape import Emit


@dataclass(frozen=True)
class Normalised(Dense):
    """u^(l) = theta^(l)T a^(l-1), z^(l) = norm(u^(l)), a^(l) = g(z^(l)).

    A batch norm subtracts the bias before it, whose gradient is therefore exactly 0.

    Attributes:
        n_in: units of the layer below.
        n_out: units.
        norm: a row of `bpexp.nn.norms.NORMS`.
    """

    kind: ClassVar[str] = "normalised"
    norm: Choice = NONE

    @property
    def built(self) -> Norm | None:
        """The normalisation; None for norm=none."""
        return self.norm.build(NORMS)

    @property
    def couples(self) -> bool:
        """Whether the statistics of the normalisation are those of the batch."""
        return self.built is not None and self.built.couples

    @property
    def parameters(self) -> tuple[ArraySpec, ...]:
        """theta, gain and shift; weight decay acts on the weights only."""
        norm = self.built
        return (*super().parameters, *(norm.parameters(self.n_out) if norm else ()))

    @property
    def state(self) -> tuple[ArraySpec, ...]:
        """The running statistics of a batch norm."""
        return self.built.state(self.n_out) if self.built else ()

    @property
    def activity(self) -> int:
        """The elements of a dense layer, and the normalised u and dC/du of each unit."""
        return super().activity + 2 * self.n_out

    def forward(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record u^(l), z^(l), g(z^(l)) and g'(z^(l))."""
        self.normalise(emit, at, number, self.sums(emit, at, number))
        if number < at.last:
            self.activate(emit, at, number, at.a[number][:, 1:])

    def gradient(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/du^(l), and from it dC/dtheta^(l)."""
        at.own[number]["error"] = self.denormalise(emit, at, number)
        self.gradient_of_theta(emit, at, number)

    def tangent_x(self, at: Buffers, number: int, below: Sequence[Flow]) -> Tangent:
        """Return dz^(l)/dx^(1): the norm's derivative times W^(l)T da^(l-1)/dx^(1)."""
        return self.tangent_of_norm(at, number, super().tangent_x(at, number, below))

    def sums(self, emit: Emit, at: Buffers, number: int) -> Array:
        """Record u^(l), and return it."""
        u = at.scratch[number].second if self.built else at.z[number]
        weighted_sums(emit, at.parameters[number]["theta"], at.a[number - 1], u)
        return u

    def normalise(self, emit: Emit, at: Buffers, number: int, u: Array) -> None:
        """Record z^(l) = norm(u); without a norm z^(l) shares the memory of u."""
        norm = self.built
        if norm is None:
            at.z[number] = u
        else:
            norm.forward(emit, at, number, u)

    def denormalise(self, emit: Emit, at: Buffers, number: int) -> Array:
        """Record dC/du^(l) from delta^(l), and return it; it is delta^(l) if there is no norm."""
        norm = self.built
        if norm is None:
            return at.delta[number]
        error = memory.empty_like(at.own[number]["normalised"])
        norm.backward(emit, at, number, error)
        return error

    def gradient_of_theta(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/dtheta^(l) = a^(l-1) (dC/du^(l))^T."""
        Dense.gradient(self, emit, at, number)
        if self.couples:
            emit(at.gradients[number]["theta"][:, 0].fill, 0)

    def tangent_of_norm(self, at: Buffers, number: int, du: Tangent) -> Tangent:
        """Return dz^(l) from du^(l)."""
        norm = self.built
        return du if norm is None else np.asarray(norm.tangent(at, number, du))
