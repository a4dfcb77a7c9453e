"""Residual layers, which end a block of m layers, or are the first layer, where the stream begins.

With u^(l) = theta^(l)T a^(l-1), N the norm of the layer (the identity without one) and s the scale:

    pre     stream h    h^(1) = u^(1)          h^(l) = h^(l-m) + s u^(l)
                        z^(l) = N(h^(l)), a^(l) = g(z^(l))
    post    stream a    a^(1) = g(N(u^(1)))    a^(l) = a^(l-m) + s g(N(u^(l)))
    full    stream a    a^(1) = u^(1)          a^(l) = a^(l-m) + s (V^(l) g(N(u^(l))) + c^(l))

The other layers of a block are plain: z = N(u), a = g(z). The output layer is z^(L) = u^(L). In
order pre the input of the first branch is therefore g(N(h^(1))), and that of the output layer is
g(N(h^(L-1))), with a norm. In the other orders the input of the output layer is the stream.

delta^(l) = dC/dz^(l) is the derivative through the branch that begins with z^(l). The derivative
with respect to the stream, dC/dh^(l) or dC/da^(l), is the sum over the branch above and the stream:

    pre     dC/dh^(l) = N'(delta^(l)) + dC/dh^(l+m)
    others  dC/da^(l) = W^(l+1) dC/du^(l+1) + dC/da^(l+m)

Layers store `stream` and `stream_gradient` in `at.own[l]`, and layers that end a block also
`branch`, the term that they add to the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.arrays import ArraySpec
from bpexp.nn.buffers import Buffers
from bpexp.nn.layers.dense import Dense
from bpexp.nn.layers.normalised import Normalised
from bpexp.nn.layers.protocol import Flow, Tangent
from bpexp.nn.products import weighted_sums
from bpexp.nn.tape import Emit, assign


@dataclass(frozen=True)
class Residual(Normalised):
    """The base of residual layers of all orders: the scale of the branch.

    Attributes:
        n_in: units of the layer below.
        n_out: units.
        norm: a row of `bpexp.nn.norms.NORMS`.
        over: m, the layers of the block that ends here; 0 in the layer where the stream begins.
        scale: s, or its initial value if it is trained.
        trained: whether s is a parameter.
    """

    over: int = 0
    scale: float = 1.0
    trained: bool = False

    @property
    def parameters(self) -> tuple[ArraySpec, ...]:
        """The parameters of a normalised layer, and the scale of the branch if it is trained."""
        own = (ArraySpec("scale", (), initial=self.scale),) if self.over and self.trained else ()
        return (*super().parameters, *own)

    @property
    def activity(self) -> int:
        """The elements of a normalised layer, and stream and branch with their gradients."""
        return super().activity + 4 * self.n_out

    @property
    def reach(self) -> int:
        """m, or 1 in the layer where the stream begins."""
        return max(self.over, 1)

    def scaled(self, emit: Emit, at: Buffers, number: int, raw: Array) -> Array:
        """Record s times the branch, and return it."""
        own = at.own[number]
        own["raw"] = own["branch"] = raw
        if self.trained:
            own["branch"] = memory.empty_like(raw)
            emit(np.multiply, raw, _wide(at.parameters[number]["scale"]), own["branch"])
        elif self.scale != 1:
            emit(np.multiply, raw, np.array(self.scale, raw.dtype), raw)
        return own["branch"]

    def gradient_of_branch(self, emit: Emit, at: Buffers, number: int, gradient: Array) -> Array:
        """Record the gradient with respect to the branch before the scale, and return it.

        The gradient with respect to the scale is the sum of the stream's gradient times the branch.

        Args:
            emit: receives the calls.
            at: the arrays of the pass.
            number: the layer.
            gradient: that of the stream, which is also that of the scaled branch.
        """
        if not self.trained and self.scale == 1:
            return gradient
        out = memory.empty(gradient.shape, gradient.dtype)
        factor = np.array(self.scale, gradient.dtype)
        if self.trained:
            factor = _wide(at.parameters[number]["scale"])
            emit(np.multiply, gradient, at.own[number]["raw"], out)
            total(emit, out, at.gradients[number]["scale"])
        emit(np.multiply, gradient, factor, out)
        return out

    def scale_of(self, at: Buffers, number: int) -> float:
        """Return s of the first network."""
        return float(at.parameters[number]["scale"][0]) if self.trained else self.scale


@dataclass(frozen=True)
class Pre(Residual):
    """h^(l) = h^(l-m) + s theta^(l)T a^(l-1), z^(l) = norm(h^(l)), a^(l) = g(z^(l))."""

    kind: ClassVar[str] = "pre"

    @property
    def stream(self) -> str | None:
        """h: the sums before the norm."""
        return "h"

    def forward(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record h^(l), z^(l), g(z^(l)) and g'(z^(l))."""
        own, theta = at.own[number], at.parameters[number]["theta"]
        h = own["stream"] = memory.empty_like(at.z[number])
        if self.over:
            raw = memory.empty_like(h)
            weighted_sums(emit, theta, at.a[number - 1], raw)
            branch = self.scaled(emit, at, number, raw)
            emit(np.add, at.own[number - self.over]["stream"], branch, h)
        else:
            weighted_sums(emit, theta, at.a[number - 1], h)
        self.normalise(emit, at, number, h)
        self.activate(emit, at, number, at.a[number][:, 1:])

    def gradient(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record dC/dh^(l), and from it the gradients of theta^(l) and of the scale."""
        own, inner = at.own[number], self.denormalise(emit, at, number)
        error = own["stream_gradient"] = self.joined(emit, at, number, inner)
        if self.over:
            at.own[number - self.over]["above"] = error
            error = self.gradient_of_branch(emit, at, number, error)
        own["error"] = error
        self.gradient_of_theta(emit, at, number)

    def joined(self, emit: Emit, at: Buffers, number: int, inner: Array) -> Array:
        """Record the sum of the gradients through the branch above and the stream above."""
        above = at.own[number].get("above")  # of the layer that ends the next block
        if above is None:
            return inner
        error = memory.empty(inner.shape, inner.dtype)
        emit(np.add, inner, above, error)
        return error

    def tangent_x(self, at: Buffers, number: int, below: Sequence[Flow]) -> Tangent:
        """Return dh^(l)/dh^(1) = dh^(l-m)/dh^(1) + s W^(l)T da^(l-1)/dh^(1)."""
        u = Dense.tangent_x(self, at, number, below)
        if not self.over:
            return u
        return np.asarray(below[-self.over].x + self.scale_of(at, number) * u)

    def tangent_a(self, at: Buffers, number: int, x: Tangent, below: Sequence[Flow]) -> Tangent:
        """Return da^(l)/dh^(1): diag g'(z^(l)) times the norm's derivative times dh^(l)/dh^(1)."""
        return super().tangent_a(at, number, self.tangent_of_norm(at, number, x), below)


@dataclass(frozen=True)
class Post(Residual):
    """a^(l) = a^(l-m) + s g(z^(l)), z^(l) = norm(theta^(l)T a^(l-1))."""

    kind: ClassVar[str] = "post"

    @property
    def stream(self) -> str | None:
        """a: the input of the layer above."""
        return "a"

    def forward(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record z^(l), g(z^(l)), g'(z^(l)) and a^(l)."""
        a = at.own[number]["stream"] = at.a[number][:, 1:]
        self.normalise(emit, at, number, self.sums(emit, at, number))
        if not self.over:
            self.activate(emit, at, number, a)
            return
        branch = self.scaled(emit, at, number, self.branch(emit, at, number))
        emit(np.add, at.a[number - self.over][:, 1:], branch, a)

    def branch(self, emit: Emit, at: Buffers, number: int) -> Array:
        """Record the branch, g(z^(l)), and return it."""
        out = memory.empty_like(at.delta[number])
        self.activate(emit, at, number, out)
        return out

    def delta(self, emit: Emit, at: Buffers, number: int) -> None:
        """Record delta^(l) from dC/da^(l), the gradient of the stream and that of the scale."""
        signal = at.own[number]["stream_gradient"] = at.backward_signal[number]
        if self.over:
            signal = memory.empty_like(
                signal
            )  # dC/da^(l) is overwritten before layer l - m uses it
            assign(emit, signal, at.backward_signal[number])
            at.own[number]["stream_gradient"] = signal
            if number - self.over >= at.lowest:
                at.passed[number - self.over].append(signal)
            signal = self.gradient_of_branch(emit, at, number, signal)
        self.delta_of(emit, at, number, signal)

    def delta_of(self, emit: Emit, at: Buffers, number: int, gradient: Array) -> None:
        """Record delta^(l) from the gradient with respect to the branch."""
        emit(np.multiply, at.slope[number], gradient, at.delta[number])

    def tangent_a(self, at: Buffers, number: int, x: Tangent, below: Sequence[Flow]) -> Tangent:
        """Return da^(l)/da^(1) = da^(l-m)/da^(1) + s times the derivative of the branch."""
        if not self.over:
            return super().tangent_a(at, number, x, below)
        branch = self.tangent_of_branch(at, number, x)
        return np.asarray(below[-self.over].a + self.scale_of(at, number) * branch)

    def tangent_of_branch(self, at: Buffers, number: int, x: Tangent) -> Tangent:
        """Return the derivative of the branch from that of z^(l)."""
        return Dense.tangent_a(self, at, number, x, ())


def total(emit: Emit, values: Array, out: Array) -> None:
    """Record the sum over units and examples of contiguous values (R, n, B), (R,)."""
    emit(np.add.reduce, values.reshape(len(values), -1), 1, None, out)


def _wide(scalars: Array) -> Array:
    """Return scalars (R,) as (R, 1, 1), which broadcast with (R, n, B)."""
    return scalars[:, None, None]
