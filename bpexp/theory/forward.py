"""The forward pass of a batch in the limit of width: covariances of all pairs of examples.

    S^(l)_ij = sigma_w2 K^(l-1)_ij + sigma_b2,  K^(0)_ij = x_i . x_j / n_0
    K^(l)_ij = E[g(u_i) g(u_j)],  u ~ N(0, S^(l))

(Lee et al. 2018, arXiv 1711.00165). The products of slopes E[g'(u_i) g'(u_j)], which the backward
pass needs, come from the same quadratures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import ACTIVATIONS, Architecture, Choice
from bpexp.theory.gaussian import MEDIUM, USUAL, Vector, mean_products
from bpexp.theory.kernels import Matrix, Pairs

SMALL = 128  # examples of a batch whose kernels take little memory


class Forward(NamedTuple):
    """Matrices (B, B), first layer to last.

    Attributes:
        activity: K^(0) .. K^(L-1).
        covariances: S^(1) .. S^(L).
        slopes: E[g'(u_i) g'(u_j)] of layers 1 .. L-1.
    """

    activity: list[Matrix]
    covariances: list[Matrix]
    slopes: list[Matrix]


def forward(
    architecture: Architecture, variances: Sequence[tuple[float, float]], x: Matrix
) -> Forward:
    """Propagate the covariances of a batch.

    Args:
        architecture: the network, of dense layers.
        variances: (Var W, Var b) of each layer.
        x: inputs (B, n_0).
    """
    wide = x.astype(np.float64)
    found = Forward([wide @ wide.T / architecture.sizes[0]], [], [])
    for n_in, (var_w, var_b) in zip(architecture.sizes, variances, strict=False):
        found.covariances.append(n_in * var_w * found.activity[-1] + var_b)
        if len(found.covariances) < len(variances):
            means = _small_means if len(x) <= SMALL else _large_means
            products = means(architecture.activation, found.covariances[-1].tobytes())
            found.activity.append(products[0])
            found.slopes.append(products[1])
    return found


def hop_factors(
    architecture: Architecture, variances: Sequence[tuple[float, float]]
) -> list[float]:
    """Return n_l Var W^(l+1) of l = 1 .. L-1, by which E||delta||^2 grows where g' is 1."""
    sizes = architecture.sizes[1:-1]
    return [n * var_w for n, (var_w, _) in zip(sizes, variances[1:], strict=True)]


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices 0 .. n - 1, evenly spaced: data sets may be sorted."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)


def activation_means(activation: Choice, covariances: bytes) -> Matrix:
    """Return E[g g] and E[g' g'] of all pairs, (2, B, B), from the bytes of S (B, B)."""
    g = activation.build(ACTIVATIONS)
    flat = np.frombuffer(covariances)
    covariance = flat.reshape(math.isqrt(flat.size), -1)
    rule = MEDIUM if covariance.max() <= 3 else USUAL

    def table(deviations: Vector, angles: Vector) -> NDArray[np.float64]:
        n = len(deviations)
        i, j = np.triu_indices(n)
        found = mean_products(
            lambda u: np.stack(g(u)),
            np.repeat(deviations[i] ** 2, len(angles)),
            np.repeat(deviations[j] ** 2, len(angles)),
            np.tile(np.cos(angles), len(i)),
            rule,
        )
        values = np.empty((2, n, n, len(angles)))
        values[:, i, j] = values[:, j, i] = found.reshape(2, len(i), len(angles))
        return values

    return Pairs.of(covariance).interpolate(table)


# Networks that differ in depth alone share their first layers.
_large_means = lru_cache(maxsize=16)(activation_means)
_small_means = lru_cache(maxsize=256)(activation_means)
