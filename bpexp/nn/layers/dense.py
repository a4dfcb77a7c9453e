"""The dense layer: every unit has a bias and a weight from each unit of the layer below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.arrays import ArraySpec
from bpexp.nn.buffers import Buffers
from bpexp.nn.initializers import BIASES, WEIGHTS
from bpexp.nn.layers.protocol import Draw, Flow, Tangent
from bpexp.nn.products import gradient_of_weights, product, weighted_sums
from bpexp.nn.tape import Emit


@dataclass(frozen=True)
class Dense:
    """z^(l) = theta^(l)T a^(l-1), a^(l) = g(z^(l)).

    Attributes:
        n_in: units of the layer below.
        n_out: units.
    """

    kind: ClassVar[str] = "dense"
    n_in: int
    n_out: int

    @property
    def parameters(self) -> tuple[ArraySpec, ...]:
        """theta; weight decay acts on the weights and not on the biases."""
        return (ArraySpec("theta", (self.n_in + 1, self.n_out), decayed_from=1),)

    @property
    def state(self) -> tuple[ArraySpec, ...]:
        """No arrays."""
        return ()

    @property
    def activity(self) -> int:
        """z or dC/da, a, and slope or delta of each unit."""
        return 3 * self.n_out

    @property
    def reach(self) -> int:
        """1: the layer below."""
        return 1

    @property
    def couples(self) -> bool:
        """False: an example depends on no other."""
        return False

    @property
    def stream(self) -> str | None:
        """None: no skip connection begins or ends here."""
        return None

    def draw(self, arrays: dict[str, NDArray[np.float64]], draw: Draw) -> None:
        """Draw weights and biases from the initializer."""
        theta = arrays["theta"]
        normals = draw.stream(WEIGHTS).standard_normal((self.n_in, self.n_out))
        theta[1:] = draw.initializer.weights(normals, draw.negative_slope)
        if draw.initializer.bias_std:
            biases = draw.stream(BIASES).standard_normal(self.n_out)
            theta[0] = draw.initializer.bias_std * biases

    def forward(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record z^(l) = theta^(l)T a^(l-1), g(z^(l)) and g'(z^(l))."""
        z, theta = at.z[number], at.parameters[number]["theta"]
        weighted_sums(emit, theta, at.a[number - 1], z)
        if number < at.last:
            self.activate(emit, at, number, at.a[number][:, 1:])

    def activate(self, emit: Emit, at: Buffers, number: int, out: Array) -> None:
        """Record g(z^(l)), written into `out`, and g'(z^(l)) if backpropagation reaches l."""
        slope = at.slope[number] if at.wants_slope(number) else None
        at.activation.evaluate(emit, at.z[number], out, slope, at.scratch[number])

    def delta(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record delta^(l) = g'(z^(l)) * dC/da^(l)."""
        emit(np.multiply, at.slope[number], at.backward_signal[number], at.delta[number])

    def gradient(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/dtheta^(l) = a^(l-1) delta^(l)T."""
        gradient, scratch = at.gradients[number]["theta"], at.scratch[number].first
        gradient_of_weights(emit, at.a[number - 1], at.error(number), gradient, scratch)

    def signal(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/da^(l-1) = W^(l) delta^(l)."""
        weights = at.parameters[number]["theta"][:, 1:]
        product(emit, weights, at.error(number), at.backward_signal[number - 1])

    def tangent_x(self, at: Buffers, number: int, below: Sequence[Flow]) -> Tangent:
        """Return dz^(l)/dx^(1) = W^(l)T da^(l-1)/dx^(1)."""
        weights = at.parameters[number]["theta"][0, 1:]
        return np.asarray(weights.T.astype(np.float64) @ below[-1].a)

    def tangent_a(self, at: Buffers, number: int, x: Tangent, below: Sequence[Flow]) -> Tangent:
        """Return da^(l)/dx^(1) = diag g'(z^(l)) dz^(l)/dx^(1)."""
        slopes = at.slope[number][0].T[: len(x), :, None]
        return np.asarray(slopes.astype(np.float64) * x)
