"""Mean field of a concrete batch: the covariance of every pair of examples, there and back.

A wide network maps the inputs' covariances from layer to layer, and a batch's mean gradient needs
all of them, since the examples' gradients add up or cancel (Lee et al. 2018, arXiv 1711.00165, for
the way there; Schoenholz et al. 2017, sections 3 and 4, for the way back):

    S^(l)_ij = sigma_w2 K^(l-1)_ij + sigma_b2,  K^(0)_ij = x_i . x_j / n_0
    K^(l)_ij = E[g(u_i) g(u_j)],  u ~ N(0, S^(l))
    D^(l)_ij = n_l Var W^(l+1) E[g'(u_i) g'(u_j)] D^(l+1)_ij,  D_ij = E[delta_i . delta_j]
    E||dC/dW^(l)||^2 = n_{l-1} mean_ij K^(l-1)_ij D^(l)_ij

D^(L) is an average over draws of z^(L) ~ N(0, S^(L)). The only input is the data: no parameter is
fitted. The averages are over draws of the weights; a network of width n scatters around them, its
log squared norms by about 5 depth / n for ReLU (see `bpexp.theory.finite_width`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from bpexp.nn import ACTIVATIONS, COSTS, Choice
from bpexp.nn.activations import Scratch
from bpexp.nn.stack import Architecture
from bpexp.nn.tape import call_now
from bpexp.theory.gaussian import COARSE, USUAL, Vector, mean_products

DRAWS, AT_ONCE = 1000, 50  # of the outputs; at once, for the memory of many classes
REPRESENTATIVES = 40  # examples that stand for a batch
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class BatchPrediction:
    """A network's layers under the names of the probes; arrays (L,), first to last.

    Norms are root mean squares over draws of the weights. `correlation` is the mean over pairs of
    examples of S_ij / sqrt(S_ii S_jj). Factors of the last layer are NaN.
    """

    q: Vector
    correlation: Vector
    delta_norm: Vector
    weight_factor: Vector
    slope_factor: Vector
    grad_norm: Vector
    bias_grad_norm: Vector


def predict_batch(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    x: Matrix,
    labels: NDArray[np.int64],
) -> BatchPrediction:
    """Predict what the probes see at step 0.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        x: inputs (B, n_0) of the probe batch.
        labels: (B,).
    """
    sizes = architecture.sizes
    gram, targets, weights = _represented(x, labels, sizes[-1])
    activity, covariances, slopes = [gram / sizes[0]], [], []
    for n_in, (var_w, var_b) in zip(sizes, variances, strict=False):
        covariances.append(n_in * var_w * activity[-1] + var_b)
        if len(covariances) < len(variances):
            products = _pair_means(architecture.activation, covariances[-1].tobytes())
            activity.append(products[0])
            slopes.append(products[1])
    deltas = [_output_deltas(architecture, covariances[-1], targets)]
    hops = [n * var_w for n, (var_w, _) in zip(sizes[1:-1], variances[1:], strict=True)]
    for hop, slope in zip(hops[::-1], slopes[::-1], strict=True):
        deltas.insert(0, hop * slope * deltas[0])
    own = np.diag(weights) / np.trace(weights)
    norms = np.sqrt([own @ np.diag(delta) for delta in deltas])
    factors = np.sqrt(hops)
    gradients = [n * k * d for n, k, d in zip(sizes, activity, deltas, strict=False)]
    return BatchPrediction(
        q=np.array([own @ np.diag(s) for s in covariances]),
        correlation=np.array([_mean_correlation(s, weights) for s in covariances]),
        delta_norm=norms,
        weight_factor=np.append(factors, np.nan),
        slope_factor=np.append(norms[:-1] / norms[1:] / factors, np.nan),
        grad_norm=np.array([_norm(pairs, weights) for pairs in gradients]),
        bias_grad_norm=np.array([_norm(pairs, weights) for pairs in deltas]),
    )


def _represented(
    x: Matrix, labels: NDArray[np.int64], n_classes: int
) -> tuple[Matrix, Matrix, Matrix]:
    """Let a few examples of each class stand for a batch.

    Returns:
        Their inner products (m, m); their targets (m, K); and how much of the mean over all pairs
        of the batch each of their pairs stands for (m, m).
    """
    classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    few = max(2, REPRESENTATIVES // len(classes))
    members = [np.flatnonzero(inverse == c) for c in range(len(classes))]
    chosen = np.concatenate([_spread(own, few) for own in members])
    owner = inverse[chosen]
    stand = np.minimum(counts, few)[owner]
    n, same = counts[owner], owner[:, None] == owner
    apart = np.divide(n * (n - 1), stand * (stand - 1), out=np.zeros(len(n)), where=stand > 1)
    weights = np.where(same, apart, np.outer(n / stand, n / stand))
    np.fill_diagonal(weights, n / stand)
    few_x = x[chosen].astype(np.float64)
    return few_x @ few_x.T, np.eye(n_classes)[labels[chosen]], weights / len(x) ** 2


def _spread(members: NDArray[np.int64], few: int) -> NDArray[np.int64]:
    """Return a few members from all over: data sets may lie in an order."""
    places = np.linspace(0, len(members) - 1, min(few, len(members))).round().astype(int)
    spread: NDArray[np.int64] = members[places]
    return spread


def _norm(pairs: Matrix, weights: Matrix) -> float:
    """Root of the batch's mean over pairs, at least what examples would give that do not agree.

    The few examples that stand for a batch may cancel where the whole batch does not.
    """
    whole, apart = float(np.sum(weights * pairs)), float(np.diag(weights) @ np.diag(pairs))
    return math.sqrt(max(whole, apart))


@lru_cache(maxsize=512)  # networks that differ in depth alone begin with the same layers
def _pair_means(activation: Choice, covariances: bytes) -> Matrix:
    """E[g g] and E[g' g'] of all pairs, (2, m, m), of the bytes of their covariances (m, m)."""
    g = activation.build(ACTIVATIONS)
    flat = np.frombuffer(covariances)
    covariance = flat.reshape(math.isqrt(flat.size), -1)
    i, j = np.triu_indices(len(covariance))
    variance = np.diag(covariance)
    lengths = np.sqrt(variance[i] * variance[j])
    correlation = np.divide(covariance[i, j], lengths, out=np.ones_like(lengths), where=lengths > 0)
    rule = COARSE if variance.max() <= 3 else USUAL
    found = mean_products(lambda u: np.stack(g(u)), variance[i], variance[j], correlation, rule)
    means = np.empty((2, *covariance.shape))
    means[:, i, j] = means[:, j, i] = found
    return means


def _output_deltas(architecture: Architecture, covariance: Matrix, targets: Matrix) -> Matrix:
    """E[delta_i . delta_j] of the output layer, (m, m), each of its example's own cost."""
    cost = architecture.cost.build(COSTS)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    m, outputs = targets.shape
    rng, columns, products = default_rng(0), targets.T[:, None], 0.0
    for _ in range(DRAWS // AT_ONCE):
        z = (rng.standard_normal((AT_ONCE, outputs, m)) @ root.T).swapaxes(0, 1)
        delta = np.empty_like(z)
        cost.delta(call_now, z, columns, delta, np.empty_like(z), Scratch.like(z))
        products = products + np.einsum("ksi,ksj->ij", delta, delta, optimize=True)
    return np.asarray(products / DRAWS)


def _mean_correlation(covariance: Matrix, weights: Matrix) -> float:
    """Mean cosine over pairs of different examples."""
    lengths, others = np.sqrt(np.diag(covariance)), weights - np.diag(np.diag(weights))
    if not (lengths.all() and others.any()):
        return float("nan")
    return float(np.sum(others * covariance / np.outer(lengths, lengths)) / others.sum())
