"""Activations g and their slopes g', accurate in both tails, in few and fast NumPy calls.

Every activation has one form, `evaluate(emit, z, a, slope, scratch)`. It records or makes calls
(see `bpexp.nn.tape`) that write g(z) into `a` and, unless `slope` is None, g'(z) into `slope`. All
arrays have one shape and one floating dtype, they do not overlap, and z is not changed. g' is
computed from z and not from a rounded g: in float32 1 - tanh(z)^2 has no correct digit for z above
9, and sigma (1 - sigma) none for z above 17. For infinite z the result may be NaN, even where g has
a limit; such a run counts as diverged.

The speed of calls was measured (NumPy 2.4). `maximum`, `copysign` and comparisons that write floats
take two to five times as long as a product. Python numbers as operands take twice as long as
zero-dimensional arrays. A choice by sign is therefore a comparison into `scratch.mask` and a
product. `fmax` and `fmin` of two arrays take as long as a product, and two to three times as long
for an array and a number, so an array is filled with the number first. They ignore NaN; multiplying
by z restores it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.choices import require
from bpexp.nn.tape import Emit, assign, call_now

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Scratch:
    """Memory for intermediate results, of z's shape.

    Attributes:
        first: of z's dtype.
        second: of z's dtype.
        mask: booleans.
    """

    first: Array
    second: Array
    mask: NDArray[np.bool_]

    @classmethod
    def like(cls, z: Array, empty_like: Callable[..., NDArray[Any]] = np.empty_like) -> Scratch:
        """Allocate memory for arrays like z.

        Args:
            z: an array with the shape, dtype and order of axes in memory.
            empty_like: allocates one array.
        """
        return cls(empty_like(z), empty_like(z), empty_like(z, np.bool_))

    def number(self, value: float) -> Array:
        """Return a number in z's dtype, as a zero-dimensional array."""
        return np.array(value, self.first.dtype)


Evaluate = Callable[[Emit, Array, Array, Array | None, Scratch], None]


@dataclass(frozen=True)
class Activation:
    """An activation, with properties for initialization, probes and theory.

    Attributes:
        evaluate: writes g(z) and g'(z); see the module's docstring.
        bounded: whether g has two horizontal asymptotes, so that a unit can saturate.
        max_slope: the largest |g'|.
        negative_slope: the limit of g'(z) for z to minus infinity, used by He's initialization.
    """

    evaluate: Evaluate
    bounded: bool = False
    max_slope: float = 1.0
    negative_slope: float = 0.0

    def __call__(self, z: Array) -> tuple[Array, Array]:
        """Return (g(z), g'(z)) as new arrays, for use outside the training step.

        Args:
            z: pre-activations of any shape; integers are converted to floating point.
        """
        z = np.asarray(z, dtype=np.result_type(z, np.float32))
        flat = np.ravel(z)
        a, slope = np.empty_like(flat), np.empty_like(flat)
        with np.errstate(over="ignore", under="ignore"):
            self.evaluate(call_now, flat, a, slope, Scratch.like(flat))
        return a.reshape(z.shape), slope.reshape(z.shape)


def identity() -> Activation:
    """g(z) = z."""

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        assign(emit, a, z)
        if slope is not None:
            emit(slope.fill, 1)

    return Activation(evaluate, negative_slope=1.0)


def sigmoid() -> Activation:
    """g(z) = 1 / (1 + exp(-z)), g'(z) = exp(-|z|) / (1 + exp(-|z|))^2 <= 1/4."""

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        _logistic(emit, z, a, slope, scratch)

    return Activation(evaluate, bounded=True, max_slope=0.25)


def tanh() -> Activation:
    """g(z) = tanh z, g'(z) = 4 e / (1 + e)^2 with e = exp(-2|z|)."""

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        emit(np.tanh, z, a)
        if slope is not None:
            e = scratch.first
            emit(np.abs, z, e)
            emit(np.multiply, e, scratch.number(-2), e)
            emit(np.exp, e, e)
            emit(np.add, e, scratch.number(1), slope)
            emit(np.divide, e, slope, e)
            emit(np.divide, e, slope, slope)
            emit(np.multiply, slope, scratch.number(4), slope)

    return Activation(evaluate, bounded=True)


def softsign() -> Activation:
    """g(z) = z / (1 + |z|), g'(z) = 1 / (1 + |z|)^2."""

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        denominator = scratch.first
        emit(np.abs, z, denominator)
        emit(np.add, denominator, scratch.number(1), denominator)
        emit(np.divide, z, denominator, a)
        if slope is not None:
            emit(np.divide, scratch.number(1), denominator, slope)
            emit(np.multiply, slope, slope, slope)

    return Activation(evaluate, bounded=True)


def softplus() -> Activation:
    """g(z) = log(1 + exp z), g'(z) = 1 / (1 + exp(-z)) (Dugas et al. 2001)."""

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        emit(np.logaddexp, z, scratch.number(0), a)
        if slope is not None:
            _logistic(emit, z, slope, None, scratch)

    return Activation(evaluate)


def relu() -> Activation:
    """g(z) = max(z, 0), g'(z) = 1 for z > 0, else 0, also at 0 (Nair & Hinton 2010)."""

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        mask = scratch.first if slope is None else slope
        _step(emit, z, mask, scratch)
        emit(np.multiply, z, mask, a)

    return Activation(evaluate)


def leaky(*, negative_slope: float = 0.01) -> Activation:
    """g(z) = max(z, s z), g'(z) = 1 for z > 0, else s (Maas et al. 2013)."""
    require("negative_slope", negative_slope, "a number in [0, 1]", 0 <= negative_slope <= 1)

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        factor = scratch.first if slope is None else slope
        _step(emit, z, factor, scratch)
        low = scratch.second
        emit(low.fill, negative_slope)
        emit(np.fmax, factor, low, factor)
        emit(np.multiply, z, factor, a)

    return Activation(evaluate, negative_slope=negative_slope)


def elu(*, alpha: float = 1.0) -> Activation:
    """g(z) = z for z > 0, else alpha (exp(z) - 1) (Clevert et al. 2016)."""
    require("alpha", alpha, "a finite number of at least 0", 0 <= alpha < np.inf)
    return Activation(_exponential_linear(alpha, 1.0), max_slope=max(1.0, alpha))


def selu() -> Activation:
    """Scaled ELU whose fixed point is mean 0 and variance 1 (Klambauer et al. 2017)."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return Activation(_exponential_linear(alpha, scale), max_slope=alpha * scale)


def silu() -> Activation:
    """g(z) = z sigma(z), g'(z) = sigma(z) + z sigma'(z) (Elfwing et al. 2018)."""

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        _logistic(emit, z, a, slope, scratch)
        if slope is not None:
            emit(np.multiply, slope, z, slope)
            emit(np.add, slope, a, slope)
        emit(np.multiply, a, z, a)

    return Activation(evaluate, max_slope=1.0998393194)


def gelu() -> Activation:
    """g(z) = z sigma(2 u), u = sqrt(2/pi) (z + 0.044715 z^3) (Hendrycks & Gimpel 2016).

    This is GELU's tanh form.
    """
    c, cubic, far = float(np.sqrt(2 / np.pi)), 0.044715, 30.0

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        inner, square = scratch.second, scratch.first
        emit(np.clip, z, -far, far, inner)  # z^3 stays finite, and sigma(2u) is 0 or 1 beyond
        emit(np.multiply, inner, inner, square)
        emit(np.multiply, square, scratch.number(cubic), square)
        emit(np.add, square, scratch.number(1), square)
        emit(np.multiply, inner, square, inner)
        emit(np.multiply, inner, scratch.number(2 * c), inner)
        _logistic(emit, inner, a, slope, scratch)
        if slope is not None:
            emit(np.clip, z, -far, far, inner)
            emit(np.multiply, slope, inner, slope)
            emit(np.multiply, inner, inner, inner)
            emit(np.multiply, inner, scratch.number(6 * c * cubic), inner)
            emit(np.add, inner, scratch.number(2 * c), inner)
            emit(np.multiply, slope, inner, slope)
            emit(np.add, slope, a, slope)
        emit(np.multiply, a, z, a)

    return Activation(evaluate, max_slope=1.1289930687)


def _step(emit: Emit, z: Array, out: Array, scratch: Scratch) -> None:
    """Write 1 where z > 0, else 0."""
    emit(np.greater, z, scratch.number(0), scratch.mask)
    assign(emit, out, scratch.mask)


def _logistic(emit: Emit, z: Array, sigma: Array, slope: Array | None, scratch: Scratch) -> None:
    """Write sigma(z) and sigma'(z) with e = exp(-|z|) <= 1, in `scratch.first`.

    sigma is 1 / (1 + e) for positive z, else e / (1 + e).
    """
    e = scratch.first
    emit(np.abs, z, e)
    emit(np.negative, e, e)
    emit(np.exp, e, e)
    _step(emit, z, sigma, scratch)
    emit(np.fmax, sigma, e, sigma)
    if slope is None:
        emit(np.add, e, scratch.number(1), e)
        emit(np.divide, sigma, e, sigma)
    else:
        emit(np.add, e, scratch.number(1), slope)
        emit(np.divide, sigma, slope, sigma)
        emit(np.divide, e, slope, e)
        emit(np.divide, e, slope, slope)


def _exponential_linear(alpha: float, scale: float) -> Evaluate:
    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        low, step = scratch.first, scratch.second
        emit(step.fill, 0)
        emit(np.fmin, z, step, low)
        _step(emit, z, step, scratch)
        emit(np.expm1, low, a)
        emit(np.multiply, a, scratch.number(alpha), a)
        if slope is not None:
            emit(np.exp, low, slope)
            emit(np.multiply, slope, scratch.number(alpha), slope)
            emit(np.subtract, scratch.number(1), step, low)
            emit(np.multiply, slope, low, slope)
            emit(np.add, slope, step, slope)
            emit(np.multiply, slope, scratch.number(scale), slope)
        emit(np.multiply, z, step, step)
        emit(np.add, a, step, a)
        emit(np.multiply, a, scratch.number(scale), a)

    return evaluate


ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    factory.__name__: factory
    for factory in (
        identity,
        sigmoid,
        tanh,
        softsign,
        softplus,
        relu,
        leaky,
        elu,
        selu,
        silu,
        gelu,
    )
}
