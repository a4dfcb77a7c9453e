"""Activations g and their slopes g', evaluated in place and accurate in both tails.

Every evaluation has one form, `evaluate(z, a, slope, work)`: it writes g(z) into `a` and, unless
`slope` is None, g'(z) into `slope`. All arrays share one shape and float dtype; `work` holds two
scratch arrays of it. `slope` may be `z` itself; nothing else overlaps. Maxima and minima with 0
are taken with an array of zeros: NumPy's loop over two arrays is three times as fast as the one
with a scalar. g' is never taken from a
rounded g: 1 - tanh(z)^2 has no correct digit left in float32 from z = 9 on, and sigma (1 - sigma)
none from z = 17 on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.choices import within

Array = NDArray[np.floating]
Evaluate = Callable[[Array, Array, Array | None, Array], None]


@dataclass(frozen=True)
class Activation:
    """An activation and what others must know of it.

    Attributes:
        evaluate: writes g(z) and g'(z); see the module's first lines.
        bounded: g has two horizontal asymptotes, so a unit can saturate.
        max_slope: the largest |g'|.
        negative_slope: g'(z) as z goes to minus infinity, which He's initialization asks for.
    """

    evaluate: Evaluate
    bounded: bool = False
    max_slope: float = 1.0
    negative_slope: float = 0.0

    def __call__(self, z: Array) -> tuple[Array, Array]:
        """Return (g(z), g'(z)) as new arrays: for use by hand, not in the training step."""
        z = np.asarray(z, dtype=np.result_type(z, np.float32))
        flat = np.ravel(z)
        a, slope = np.empty_like(flat), np.empty_like(flat)
        with np.errstate(over="ignore", under="ignore"):
            self.evaluate(flat, a, slope, np.empty((2, flat.size), z.dtype))
        return a.reshape(z.shape), slope.reshape(z.shape)


def identity() -> Activation:
    """g(z) = z."""

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        np.copyto(a, z)
        if slope is not None:
            slope.fill(1)

    return Activation(evaluate, negative_slope=1.0)


def sigmoid() -> Activation:
    """g(z) = 1 / (1 + exp(-z)), g'(z) = exp(-|z|) / (1 + exp(-|z|))^2 <= 1/4."""

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        _logistic(z, a, slope, work[0])

    return Activation(evaluate, bounded=True, max_slope=0.25)


def tanh() -> Activation:
    """g(z) = tanh z, g'(z) = 4 e / (1 + e)^2 with e = exp(-2|z|)."""

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        np.tanh(z, out=a)
        if slope is not None:
            e = work[0]
            np.copysign(z, -1, out=e)
            np.multiply(e, 2, out=e)
            np.exp(e, out=e)
            np.add(e, 1, out=slope)
            np.divide(e, slope, out=e)
            np.divide(e, slope, out=slope)
            np.multiply(slope, 4, out=slope)

    return Activation(evaluate, bounded=True)


def softsign() -> Activation:
    """g(z) = z / (1 + |z|), g'(z) = 1 / (1 + |z|)^2."""

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        denominator = work[0]
        np.abs(z, out=denominator)
        np.add(denominator, 1, out=denominator)
        np.divide(z, denominator, out=a)
        if slope is not None:
            np.divide(1, denominator, out=slope)
            np.multiply(slope, slope, out=slope)

    return Activation(evaluate, bounded=True)


def softplus() -> Activation:
    """g(z) = log(1 + exp z), g'(z) = 1 / (1 + exp(-z))."""

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        np.logaddexp(z, 0, out=a)
        if slope is not None:
            _logistic(z, work[1], None, work[0])
            np.copyto(slope, work[1])

    return Activation(evaluate)


def relu() -> Activation:
    """g(z) = max(z, 0), g'(z) = 1 for z > 0, else 0 (at the kink too)."""

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        zero = work[0]
        zero.fill(0)
        np.maximum(z, zero, out=a)
        if slope is not None:
            np.greater(z, zero, out=slope)

    return Activation(evaluate)


def leaky(*, negative_slope: float = 0.01) -> Activation:
    """g(z) = max(z, s z), g'(z) = 1 for z > 0, else s (Maas et al. 2013)."""
    within("negative_slope", negative_slope, "a number in [0, 1]", 0 <= negative_slope <= 1)

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        np.multiply(z, negative_slope, out=a)
        np.maximum(z, a, out=a)
        if slope is not None:
            np.greater(z, 0, out=slope)
            np.maximum(slope, negative_slope, out=slope)

    return Activation(evaluate, negative_slope=negative_slope)


def elu(*, alpha: float = 1.0) -> Activation:
    """g(z) = z for z > 0, else alpha (exp(z) - 1) (Clevert et al. 2016)."""
    within("alpha", alpha, "a finite number of at least 0", 0 <= alpha < np.inf)
    return Activation(_exponential_linear(alpha, 1.0), max_slope=max(1.0, alpha))


def selu() -> Activation:
    """Scaled ELU whose fixed point is mean 0 and variance 1 (Klambauer et al. 2017)."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return Activation(_exponential_linear(alpha, scale), max_slope=alpha * scale)


def silu() -> Activation:
    """g(z) = z sigma(z), g'(z) = sigma(z) + z sigma'(z) (Elfwing et al. 2018)."""

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        sigma_slope = work[1]
        _logistic(z, a, sigma_slope, work[0])
        np.multiply(sigma_slope, z, out=sigma_slope)
        np.add(sigma_slope, a, out=sigma_slope)
        np.multiply(a, z, out=a)
        if slope is not None:
            np.copyto(slope, sigma_slope)

    return Activation(evaluate, max_slope=1.0998393194)


def gelu() -> Activation:
    """g(z) = z sigma(2 u), u = sqrt(2/pi) (z + 0.044715 z^3): the tanh form (Hendrycks 2016)."""
    c, cubic, far = np.sqrt(2 / np.pi), 0.044715, 30.0

    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        inner, sigma_slope = work[0], work[1]
        np.clip(z, -far, far, out=inner)  # sigma(2u) is 0 or 1 there already, and z^3 stays finite
        np.multiply(inner, inner, out=sigma_slope)
        np.multiply(sigma_slope, cubic, out=sigma_slope)
        np.add(sigma_slope, 1, out=sigma_slope)
        np.multiply(inner, sigma_slope, out=inner)
        np.multiply(inner, 2 * c, out=inner)
        _logistic(inner, a, sigma_slope, inner)
        if slope is not None:
            np.clip(z, -far, far, out=inner)
            np.multiply(sigma_slope, inner, out=sigma_slope)
            np.multiply(inner, inner, out=inner)
            np.multiply(inner, 6 * c * cubic, out=inner)
            np.add(inner, 2 * c, out=inner)
            np.multiply(sigma_slope, inner, out=sigma_slope)
            np.add(sigma_slope, a, out=sigma_slope)
        np.multiply(a, z, out=a)
        if slope is not None:
            np.copyto(slope, sigma_slope)

    return Activation(evaluate, max_slope=1.1289930687)


def _logistic(z: Array, sigma: Array, slope: Array | None, e: Array) -> None:
    """Write sigma(z) and sigma'(z) with e = exp(-|z|) <= 1; `e` or `slope` may be `z` itself."""
    np.minimum(z, 0, out=sigma)
    np.exp(sigma, out=sigma)
    np.copysign(z, -1, out=e)
    np.exp(e, out=e)
    if slope is None:
        np.add(e, 1, out=e)
        np.divide(sigma, e, out=sigma)
    else:
        np.add(e, 1, out=slope)
        np.divide(sigma, slope, out=sigma)
        np.divide(e, slope, out=e)
        np.divide(e, slope, out=slope)


def _exponential_linear(alpha: float, scale: float) -> Evaluate:
    def evaluate(z: Array, a: Array, slope: Array | None, work: Array) -> None:
        low, high = work[0], work[1]
        a.fill(0)
        np.minimum(z, a, out=low)
        np.maximum(z, a, out=high)
        np.expm1(low, out=a)
        np.multiply(a, alpha, out=a)
        np.add(a, high, out=a)
        np.multiply(a, scale, out=a)
        if slope is not None:
            np.exp(low, out=low)
            np.multiply(low, alpha, out=low)
            np.greater(high, 0, out=slope)
            np.subtract(1, slope, out=high)
            np.multiply(low, high, out=low)
            np.add(slope, low, out=slope)
            np.multiply(slope, scale, out=slope)

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
