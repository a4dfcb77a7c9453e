"""Mean-field predictions for the layers of a module, from the variances of their weights.

With sigma_w2 = n_in Var W and sigma_b2 = Var b of each layer's current weights, where Var is the
mean of squares,

    q^(l+1) = sigma_w2 E[g(z^(l))^2] + sigma_b2,   z^(l) ~ N(0, q^(l))
    weight_factor^(l) = sqrt(n_l Var W^(l+1)),     slope_factor^(l) = sqrt(E[g'(z^(l))^2])

(Poole et al. 2016; Schoenholz et al. 2017). For the first layer, and for layers whose input is not
the activity of the layer before, E[g(z)^2] is replaced by the mean square of the input. After a
norm q is the mean square of its gain plus that of its shift.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bpexp.bridge.listening import Heard, Listener

POINTS, FAR = 4001, 8.0  # nodes and limit of the quadrature over a standard normal


def expected(heard: Listener, delta_norm: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the predictions for each layer, (L,), NaN if they are not defined.

    Args:
        heard: the module's layers.
        delta_norm: the measured delta_norm, (L,), whose value in the last layer is used.

    Returns:
        sigma_w2, sigma_b2, q, weight_factor, slope_factor and delta_norm.
    """
    layers = heard.layers
    names = ("sigma_w2", "sigma_b2", "q", "weight_factor", "slope_factor", "delta_norm")
    found = {name: np.full(len(layers), np.nan) for name in names}
    activity, slopes = math.nan, np.full(len(layers), np.nan)
    for i, layer in enumerate(layers):
        variance, n_in = _variance(layer.weight), layer.weight[0].numel()
        found["sigma_w2"][i] = n_in * variance
        found["sigma_b2"][i] = 0.0 if layer.bias is None else _mean_square(layer.bias)
        read = activity if layer.follows else _mean_square(layer.below)
        q = found["sigma_w2"][i] * read + found["sigma_b2"][i]
        if layer.norm:
            gain = 1.0 if layer.gain is None else _mean_square(layer.gain)
            q = gain + (0.0 if layer.shift is None else _mean_square(layer.shift))
        found["q"][i] = q
        activity, slopes[i] = _moments(layer, q)
    found["delta_norm"][-1] = delta_norm[-1]
    for i in range(len(layers) - 2, -1, -1):
        above = layers[i + 1]
        if heard.residual or not above.follows or above.weight.dim() != 2:
            continue
        found["weight_factor"][i] = math.sqrt(layers[i].z.shape[-1] * _variance(above.weight))
        found["slope_factor"][i] = math.sqrt(slopes[i])
        if not above.norm:
            hop = found["weight_factor"][i] * found["slope_factor"][i]
            found["delta_norm"][i] = hop * found["delta_norm"][i + 1]
    return found


def _moments(layer: Heard, q: float) -> tuple[float, float]:
    """Return E[g(z)^2] and E[g'(z)^2] of z ~ N(0, q), by the trapezoidal rule."""
    if layer.function is None or not math.isfinite(q):
        return q, 1.0
    nodes = torch.linspace(-FAR, FAR, POINTS, dtype=torch.float64)
    weights = torch.exp(-nodes.square() / 2)
    weights /= weights.sum()
    with torch.enable_grad():
        z = (math.sqrt(q) * nodes).to(layer.z.device, layer.z.dtype).requires_grad_()
        try:
            a = layer.function(z * 1)
            (slope,) = torch.autograd.grad(a.sum(), z)
        except RuntimeError:  # the activation has a parameter for each channel, such as PReLU
            return math.nan, math.nan
    a, slope = a.detach().cpu().double(), slope.cpu().double()
    return float((weights * a.square()).sum()), float((weights * slope.square()).sum())


def _variance(weight: Any) -> float:
    return float(weight.detach().double().square().mean())


def _mean_square(values: Any) -> float:
    return float(values.detach().double().square().mean())
