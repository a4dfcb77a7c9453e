"""What mean field predicts for one concrete network, layer by layer, before any training."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bpexp.nn import ACTIVATIONS, INITIALIZERS, Choice
from bpexp.theory.gaussian import Vector
from bpexp.theory.mean_field import MeanField, activity, slope_moment


@dataclass(frozen=True)
class Prediction:
    """A network's layers, under the names of the probes; arrays (L,), first to last.

    Attributes:
        sigma_w2: n_in Var W of each layer.
        sigma_b2: Var b of each layer.
        q: E[(z^(l))^2].
        weight_factor: ||W delta|| / ||delta|| of the hop from l + 1, sqrt(n_l Var W^(l+1)); NaN
            for the last layer.
        slope_factor: sqrt(E[g'(z^(l))^2]); NaN for the last layer.
        delta_norm: root mean square of ||delta^(l)||, relative to the last layer's.
    """

    sigma_w2: Vector
    sigma_b2: Vector
    q: Vector
    weight_factor: Vector
    slope_factor: Vector
    delta_norm: Vector

    @property
    def first_to_last(self) -> float:
        """||delta^(1)|| / ||delta^(L)||."""
        return float(self.delta_norm[0])

    @property
    def decay_rate(self) -> float:
        """Mean log ratio of delta norms, nats a layer; 0 for a single layer."""
        layers = len(self.delta_norm) - 1
        return float(np.log(self.delta_norm[0]) / layers) if layers else 0.0


def predict(
    sizes: tuple[int, ...], activation: Choice, init: Choice, input_moment: float
) -> Prediction:
    """Predict every layer, with real fan-ins, also where q is not at its fixed point yet.

    q^(1) = sigma_w2 E[x^2] + sigma_b2, q^(l+1) = sigma_w2 E[g(sqrt(q^l) z)^2] + sigma_b2, and
    E||delta^(l)||^2 = n_l Var W^(l+1) E[g'(z^(l))^2] E||delta^(l+1)||^2 (Schoenholz et al. 2017,
    eq. 18, with the fan-in of each layer in place of one width).

    Args:
        sizes: units a layer, inputs first.
        activation: of the hidden layers.
        init: the initialization; lsuv sets each q to 1.
        input_moment: mean of x^2 over examples and features.
    """
    g, scheme = activation.build(ACTIVATIONS), init.build(INITIALIZERS)
    n_layers = len(sizes) - 1
    sigma_w2, q = np.empty(n_layers), np.empty(n_layers)
    moment = input_moment
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        sigma_w2[i] = n_in * scheme.variance(n_in, n_out, g.negative_slope)
        if scheme.unit_variance:
            sigma_w2[i] = 1 / moment if moment else np.nan
        q[i] = sigma_w2[i] * moment + scheme.bias_std**2
        moment = activity(g, q[i])
    weight = np.append(np.sqrt(sigma_w2[1:]), np.nan)
    slope = np.append([np.sqrt(slope_moment(g, value)) for value in q[:-1]], np.nan)
    hops = weight[:-1] * slope[:-1]
    delta = np.append(np.cumprod(hops[::-1])[::-1], 1.0)
    return Prediction(sigma_w2, np.full(n_layers, scheme.bias_std**2), q, weight, slope, delta)


def field_of(sizes: tuple[int, ...], activation: Choice, init: Choice) -> MeanField:
    """The mean field of a network's hidden layers after the first: where its signal settles."""
    g, scheme = activation.build(ACTIVATIONS), init.build(INITIALIZERS)
    n_in, n_out = (sizes[1], sizes[2]) if len(sizes) > 2 else (sizes[0], sizes[1])
    sigma_w2 = n_in * scheme.variance(n_in, n_out, g.negative_slope)
    if scheme.unit_variance:
        sigma_w2 = 1 / activity(g, 1.0)
    return MeanField(activation, sigma_w2, scheme.bias_std**2)
