"""Instruments that are equations over the layer statistics, computed for many networks at once.

Each takes the `LayerStatistics` of networks (...) and returns one number a layer, (..., L), or one
number a network, (...). NaN means that the quantity is not defined there.

C is the mean cost over the B examples of the probe batch, C_i the cost of example i alone, and
delta_i^(l) is dC_i/dz^(l).
"""

from __future__ import annotations

import math

import numpy as np

from bpexp.probes.statistics import LayerStatistics, Values


def grad_norm(s: LayerStatistics) -> Values:
    """||dC/dW^(l)||_F of the mean cost C over the probe batch, without the bias row."""
    return s.gradient


def bias_grad_norm(s: LayerStatistics) -> Values:
    """||dC/db^(l)||_2 of the mean cost C over the probe batch."""
    return s.bias_gradient


def delta_norm(s: LayerStatistics) -> Values:
    """sqrt(mean_i ||delta_i^(l)||_2^2): root mean square over the examples of the norm of delta."""
    return s.delta / math.sqrt(s.examples)


def weight_factor(s: LayerStatistics) -> Values:
    """||W^(l+1) delta^(l+1)||_F / ||delta^(l+1)||_F: what the weights do to the backward signal.

    Norms are over all examples. Not defined in the output layer.
    """
    factor = np.full_like(s.delta, np.nan)
    factor[..., :-1] = _ratio(s.signal[..., :-1], s.delta[..., 1:])
    return factor


def slope_factor(s: LayerStatistics) -> Values:
    """||delta^(l)||_F / ||W^(l+1) delta^(l+1)||_F: what g' does to the backward signal.

    delta^(l) = g'(z^(l)) * (W^(l+1) delta^(l+1)); norms are over all examples. weight_factor times
    slope_factor is delta_norm^(l) / delta_norm^(l+1). Not defined in the output layer.
    """
    return _ratio(s.delta, s.signal)


def update_ratio(s: LayerStatistics) -> Values:
    """||change of theta^(l) in the last optimizer step||_F / ||theta^(l)||_F.

    Not defined before the first step.
    """
    return _ratio(s.moved, s.theta)


def zero_share(s: LayerStatistics) -> Values:
    """Share of exact zeros among the entries of dC/dW^(l) of the mean cost over the probe batch."""
    return 1 - s.nonzero / s.weights


def subnormal_share(s: LayerStatistics) -> Values:
    """Share of subnormal entries of dC/dW^(l) of the mean cost over the probe batch.

    Subnormal: not zero, and smaller in size than the dtype's least normal number.
    """
    zeros = s.weights - s.nonzero
    return (s.small - zeros) / s.weights


def activation_mean(s: LayerStatistics) -> Values:
    """Mean of a^(l) over units and examples; in the output layer of the network's outputs."""
    return s.mean


def activation_variance(s: LayerStatistics) -> Values:
    """Variance of a^(l) over units and examples; in the output layer of the network's outputs."""
    return s.spread / s.entries


def q(s: LayerStatistics) -> Values:
    """Mean of (z^(l))^2 over units and examples: the length of mean field (Poole et al. 2016)."""
    return s.squares / s.entries


def correlation(s: LayerStatistics) -> Values:
    """Mean over pairs of examples of the cosine between their z^(l): the c of mean field.

    With u_i = z_i^(l) / ||z_i^(l)|| the cosines of all ordered pairs add up to ||sum_i u_i||^2 - B.
    Not defined where the square of a z_i^(l) underflows to 0 or overflows in float64.
    """
    pairs = s.examples * (s.examples - 1)
    defined = np.isfinite(s.resultant) & np.isfinite(s.squares)
    return np.where(defined, s.resultant - s.examples, np.nan) / (pairs or np.nan)


def saturation(s: LayerStatistics) -> Values:
    """Share of (example, unit) with |g'(z^(l))| < 0.05 max |g'|, of bounded activations.

    Not defined in the output layer and for activations that are not bounded.
    """
    share = s.saturated / s.entries
    share[..., -1] = np.nan
    return share


def output_saturation(s: LayerStatistics) -> Values | None:
    """Share of (example, output) with |g'(z^(L))| < 0.05 max |g'|, of a bounded output activation.

    Defined for costs whose dC/dz has the factor g', as the squared error has. In the others g'
    cancels, and an output on an asymptote passes the error on.
    """
    share = np.asarray(s.saturated[..., -1] / s.entries[-1])
    return None if np.isnan(share).all() else share


def dead(s: LayerStatistics) -> Values:
    """Share of units whose g'(z^(l)) is 0 for all examples; not defined in the output layer."""
    return 1 - s.alive / s.units


def global_grad_norm(s: LayerStatistics) -> Values:
    """||dC/dtheta||_2 of the mean cost C over the probe batch: all weights and biases."""
    layers = np.hypot(s.gradient, s.bias_gradient)  # unlike a sum of squares it cannot overflow
    return np.asarray(np.hypot.reduce(layers, axis=-1))


def _ratio(numerator: Values, denominator: Values) -> Values:
    return numerator / np.where(denominator == 0, np.nan, denominator)
