"""The probes: equations over what was measured, for all layers at once.

A probe is a row of PROBES: a name and a function of what was `Seen`. Its values have the shape of
what it is computed from, (..., L); NaN says that the quantity is not defined there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What looks at a probe batch of B examples measured, arrays (..., L).

    Norms are Frobenius norms; gradients are summed over the examples.

    Attributes:
        examples: B.
        units: n_l, (L,).
        weights: entries of W^(l), (L,).
        mean: of a^(l) over units and examples; in the output layer of the network's output.
        spread: sum of squared deviations from it.
        squares: sum of (z^(l))^2.
        resultant: ||sum_i u_i||^2 of the examples' z^(l), each scaled to length 1.
        saturated: entries of g'(z^(l)) below 0.05 max |g'|; NaN where g is not bounded.
        alive: units whose g'(z^(l)) is not 0 at some example; NaN in the output layer.
        nonzero: entries of dC/dW^(l) that are not 0.
        small: entries of dC/dW^(l) below the dtype's normal range, or 0.
        delta: norm of delta^(l), each column of its example's own cost.
        signal: norm of W^(l+1) delta^(l+1); NaN in the output layer.
        gradient: norm of dC/dW^(l).
        bias_gradient: norm of dC/db^(l).
        theta: norm of theta^(l).
        moved: norm of theta^(l) less that at the last look; NaN at the first.
    """

    examples: int
    units: Array
    weights: Array
    mean: Array
    spread: Array
    squares: Array
    resultant: Array
    saturated: Array
    alive: Array
    nonzero: Array
    small: Array
    delta: Array
    signal: Array
    gradient: Array
    bias_gradient: Array
    theta: Array
    moved: Array

    @cached_property
    def entries(self) -> Array:
        """Entries of z^(l): units times examples, (L,)."""
        return self.units * self.examples


MEASURED = tuple(field.name for field in fields(Seen))[3:]
NORMS = slice(MEASURED.index("delta"), None)


def grad_norm(seen: Seen) -> Array:
    """||dC/dW^(l)||_F of the mean cost; the bias row is left out."""
    return seen.gradient / seen.examples


def bias_grad_norm(seen: Seen) -> Array:
    """||dC/db^(l)||_2 of the mean cost."""
    return seen.bias_gradient / seen.examples


def delta_norm(seen: Seen) -> Array:
    """Root mean square over the examples of ||delta_i^(l)||_2, each of its own cost."""
    return seen.delta / math.sqrt(seen.examples)


def weight_factor(seen: Seen) -> Array:
    """||W delta|| / ||delta|| of the hop from layer l + 1: what the weights do to the signal."""
    factor = np.full_like(seen.delta, np.nan)
    factor[..., :-1] = seen.signal[..., :-1] / seen.delta[..., 1:]
    return factor


def slope_factor(seen: Seen) -> Array:
    """||g' * W delta|| / ||W delta|| of the hop: what the activation's slope does to the signal.

    weight_factor times slope_factor is delta_norm^(l) / delta_norm^(l+1).
    """
    return seen.delta / seen.signal


def update_ratio(seen: Seen) -> Array:
    """||theta^(l) - theta^(l) at the last probe|| / ||theta^(l)||."""
    return seen.moved / seen.theta


def zero_share(seen: Seen) -> Array:
    """Share of exact zeros among the entries of dC/dW^(l)."""
    return 1 - seen.nonzero / seen.weights


def subnormal_share(seen: Seen) -> Array:
    """Share of subnormal entries in dC/dW^(l): not zero, below the dtype's normal range."""
    zeros = seen.weights - seen.nonzero
    return (seen.small - zeros) / seen.weights


def activation_mean(seen: Seen) -> Array:
    """Mean of a^(l) over units and examples."""
    return seen.mean


def activation_variance(seen: Seen) -> Array:
    """Variance of a^(l) over units and examples."""
    return seen.spread / seen.entries


def q(seen: Seen) -> Array:
    """Mean of (z^(l))^2 over units and examples: mean field's length (Poole et al. 2016)."""
    return seen.squares / seen.entries


def correlation(seen: Seen) -> Array:
    """Mean over pairs of examples of the cosine between their z^(l): mean field's c.

    With unit columns u_i the sum of cosines over ordered pairs is ||sum_i u_i||^2 - B.
    """
    pairs = seen.examples * (seen.examples - 1)
    return (seen.resultant - seen.examples) / (pairs or np.nan)


def saturation(seen: Seen) -> Array:
    """Share of (example, unit) with |g'| < 0.05 max |g'|, for bounded activations."""
    return seen.saturated / seen.entries


def dead(seen: Seen) -> Array:
    """Share of units whose g' is 0 on the whole probe batch."""
    return 1 - seen.alive / seen.units


PROBES: dict[str, Callable[[Seen], Array]] = {
    probe.__name__: probe
    for probe in (
        grad_norm,
        bias_grad_norm,
        delta_norm,
        weight_factor,
        slope_factor,
        update_ratio,
        zero_share,
        subnormal_share,
        activation_mean,
        activation_variance,
        q,
        correlation,
        saturation,
        dead,
    )
}
