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

Values = NDArray[np.float64]


@dataclass(frozen=True)
class LayerStatistics:
    """What looks at a probe batch of B examples measured.

    All from `mean` on are arrays (..., L); norms are Frobenius norms, and gradients are summed over
    the examples.

    Attributes:
        examples: B.
        units: n_l, (L,).
        weights: how many entries W^(l) has, (L,).
        mean: of a^(l) over units and examples; in the output layer of the network's output.
        spread: sum of squared deviations from it.
        squares: sum of (z^(l))^2.
        resultant: ||sum_i u_i||^2 of the examples' z^(l), each scaled to length 1.
        saturated: how many entries of g'(z^(l)) are below 0.05 max |g'|; NaN in the output layer
            and where g is not bounded.
        alive: how many units have a g'(z^(l)) that is not 0; NaN in the output layer.
        nonzero: how many entries of dC/dW^(l) are not 0.
        small: how many entries of dC/dW^(l) are 0 or below the dtype's normal range.
        delta: norm of delta^(l), each column of its example's own cost.
        signal: norm of W^(l+1) delta^(l+1); NaN in the output layer.
        gradient: norm of dC/dW^(l).
        bias_gradient: norm of dC/db^(l).
        theta: norm of theta^(l).
        moved: norm of theta^(l) less that at the last look; NaN at the first.
    """

    examples: int
    units: Values
    weights: Values
    mean: Values
    spread: Values
    squares: Values
    resultant: Values
    saturated: Values
    alive: Values
    nonzero: Values
    small: Values
    delta: Values
    signal: Values
    gradient: Values
    bias_gradient: Values
    theta: Values
    moved: Values

    @cached_property
    def entries(self) -> Values:
        """Entries of z^(l): units times examples, (L,)."""
        return self.units * self.examples


GIVEN = ("examples", "units", "weights")
MEASURED = tuple(field.name for field in fields(LayerStatistics) if field.name not in GIVEN)
NORMS = ("delta", "signal", "gradient", "bias_gradient", "theta", "moved")


def grad_norm(seen: LayerStatistics) -> Values:
    """||dC/dW^(l)||_F of the mean cost; the bias row is left out."""
    return seen.gradient / seen.examples


def bias_grad_norm(seen: LayerStatistics) -> Values:
    """||dC/db^(l)||_2 of the mean cost."""
    return seen.bias_gradient / seen.examples


def delta_norm(seen: LayerStatistics) -> Values:
    """Root mean square over the examples of ||delta_i^(l)||_2, each of its own cost."""
    return seen.delta / math.sqrt(seen.examples)


def weight_factor(seen: LayerStatistics) -> Values:
    """||W delta|| / ||delta|| of the hop from layer l + 1: what the weights do to the signal."""
    factor = np.full_like(seen.delta, np.nan)
    factor[..., :-1] = _ratio(seen.signal[..., :-1], seen.delta[..., 1:])
    return factor


def slope_factor(seen: LayerStatistics) -> Values:
    """||g' * W delta|| / ||W delta|| of the hop: what the activation's slope does to the signal.

    weight_factor times slope_factor is delta_norm^(l) / delta_norm^(l+1).
    """
    return _ratio(seen.delta, seen.signal)


def update_ratio(seen: LayerStatistics) -> Values:
    """||theta^(l) - theta^(l) at the last probe|| / ||theta^(l)||."""
    return _ratio(seen.moved, seen.theta)


def zero_share(seen: LayerStatistics) -> Values:
    """Share of exact zeros among the entries of dC/dW^(l)."""
    return 1 - seen.nonzero / seen.weights


def subnormal_share(seen: LayerStatistics) -> Values:
    """Share of subnormal entries in dC/dW^(l): not zero, below the dtype's normal range."""
    zeros = seen.weights - seen.nonzero
    return (seen.small - zeros) / seen.weights


def activation_mean(seen: LayerStatistics) -> Values:
    """Mean of a^(l) over units and examples."""
    return seen.mean


def activation_variance(seen: LayerStatistics) -> Values:
    """Variance of a^(l) over units and examples."""
    return seen.spread / seen.entries


def q(seen: LayerStatistics) -> Values:
    """Mean of (z^(l))^2 over units and examples: mean field's length (Poole et al. 2016)."""
    return seen.squares / seen.entries


def correlation(seen: LayerStatistics) -> Values:
    """Mean over pairs of examples of the cosine between their z^(l): mean field's c.

    With unit columns u_i the sum of cosines over ordered pairs is ||sum_i u_i||^2 - B. A z^(l)
    whose square is 0 or infinite has no direction in float64.
    """
    pairs = seen.examples * (seen.examples - 1)
    defined = np.isfinite(seen.resultant) & np.isfinite(seen.squares)
    return np.where(defined, seen.resultant - seen.examples, np.nan) / (pairs or np.nan)


def saturation(seen: LayerStatistics) -> Values:
    """Share of (example, unit) with |g'| < 0.05 max |g'|, for bounded activations."""
    return seen.saturated / seen.entries


def dead(seen: LayerStatistics) -> Values:
    """Share of units whose g' is 0 on the whole probe batch."""
    return 1 - seen.alive / seen.units


def _ratio(numerator: Values, denominator: Values) -> Values:
    return numerator / np.where(denominator == 0, np.nan, denominator)


PROBES: dict[str, Callable[[LayerStatistics], Values]] = {
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
