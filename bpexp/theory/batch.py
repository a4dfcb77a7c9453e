"""Mean field of a given batch: second moments of every pair of examples, forward and backward.

`predict_batch` predicts what the probes measure: it takes inputs and targets, and its norms are
absolute. `bpexp.theory.predict` takes two means of the inputs in place of the batch, follows one
typical example, and is faster; its norms are relative to those of the output layer.

A wide network maps the inputs' covariances from layer to layer (`bpexp.theory.passes`). The mean
gradient of a batch needs those of all pairs, since the gradients of two examples add up or cancel
(Schoenholz et al. 2017, sections 3 and 4). With u = W^T a + b and D^(l)_ij = E[dC/du_i . dC/du_j]

    E||dC/dW^(l)||^2 = n_{l-1} mean_ij K^(l-1)_ij D^(l)_ij

where K^(l-1) holds the second moments of the signal that the weights multiply. With batch
normalisation dC/du_i is the derivative of the sum of all examples' costs, and the equation holds as
well.

The only input is the data; no parameter is fitted. Every quantity is an average over draws of the
weights in the limit of width. Single networks of width n scatter around it: the variance of log
squared norms is about 5 depth / n for ReLU (see `bpexp.theory.finite_width`). In a narrow network
the averages themselves differ from the limit: slightly for quantities of one example, and strongly
for the norm of the mean gradient, in which pairs of examples cancel (see `bpexp.record.simulated`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from bpexp.nn import Architecture, Choice
from bpexp.nn.examples import evenly_spaced
from bpexp.theory.deltas import output_deltas
from bpexp.theory.gaussian import Vector
from bpexp.theory.kernels import Matrix
from bpexp.theory.known import WIDE, knows
from bpexp.theory.passes import Backward, Forward, Wide, batch_moments

LARGEST_BATCH = 512  # examples; of a larger batch this many evenly spaced ones are used
ROUNDING = 1e-7  # relative error of lengths: the square root of that of their squares


@dataclass(frozen=True)
class BatchPrediction:
    """Predictions for all layers, under the names of the probes; arrays (L,), first layer first.

    Norms are root mean squares over draws of the weights. `correlation` is the mean over pairs of
    examples of the cosine of z. Values are NaN where a quantity is not defined: factors of the last
    layer and of residual networks, and the stream's moments in layers where no block ends. A field
    is None if the network has no norm or no stream.
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
    """Predict the layer statistics of a network on a batch at step 0.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        x: inputs (B, n_0) of the probe batch. Of more than 512 examples, 512 evenly spaced ones
            are used.
        targets: targets (B, K).

    Raises:
        UnknownCostError: the cost's delta is not an affine function of the targets.
        UnknownLayerError: theory does not know a layer, the skip connections or the norm.
    """
    places = evenly_spaced(len(x), LARGEST_BATCH)
    x, targets = x[places].astype(np.float64), targets[places].astype(np.float64)
    network = Wide.of(architecture, variances)
    moments = batch_moments(architecture.activation, architecture.norm)
    forward = network.forward(x @ x.T / architecture.sizes[0], moments)
    output = output_deltas(architecture.cost, forward.output, targets)
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
    """Return the sum over pairs; 0 if it cancels to rounding errors, as with batch norm."""
    total = float(moment.sum())
    return total if total > 1e-12 * np.abs(moment).sum() else 0.0


def _factors(network: Wide, backward: Backward, norm: Choice) -> dict[str, Vector]:
    """Return the factors of the backward signal's norm by weights, norm and slopes, (L,) each."""
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
    """Return the moments of the stream, (L,) each; an empty dict for a plain network.

    The mean over examples of a unit's x has the mean square mean_ij P_ij. The unit's variance is
    mean_i P_ii minus this.
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


def _mean_correlation(covariance: Matrix) -> float:
    """Return the mean cosine over pairs of different examples.

    It is NaN for fewer than two examples, and if an example has length 0, as a blank image has in
    a network without biases.
    """
    lengths, count = np.sqrt(np.maximum(np.diag(covariance), 0.0)), len(covariance)
    if count < 2 or lengths.min() <= ROUNDING * lengths.max():
        return float("nan")
    cosines = covariance / np.outer(lengths, lengths)
    return float((cosines.sum() - count) / (count * (count - 1)))
