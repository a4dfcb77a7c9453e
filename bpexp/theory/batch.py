"""Mean field of a concrete batch: second moments of every pair of examples, forward and backward.

A wide network maps the inputs' covariances from layer to layer (`bpexp.theory.passes`). The mean
gradient of a batch needs those of all pairs, since the gradients of two examples add up or cancel
(Schoenholz et al. 2017, sections 3 and 4). With u = W^T a + b and D^(l)_ij = E[dC/du_i . dC/du_j]

    E||dC/dW^(l)||^2 = n_{l-1} mean_ij K^(l-1)_ij D^(l)_ij

where K^(l-1) is of what the weights read. With batch normalisation dC/du_i is the derivative of the
sum of all examples' costs, and the equation holds as well.

The only input is the data; no parameter is fitted. Every quantity is an average over draws of the
weights in the limit of width. A network of width n scatters around it, its log squared norms by
about 5 depth / n for ReLU (see `bpexp.theory.finite_width`). Of a narrow network also the averages
differ from the limit: little those of one example, and much the norm of the mean gradient, in which
pairs of examples cancel (see `bpexp.record.simulated`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from bpexp.nn import COSTS, Architecture, Choice
from bpexp.nn.activations import Scratch
from bpexp.nn.tape import call_now
from bpexp.theory.gaussian import Vector
from bpexp.theory.kernels import Matrix, Pairs, evenly_spaced
from bpexp.theory.known import WIDE, UnknownCostError, knows
from bpexp.theory.passes import Backward, Forward, Wide, batch_moments

LARGEST_BATCH = 512  # examples; a larger batch is represented by so many of it
ROUNDING = 1e-7  # relative, of lengths: the root of that of their squares
DRAWS = 5000  # of outputs, for the expectations of the output layer's delta: 0.5 % of noise


@dataclass(frozen=True)
class BatchPrediction:
    """A network's layers under the names of the probes; arrays (L,), first to last.

    Norms are root mean squares over draws of the weights. `correlation` is the mean over pairs of
    examples of the cosine of z. NaN where a quantity is not defined: factors of the last layer and
    of residual networks, the stream's between its layers. None: the network has no norm or stream.
    """

    q: Vector
    correlation: Vector
    delta_norm: Vector
    weight_factor: Vector
    slope_factor: Vector
    grad_norm: Vector
    bias_grad_norm: Vector
    norm_factor: Vector | None = None
    stream_gradient: Vector | None = None
    stream_mean: Vector | None = None
    stream_mean_square: Vector | None = None
    stream_squared_mean: Vector | None = None
    stream_variance: Vector | None = None
    branch_variance: Vector | None = None


PREDICTED = tuple(field.name for field in fields(BatchPrediction))


@knows(*WIDE)
def predict_batch(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    x: Matrix,
    targets: Matrix,
) -> BatchPrediction:
    """Predict the layer probes of a network at step 0.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        x: inputs (B, n_0) of the probe batch. Of more than 512 examples, 512 that are evenly
            spaced represent the batch.
        targets: what the outputs should be, (B, K).

    Raises:
        UnknownCostError: the cost's delta is not an affine function of the targets.
        UnknownLayerError: theory does not know a layer, the skip connections or the norm.
    """
    places = evenly_spaced(len(x), LARGEST_BATCH)
    x, targets = x[places].astype(np.float64), targets[places].astype(np.float64)
    network = Wide.of(architecture, variances)
    moments = batch_moments(architecture.activation, architecture.norm)
    forward = network.forward(x @ x.T / architecture.sizes[0], moments)
    output = _output_deltas(architecture, forward.output, targets)
    backward = network.backward(forward, output)
    z = [*(layer.z for layer in forward.hidden), forward.output]
    deltas, sums = list(backward.z.values())[::-1], list(backward.u.values())[::-1]
    gradients = [
        n * np.vdot(k, d) for n, k, d in zip(architecture.sizes, forward.read, sums, strict=False)
    ]
    biases = [_sum(moment) for moment in sums]
    return BatchPrediction(
        q=np.array([np.diag(moment).mean() for moment in z]),
        correlation=np.array([_mean_correlation(moment) for moment in z]),
        delta_norm=np.array([_norm(moment) for moment in deltas]),
        grad_norm=np.sqrt(np.maximum(gradients, 0)) / len(x),
        bias_grad_norm=np.sqrt(biases) / len(x),
        **_factors(network, backward, architecture.norm),
        **_stream(network, forward, backward),
    )


def _sum(moment: Matrix) -> float:
    """Return the sum over pairs; 0 where it cancels, as behind batch normalisation."""
    total = float(moment.sum())
    return total if total > 1e-12 * np.abs(moment).sum() else 0.0


def _factors(network: Wide, backward: Backward, norm: Choice) -> dict[str, Vector]:
    """Return what weights, norm and slopes do to the norm of the backward signal, (L,) each."""
    last, is_plain = network.depth + 1, network.skip is None
    names = ["weight_factor", "slope_factor"]
    names += ["norm_factor"] if is_plain and norm.name != "none" and network.depth else []
    found = {name: np.full(last, np.nan) for name in names}
    for number in range(1, last) if is_plain else ():
        above = _norm(backward.u[number + 1]) / _norm(backward.z[number + 1])
        slope = _norm(backward.z[number]) / _norm(backward.a[number])
        for name, value in zip(names, (network.hop(number + 1) ** 0.5, slope, above), strict=False):
            found[name][number - 1] = value
    return found


STREAM = (
    "stream_gradient",
    "stream_mean",
    "stream_mean_square",
    "stream_squared_mean",
    "stream_variance",
    "branch_variance",
)


def _stream(network: Wide, forward: Forward, backward: Backward) -> dict[str, Vector]:
    """Return the moments of the stream, (L,) each; none of a plain network.

    The mean over examples of a unit's x has the mean square mean_ij P_ij, the rest of mean_i P_ii
    is the unit's variance.
    """
    if network.skip is None:
        return {}
    found = {name: np.full(network.depth + 1, np.nan) for name in STREAM}
    for number, stream in forward.streams.items():
        square, common = np.diag(stream.square).mean(), stream.square.mean()
        branch = forward.branches[number].square
        spread = network.scale**2 * (np.diag(branch).mean() - branch.mean())
        for name, value in zip(
            STREAM,
            (
                _norm(backward.streams[number]),
                stream.mean.mean(),
                square,
                common,
                square - common,
                spread if number > 1 else np.nan,
            ),
            strict=True,
        ):
            found[name][number - 1] = value
    return found


def _norm(moment: Matrix) -> float:
    """Return the root mean square over examples of the norm of a signal."""
    return float(np.sqrt(np.diag(moment).mean()))


def _output_deltas(architecture: Architecture, covariance: Matrix, targets: Matrix) -> Matrix:
    """Return E[delta_i . delta_j] of the output layer, (B, B), each of its example's own cost.

    delta(z, t) = alpha(z) - t * beta(z) for the costs of the table. The K outputs are independent
    and identically distributed, so E[alpha_k beta_k] is the same for every output k, and

        E[delta_i . delta_j] = E[alpha_i . alpha_j] - sum(t_j) E[alpha_i beta_j]
                               - sum(t_i) E[beta_i alpha_j] + (t_i . t_j) E[beta_i beta_j]

    with the latter three of a single output. The expectations are means over draws of z.
    """
    _require_affine(architecture.cost)
    outputs = targets.shape[1]
    first, second = default_rng(0).standard_normal((2, outputs, DRAWS))

    def table(deviations: Vector, angles: Vector) -> NDArray[np.float64]:
        alpha, beta = _delta_terms(architecture.cost, deviations[:, None] * first[:, None])
        products = []
        for angle in angles:
            z = np.cos(angle) * first + np.sin(angle) * second
            alpha_j, beta_j = _delta_terms(architecture.cost, deviations[:, None] * z[:, None])
            products.append(
                [
                    _products(alpha, alpha_j),
                    _products(alpha, beta_j) / outputs,
                    _products(beta, beta_j) / outputs,
                ]
            )
        return np.moveaxis(np.array(products), 0, -1)

    both, mixed, single = Pairs.of(covariance).interpolate(table)
    crossed = mixed * targets.sum(axis=1)
    return np.asarray(both - crossed - crossed.T + (targets @ targets.T) * single)


def _delta_terms(cost: Choice, z: NDArray[np.float64]) -> tuple[Matrix, Matrix]:
    """Return alpha(z) and beta(z) of delta(z, t) = alpha(z) - t * beta(z), for z (K, ...)."""
    alpha = _delta(cost, z, 0.0)
    return alpha, alpha - _delta(cost, z, 1.0)


def _delta(cost: Choice, z: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """Return dC/dz, in z's shape, where all targets are one number."""
    out = np.empty_like(z)
    targets = np.full_like(z, target)
    cost.build(COSTS).delta(call_now, z, targets, out, np.empty_like(z), Scratch.like(z))
    return out


@lru_cache(maxsize=64)
def _require_affine(cost: Choice) -> None:
    """Refuse a cost whose delta is not affine in the targets.

    Raises:
        UnknownCostError: it is not.
    """
    z = np.linspace(-3, 3, 7)[:, None]
    zero, half, one = (_delta(cost, z, target) for target in (0.0, 0.5, 1.0))
    if not np.allclose(zero + one, 2 * half, rtol=1e-9, atol=1e-12):
        raise UnknownCostError(
            f"theory does not know the cost {cost.name}: delta is not affine in t"
        )


def _products(a: NDArray[np.float64], b: NDArray[np.float64]) -> Matrix:
    """Return the mean over draws of sum_k a_k b_k, (S, S), for a and b (K, S, draws)."""
    left, right = (np.swapaxes(array, 0, 1).reshape(array.shape[1], -1) for array in (a, b))
    return np.asarray(left @ right.T / a.shape[-1])


def _mean_correlation(covariance: Matrix) -> float:
    """Return the mean cosine over pairs of different examples; NaN where there is none.

    There is none of an example of length 0, such as a blank image without biases.
    """
    lengths, count = np.sqrt(np.maximum(np.diag(covariance), 0.0)), len(covariance)
    if count < 2 or lengths.min() <= ROUNDING * lengths.max():
        return float("nan")
    cosines = covariance / np.outer(lengths, lengths)
    return float((cosines.sum() - count) / (count * (count - 1)))
