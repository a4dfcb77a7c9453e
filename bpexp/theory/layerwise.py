"""What mean field predicts for one concrete network, layer by layer, before any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bpexp.nn import ACTIVATIONS, INITIALIZERS, Architecture, Choice
from bpexp.nn.activations import Array
from bpexp.nn.layers import Dense
from bpexp.nn.stack import initial_theta
from bpexp.theory.gaussian import Vector
from bpexp.theory.known import knows
from bpexp.theory.mean_field import MeanField, activity, slope_moment

DRAWS = 16  # of lsuv's scaled weights


@dataclass(frozen=True)
class Prediction:
    """A network's layers, under the names of the probes; arrays (L,), first to last.

    All are averages over draws of the weights in the limit of width.

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


@knows(Dense)
def layer_variances(
    architecture: Architecture, init: Choice, batch: Array | None = None
) -> list[tuple[float, float]]:
    """Return (Var W, Var b) of each layer.

    Those of lsuv depend on data and have no closed form: they are means over 16 draws, whose
    standard error is a few percent.

    Args:
        architecture: the network.
        init: the initialization.
        batch: inputs (B, n_0), for lsuv.

    Raises:
        UnknownLayerError: a layer is not dense.
    """
    scheme = init.build(INITIALIZERS)
    if scheme.unit_variance:
        draws = (initial_theta(architecture, init, seed, batch) for seed in range(DRAWS))
        squares = [[np.mean(w[1:] ** 2) for w in architecture.thetas(draw)] for draw in draws]
        return [(float(mean), 0.0) for mean in np.mean(squares, axis=0)]
    slope = architecture.activation.build(ACTIVATIONS).negative_slope
    return [
        (scheme.variance(n_in, n_out, slope), scheme.bias_std**2)
        for n_in, n_out in pairwise(architecture.sizes)
    ]


@knows(Dense)
def predict(
    architecture: Architecture, variances: Sequence[tuple[float, float]], input_moment: float
) -> Prediction:
    """Predict every layer, with real fan-ins, also where q is not at its fixed point yet.

    q^(1) = sigma_w2 E[x^2] + sigma_b2, q^(l+1) = sigma_w2 E[g(sqrt(q^l) z)^2] + sigma_b2, and
    E||delta^(l)||^2 = n_l Var W^(l+1) E[g'(z^(l))^2] E||delta^(l+1)||^2 (Schoenholz et al. 2017,
    eq. 18, with the fan-in of each layer in place of one width).

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        input_moment: mean of x^2 over examples and features.

    Raises:
        UnknownLayerError: a layer is not dense.
    """
    g = architecture.activation.build(ACTIVATIONS)
    var_w, sigma_b2 = np.array(variances).T
    sigma_w2 = np.array(architecture.sizes[:-1]) * var_w
    q = np.empty_like(sigma_w2)
    moment = input_moment
    for i in range(len(q)):
        q[i] = sigma_w2[i] * moment + sigma_b2[i]
        moment = activity(g, q[i])
    weight = np.append(np.sqrt(sigma_w2[1:]), np.nan)
    slope = np.append([np.sqrt(slope_moment(g, value)) for value in q[:-1]], np.nan)
    hops = weight[:-1] * slope[:-1]
    delta = np.append(np.cumprod(hops[::-1])[::-1], 1.0)
    return Prediction(sigma_w2, sigma_b2, q, weight, slope, delta)


@knows(Dense)
def field_of(architecture: Architecture, variances: Sequence[tuple[float, float]]) -> MeanField:
    """The mean field of the hidden layers after the first: where the network's signal settles.

    Layers may differ (fan-ins do, and so does what lsuv measures): theirs is the geometric mean,
    without its last digits, which are rounding noise, so that all depths share one point.
    """
    inner = variances[1:-1] or variances[-1:]
    n_in = architecture.sizes[1:-2] or architecture.sizes[-2:-1]
    logs = [np.log(n * var_w) for n, (var_w, _) in zip(n_in, inner, strict=True)]
    sigma_w2 = float(f"{np.exp(np.mean(logs)):.12g}")
    return MeanField(architecture.activation, sigma_w2, inner[0][1])
