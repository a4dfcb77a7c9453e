"""Batch normalisation of a wide random layer (Yang et al. 2019, arXiv 1902.08129).

A unit's u over the B examples of the batch is a Gaussian vector with covariance U (B, B). With
G = 1 - 11^T / B, which subtracts the mean over the batch,

    z = G u / tau,  tau^2 = ||G u||^2 / B + eps,  a = g(z)
    dC/du = J delta,  J = (G - z z^T / B) / tau,  delta = g'(z) * dC/da

and the moments of a, delta and dC/du are expectations over u. For a given batch they are means over
draws of u. The covariance Pi of dC/da enters exactly, without draws. Deep in a network with
Gaussian inputs all pairs of examples have equal moments, U is a multiple of G up to the mean, z is
uniform on a sphere, and the expectations are integrals in two dimensions (`batch_norm_growth`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from numpy.random import default_rng

from bpexp.nn import ACTIVATIONS, Choice
from bpexp.theory.gaussian import FINE, Vector, mean, sphere_products
from bpexp.theory.kernels import Matrix

WORK = 2**19  # drawn units times examples; each draw is used with both signs


class BatchNormMoments:
    """Moments of all pairs of a batch (see `bpexp.theory.moments.Moments`), by draws of units."""

    def __init__(self, activation: Choice, eps: float, u: Matrix) -> None:
        """Compute the moments of z and a.

        Args:
            activation: g, by name and parameters.
            eps: eps of the norm.
            u: covariance of u, (B, B).
        """
        self._activation, self._eps = activation, eps
        centred = u - u.mean(axis=0)
        centred -= centred.mean(axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(centred)
        kept = values > 1e-12 * values[-1]
        self._root = vectors[:, kept] * np.sqrt(values[kept])  # G U G = root root^T
        z, _ = self._draw()
        a = np.asarray(self._g(z)[0], np.float64)
        self.z, self.a = z.T @ z / len(z), a.T @ a / len(a)
        self.mean: Matrix = a.mean(axis=0)

    @cached_property
    def _slopes(self) -> Matrix:
        slope = self._g(self._draw()[0])[1]
        return np.asarray(slope.T @ slope / len(slope))

    def delta(self, signal: Matrix) -> Matrix:
        """Return the moments of dC/dz: E[g'(z_i) g'(z_j)] Pi_ij."""
        return np.asarray(self._slopes * signal)

    def below(self, signal: Matrix) -> Matrix:
        """Return the moments of dC/du: E[J (g' g'^T * Pi) J]."""
        z, inverse = self._draw()
        slope, count = self._g(z)[1], len(z)
        scaled = slope * inverse[:, None]
        first = scaled.T @ scaled / count * signal
        product = (slope * z) @ signal
        norms = np.einsum("ri,ri->r", slope * z, product)
        weighted = z * inverse[:, None] ** 2
        cross = weighted.T @ (slope * product) / count
        last = (weighted * norms[:, None]).T @ z / count
        b = len(signal)
        first, cross = _centre(_centre(first).T), _centre(cross.T).T
        return np.asarray(first - (cross + cross.T) / b + last / b**2)

    def _draw(self) -> tuple[Matrix, Vector]:
        """Return z (N, B) and 1 / tau (N,) of N drawn units."""
        u = _normals(WORK // len(self._root), self._root.shape[1]) @ self._root.T
        inverse = 1 / np.sqrt(np.mean(u**2, axis=1) + self._eps)
        z = u * inverse[:, None]
        return np.concatenate([z, -z]), np.tile(inverse, 2)

    def _g(self, z: Matrix) -> tuple[Vector, Vector]:
        return self._activation.build(ACTIVATIONS)(z)


def batch_norm_growth(activation: Choice, batch: int | None = None) -> float:
    """Return the factor of E||dC/du||^2 per layer, deep in a plain network with batch norm.

    It does not depend on the variances of weights and biases. For a large batch it is

        E[g'(z)^2] / Var g(z),  z ~ N(0, 1)

    For B examples z is a random point of the sphere of radius sqrt(B) in the B - 1 dimensions with
    mean 0, and different examples have the correlation -1 / (B - 1). The covariance of dC/da may be
    replaced by a multiple of G, since the norm removes the other permutation-invariant part. For u
    with covariance G, E[1 / tau^2] = B / (B - 3). The factor is

        T / ((B - 1) (E[g_1^2] - E[g_1 g_2])) * B / (B - 3),
        T = E[tr(H G H G) - z^T H G H z / B],  H = diag(g'(z))

    For linear layers it is (B - 2) / (B - 3). It is infinite for at most 3 examples.

    >>> round(batch_norm_growth(Choice("relu")), 5)  # pi / (pi - 1)
    1.46694
    >>> round(batch_norm_growth(Choice("identity"), 8), 12)
    1.2

    Args:
        activation: g, by name and parameters.
        batch: B; None for the limit of large batches.
    """
    g = activation.build(ACTIVATIONS)
    if batch is None:
        first, square, slope = (
            mean(f, 1.0)
            for f in (lambda z: g(z)[0], lambda z: g(z)[0] ** 2, lambda z: g(z)[1] ** 2)
        )
        return slope / (square - first**2)
    if batch <= 3:
        return np.inf

    def values(z: Vector) -> Vector:
        a, slope = g(z)
        return np.stack([a, slope, slope * z])

    own, other = sphere_products(values, batch - 1, [1.0, -1 / (batch - 1)], FINE).T
    share = (batch - 1) / batch
    trace = batch * share**2 * own[1] + share * (other[1] - own[2] + other[2])
    return float(trace / ((batch - 1) * (own[0] - other[0])) * batch / (batch - 3))


def _centre(matrix: Matrix) -> Matrix:
    """Return G times a matrix."""
    return np.asarray(matrix - matrix.mean(axis=0))


@lru_cache(maxsize=4)
def _normals(draws: int, dimension: int) -> Matrix:
    return default_rng(0).standard_normal((draws, dimension))
