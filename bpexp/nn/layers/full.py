"""Residual layers of order full, with two matrices per block (Yang & Schoenholz 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.arrays import ArraySpec
from bpexp.nn.buffers import Buffers
from bpexp.nn.initializers import BIASES, WEIGHTS
from bpexp.nn.layers.protocol import Draw, Tangent
from bpexp.nn.layers.residual import Post
from bpexp.nn.products import gradient_of_weights, product, weighted_sums
from bpexp.nn.tape import Emit, assign


@dataclass(frozen=True)
class Full(Post):
    """a^(l) = a^(l-m) + s outer^(l)T g(z^(l)), z^(l) = norm(theta^(l)T a^(l-1)); a^(1) = z^(1).

    `outer` has the shape of a theta: row 0 is c, the biases, and the other rows are V. Layer
    statistics are those of theta.

    Attributes:
        outer_weight_variance: v of V ~ N(0, v / n); None: the initialization draws V.
        outer_bias_variance: variance of c.
    """

    kind: ClassVar[str] = "full"
    outer_weight_variance: float | None = None
    outer_bias_variance: float = 0.0

    @property
    def parameters(self) -> tuple[ArraySpec, ...]:
        """The parameters of the other orders, and `outer`; weight decay acts on V and not on c."""
        outer = ArraySpec("outer", (self.n_out + 1, self.n_out), decayed_from=1)
        return (*super().parameters, *((outer,) if self.over else ()))

    def draw(self, arrays: dict[str, NDArray[np.float64]], draw: Draw) -> None:
        """Draw theta as a dense layer does, and V and c from separate streams."""
        super().draw(arrays, draw)
        if not self.over:
            return
        normals = draw.stream(WEIGHTS, 1).standard_normal((self.n_out, self.n_out))
        outer = arrays["outer"]
        if self.outer_weight_variance is None:
            outer[1:] = draw.initializer.weights(normals, draw.negative_slope)
        else:
            outer[1:] = np.sqrt(self.outer_weight_variance / self.n_out) * normals
        if self.outer_bias_variance:
            deviation = np.sqrt(self.outer_bias_variance)
            outer[0] = deviation * draw.stream(BIASES, 1).standard_normal(self.n_out)

    def activate(self, emit: Emit, at: Buffers, number: int, out: Array) -> None:
        """Record g(z^(l)) and g'(z^(l)); z^(1) and 1 in the layer where the stream begins."""
        if self.over:
            super().activate(emit, at, number, out)
            return
        assign(emit, out, at.z[number])
        if at.wants_slope(number):
            emit(at.slope[number].fill, 1)

    def branch(self, emit: Emit, at: Buffers, number: int) -> Array:
        """Record the branch, outer^(l)T g(z^(l)), and return it."""
        inner = at.own[number]["inner"] = memory.empty(at.a[number].shape, at.a[number].dtype)
        inner[:, 0] = 1
        out = memory.empty_like(at.delta[number])
        self.activate(emit, at, number, inner[:, 1:])
        weighted_sums(emit, at.parameters[number]["outer"], inner, out)
        return out

    def delta_of(self, emit: Emit, at: Buffers, number: int, gradient: Array) -> None:
        """Record delta^(l) and the gradient of `outer`."""
        if self.over:
            work, inner = at.scratch[number], at.own[number]["inner"]
            out = at.gradients[number]["outer"]
            gradient_of_weights(emit, inner, gradient, out, work.first)
            product(emit, at.parameters[number]["outer"][:, 1:], gradient, work.second)
            gradient = work.second
        super().delta_of(emit, at, number, gradient)

    def tangent_of_branch(self, at: Buffers, number: int, x: Tangent) -> Tangent:
        """Return V^(l) diag g'(z^(l)) dz^(l)."""
        outer = at.parameters[number]["outer"][0, 1:]
        return np.asarray(outer.T.astype(np.float64) @ super().tangent_of_branch(at, number, x))
