"""Mean-field predictions for a typical example, layer by layer, before training.

`predict` takes two means of the inputs and follows the length of one typical example. The forecast
and the moments of the Jacobian use it. Use `bpexp.theory.predict_batch` for quantities that depend
on pairs of examples or on targets: correlations, and norms of the mean gradient of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from bpexp.nn import ACTIVATIONS, INITIALIZERS, Architecture, Choice
from bpexp.nn.activations import Array
from bpexp.nn.skips import SKIPS
from bpexp.nn.stack import initial_theta
from bpexp.theory.gaussian import Vector
from bpexp.theory.known import WIDE, knows
from bpexp.theory.mean_field import MeanField
from bpexp.theory.passes import Wide, pair_moments

DRAWS = 16  # draws over which the variances of lsuv are averaged


@dataclass(frozen=True)
class Prediction:
    """Predictions for all layers, under the names of the probes; arrays (L,), first layer first.

    All are averages over draws of the weights in the limit of width.

    Attributes:
        sigma_w2: n_in Var W of each layer.
        sigma_b2: Var b of each layer.
        q: E[(z^(l))^2], z the argument of the activation.
        weight_factor: ||W dC/du|| / ||dC/du|| of the hop from l + 1, sqrt(n_l Var W^(l+1)); NaN for
            the last layer.
        slope_factor: sqrt(E[g'(z^(l))^2]); NaN for the last layer.
        norm_factor: ||dC/du|| / ||delta|| of layer l + 1, the inverse of the number by which its
            norm divides; NaN for the last layer.
        delta_norm: root mean square of ||delta^(l)||, relative to the last layer's.
        stream_square: E[(x^(l))^2] of the stream of a residual network; NaN in layers where no
            block ends. None of a plain network.
        stream_gradient: root mean square of ||dC/dx^(l)||, relative to that of the last hidden
            layer; defined as `stream_square` is.
    """

    sigma_w2: Vector
    sigma_b2: Vector
    q: Vector
    weight_factor: Vector
    slope_factor: Vector
    norm_factor: Vector
    delta_norm: Vector
    stream_square: Vector | None = None
    stream_gradient: Vector | None = None

    @property
    def first_to_last(self) -> float:
        """||delta^(1)|| / ||delta^(L)||; of the stream's gradient in a residual network."""
        norms = self.delta_norm if self.stream_gradient is None else self.stream_gradient
        return float(norms[0]) if len(norms) > 1 else 1.0


@knows(*WIDE)
def layer_variances(
    architecture: Architecture, init: Choice, batch: Array | None = None
) -> list[tuple[float, float]]:
    """Return (Var W, Var b) of each layer.

    With Fixup Var W is 0 in each block's last layer and in the output layer, and smaller in the
    other layers of a block (see `bpexp.nn.skips.fixup`).

    The variances of lsuv depend on data and have no closed form. They are means over 16 draws,
    whose standard error is a few percent.

    Args:
        architecture: the network.
        init: the initialization.
        batch: inputs (B, n_0); only lsuv uses them.

    Raises:
        UnknownLayerError: theory does not know a layer.
    """
    scheme = init.build(INITIALIZERS)
    if scheme.unit_variance:
        draws = (initial_theta(architecture, init, seed, batch) for seed in range(DRAWS))
        squares = [[np.mean(w[1:] ** 2) for w in architecture.thetas(draw)] for draw in draws]
        return [(float(mean), 0.0) for mean in np.mean(squares, axis=0)]
    slope = architecture.activation.build(ACTIVATIONS).negative_slope
    found = [
        (scheme.variance(n_in, n_out, slope), scheme.bias_std**2)
        for n_in, n_out in pairwise(architecture.sizes)
    ]
    skip = architecture.skip.build(SKIPS)
    if skip is not None and skip.fixup:
        factor = skip.inner_factor(skip.blocks(len(found) - 1)) ** 2
        for i in range(1, len(found)):
            is_zero = i == len(found) - 1 or i % skip.every == 0
            found[i] = (0.0, 0.0) if is_zero else (factor * found[i][0], found[i][1])
    return found


@knows(*WIDE)
def predict(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    input_moment: float,
    input_product: float = 0.0,
) -> Prediction:
    """Predict the lengths and gradient factors of every layer for a typical example.

    The fan-in of each layer is its own, and q need not be near its fixed point. In a plain network
    without a norm q^(1) = sigma_w2 E[x^2] + sigma_b2,
    q^(l+1) = sigma_w2 E[g(sqrt(q^l) z)^2] + sigma_b2, and
    E||delta^(l)||^2 = n_l Var W^(l+1) E[g'(z^(l))^2] E||delta^(l+1)||^2 (Schoenholz et al. 2017,
    eq. 18, with the fan-in of each layer in place of one width). `bpexp.theory.passes` states the
    equations of the other networks.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        input_moment: mean of x^2 over examples and features.
        input_product: mean of x_i x_j over pairs of examples and features, the mean square of the
            mean input, which batch normalisation subtracts.

    Raises:
        UnknownLayerError: theory does not know a layer.
    """
    network = Wide.of(architecture, variances)
    last, numbers = network.depth + 1, range(1, network.depth + 1)
    with np.errstate(all="ignore"):  # lengths may grow without bound
        inputs = np.array([input_moment, input_product])
        forward = network.forward(inputs, pair_moments(architecture.activation, architecture.norm))
        backward = network.backward(forward, np.array([1.0, np.nan]))
        unit = np.ones(2)
        slope = np.sqrt([layer.delta(unit)[0] for layer in forward.hidden])
        whole = np.sqrt([layer.below(unit)[0] for layer in forward.hidden])
        divided = np.append(whole[1:] / slope[1:], 1.0)[: len(slope)]
        var_w, sigma_b2 = np.array(variances).T
        sigma_w2 = np.array(architecture.sizes[:-1]) * var_w
        found = Prediction(
            sigma_w2=sigma_w2,
            sigma_b2=sigma_b2,
            q=np.array([*(layer.z[0] for layer in forward.hidden), forward.output[0]]),
            weight_factor=np.append(np.sqrt(sigma_w2[1:]), np.nan),
            slope_factor=np.append(slope, np.nan),
            norm_factor=np.append(divided, np.nan),
            delta_norm=np.sqrt([backward.z[number][0] for number in (*numbers, last)]),
        )
        if network.skip is None or not network.depth:
            return found
        gradients = network.stream_gradients(forward)
        square, norms = np.full((2, last), np.nan)
        for number, stream in forward.streams.items():
            square[number - 1] = stream.square[0]
            norms[number - 1] = np.sqrt(gradients[number] / gradients[network.depth])
        return replace(found, stream_square=square, stream_gradient=norms)


@knows(*WIDE)
def field_of(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    input_moment: float = 1.0,
) -> MeanField:
    """Return the mean field of the hidden layers after the first, to which the signal converges.

    If sigma_w2 differs between layers, their geometric mean is used. It is rounded to 12 digits, so
    that networks of different depth have equal fields. Layers whose weights are initially 0 are
    left out. The length of the first layer is sigma_w2 E[x^2] + sigma_b2 with the variances of that
    layer.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        input_moment: mean of x^2 over examples and features.

    Raises:
        UnknownLayerError: theory does not know a layer.
    """
    layers = list(zip(architecture.sizes, variances, strict=False))
    inner = [layer for layer in layers[1:-1] if layer[1][0] > 0] or layers[-1:]
    sigma_w2 = float(f"{np.exp(np.mean([np.log(n * var_w) for n, (var_w, _) in inner])):.12g}")
    n_in, (var_w, var_b) = layers[0]
    length = float(f"{n_in * var_w * input_moment + var_b:.12g}")
    return MeanField(architecture.activation, sigma_w2, inner[0][1][1], length or 1.0)
