"""Instruments that are equations over the layer statistics, computed for many networks at once.

Each takes the `LayerStatistics` of networks (...) and returns one number a layer, (..., L), or one
number a network, (...). NaN means that the quantity is not defined there.

C is the mean cost over the B examples of the probe batch, C_i the cost of example i alone, and
delta_i^(l) is dC_i/dz^(l), z the argument of the activation. With a batch norm an example has no
cost of its own: its output depends on the others, and delta_i^(l) is d(sum_j C_j)/dz_i^(l). In a
residual network z^(l) is where a branch begins, and delta^(l) is the gradient through it alone.

Where there are no skip connections, the backward signal passes from layer l + 1 to layer l through
three factors, whose product is delta_norm^(l) / delta_norm^(l+1): the norm's, that of the weights
and that of the slopes. In residual networks it passes along several ways, and has no factors.
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

    Norms are over all examples. With a norm delta^(l+1) stands for the gradient before it, of
    theta^(l+1)T a^(l). Not defined in the output layer and in residual networks.
    """
    error = np.where(s.separate, s.error, s.delta)
    factor = np.full_like(s.delta, np.nan)
    if not s.residual:
        factor[..., :-1] = _ratio(s.signal[..., :-1], error[..., 1:])
    return factor


def norm_factor(s: LayerStatistics) -> Values | None:
    """||dC/du^(l+1)||_F / ||delta^(l+1)||_F: what the norm of layer l + 1 does to the signal.

    u^(l+1) = theta^(l+1)T a^(l) is what the norm takes, and norms are over all examples. It is 1
    where layer l + 1 has no norm. Measured in networks with a norm; not defined in the output layer
    and in residual networks.
    """
    if s.residual or not s.separate.any():
        return None
    factor = np.full_like(s.delta, np.nan)
    factor[..., :-1] = _ratio(np.where(s.separate, s.error, s.delta), s.delta)[..., 1:]
    return factor


def slope_factor(s: LayerStatistics) -> Values:
    """||delta^(l)||_F / ||W^(l+1) delta^(l+1)||_F: what g' does to the backward signal.

    delta^(l) = g'(z^(l)) * (W^(l+1) delta^(l+1)); norms are over all examples. weight_factor times
    slope_factor, and norm_factor if there is a norm, is delta_norm^(l) / delta_norm^(l+1). Not
    defined in the output layer and in residual networks.
    """
    return _ratio(s.delta, s.signal) if not s.residual else np.full_like(s.delta, np.nan)


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
    """Norm of the gradient of the mean cost C over the probe batch: of all parameters."""
    layers = np.hypot(s.gradient, s.bias_gradient)  # unlike a sum of squares it cannot overflow
    layers = np.hypot(layers, s.other_gradient)
    return np.asarray(np.hypot.reduce(layers, axis=-1))


def _ratio(numerator: Values, denominator: Values) -> Values:
    return numerator / np.where(denominator == 0, np.nan, denominator)
