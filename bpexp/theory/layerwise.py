"""What mean field predicts for one concrete network, layer by layer, before any training."""

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

DRAWS = 16  # of lsuv's scaled weights


@dataclass(frozen=True)
class Prediction:
    """A network's layers, under the names of the probes; arrays (L,), first to last.

    All are averages over draws of the weights in the limit of width.

    Attributes:
        sigma_w2: n_in Var W of each layer.
        sigma_b2: Var b of each layer.
        q: E[(z^(l))^2], z the argument of the activation.
        weight_factor: ||W dC/du|| / ||dC/du|| of the hop from l + 1, sqrt(n_l Var W^(l+1)); NaN for
            the last layer.
        slope_factor: sqrt(E[g'(z^(l))^2]); NaN for the last layer.
        norm_factor: ||dC/du|| / ||delta|| of layer l + 1, 1 over what its norm divides by; NaN for
            the last layer.
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

    With Fixup those of each block's last layer and of the output layer are 0, and the others of a
    block are smaller (see `bpexp.nn.skips.fixup`).

    Those of lsuv depend on data and have no closed form: they are means over 16 draws, whose
    standard error is a few percent.

    Args:
        architecture: the network.
        init: the initialization.
        batch: inputs (B, n_0), for lsuv.

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
    """Predict every layer, with real fan-ins, also where q is not at its fixed point yet.

    In a plain network without a norm q^(1) = sigma_w2 E[x^2] + sigma_b2,
    q^(l+1) = sigma_w2 E[g(sqrt(q^l) z)^2] + sigma_b2, and
    E||delta^(l)||^2 = n_l Var W^(l+1) E[g'(z^(l))^2] E||delta^(l+1)||^2 (Schoenholz et al. 2017,
    eq. 18, with the fan-in of each layer in place of one width). `bpexp.theory.passes` states the
    equations of the others.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        input_moment: mean of x^2 over examples and features.
        input_product: mean of x_i x_j over pairs of examples and features, the mean square of the
            mean input. Batch normalisation subtracts what examples have in common.

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
def field_of(architecture: Architecture, variances: Sequence[tuple[float, float]]) -> MeanField:
    """The mean field of the hidden layers after the first: where the network's signal settles.

    Layers may differ (fan-ins do, and so does what lsuv measures): theirs is the geometric mean,
    without its last digits, which are rounding noise, so that all depths share one point. Weights
    that start at 0 are left out.
    """
    layers = list(zip(architecture.sizes, variances, strict=False))
    inner = [layer for layer in layers[1:-1] if layer[1][0] > 0] or layers[-1:]
    sigma_w2 = float(f"{np.exp(np.mean([np.log(n * var_w) for n, (var_w, _) in inner])):.12g}")
    return MeanField(architecture.activation, sigma_w2, inner[0][1][1])
