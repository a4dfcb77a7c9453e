"""Expectations over all pairs of a batch, interpolated from a small table of quadratures.

E[f(u_i) f(u_j)] of jointly Gaussian u_i, u_j is a smooth function of their standard deviations s_i,
s_j and of the angle arccos of their correlation, also where f has a kink at 0 (for ReLU it is
s_i s_j times the arc-cosine kernel of Cho & Saul 2009). So a batch of B examples needs no B^2
quadratures: a table at Chebyshev nodes of s_i, s_j and the angle is interpolated by polynomials.

Errors relative to sqrt(E[f(u_i)^2] E[f(u_j)^2]), over every row of ACTIVATIONS, g and g': 1e-4 at
variances around 1; 4e-3 around 200, from the quadrature of steep slopes, where those of g' of
bounded activations grow: .03 around 1000 and .2 around 10 000 (tanh).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpexp.theory.gaussian import Vector

Matrix = NDArray[np.float64]
Table = Callable[[Vector, Vector], NDArray[np.float64]]
"""From standard deviations (S,) and angles (T,) to expectations (..., S, S, T)."""

TOLERANCE = 1e-4  # of a polynomial's last terms, relative to its largest
MOST_LENGTHS, FEWEST_ANGLES, MOST_ANGLES = 24, 6, 96


@dataclass(frozen=True)
class Pairs:
    """All pairs of a batch's Gaussian signals.

    Attributes:
        deviations: standard deviation of each signal, (B,).
        angles: arccos of each pair's correlation, in [0, pi], (B, B).
    """

    deviations: Vector
    angles: Matrix

    @classmethod
    def of(cls, covariance: Matrix) -> Pairs:
        """Return the pairs of signals with this covariance, (B, B)."""
        # That of a signal of length 0 is 0 but for rounding, and may be negative.
        deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        products = np.outer(deviations, deviations)
        cosines = np.divide(covariance, products, out=np.zeros_like(products), where=products > 0)
        angles = np.arccos(np.clip(cosines, -1, 1))
        np.fill_diagonal(angles, 0.0)
        return cls(deviations, angles)

    def interpolate(self, table: Table) -> NDArray[np.float64]:
        """Return the expectations of all pairs, (..., B, B).

        The number of angles is doubled until the polynomial's last coefficients are negligible, at
        most up to MOST_ANGLES. Where an expectation is not finite, no number makes them so.

        Args:
            table: computes the expectations at nodes.
        """
        nodes = _length_nodes(self.deviations)
        basis = _lagrange(nodes, self.deviations)
        largest = float(self.angles.max())
        count = FEWEST_ANGLES if largest > 0 else 1
        while True:
            values = table(nodes, largest * (1 + _chebyshev_nodes(count)) / 2)
            coefficients = values @ _to_coefficients(count).T
            size = np.abs(coefficients).max(axis=-1, keepdims=True)
            is_good = (np.abs(coefficients[..., -2:]) <= TOLERANCE * size).all()
            if is_good or count in (1, MOST_ANGLES) or not np.isfinite(coefficients).all():
                break
            count *= 2
        x = 2 * self.angles / largest - 1 if largest > 0 else self.angles
        return _clenshaw(coefficients, basis, x)


def _length_nodes(deviations: Vector) -> Vector:
    """Return Chebyshev nodes over the range of standard deviations, as many as it needs.

    Interpolation over [a, b] of a function that is singular at 0 converges as r^-n with
    r = y + sqrt(y^2 - 1), y = (b + a) / (b - a).
    """
    a, b = float(deviations.min()), float(deviations.max())
    if b - a <= 1e-9 * b:
        return np.array([(a + b) / 2])
    y = (b + a) / (b - a)
    rate = np.log(y + np.sqrt(y * y - 1))
    count = (
        MOST_LENGTHS if rate == 0 else int(min(MOST_LENGTHS, np.ceil(-np.log(TOLERANCE) / rate)))
    )
    return a + (b - a) * (1 + _chebyshev_nodes(max(2, count))) / 2


def _chebyshev_nodes(n: int) -> Vector:
    """Return the n zeros of the Chebyshev polynomial T_n."""
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


def _to_coefficients(n: int) -> Matrix:
    """Return the matrix (n, n) from values at the Chebyshev nodes to Chebyshev coefficients."""
    k, j = np.arange(n)[:, None], np.arange(n)
    matrix = 2 / n * np.cos(np.pi * k * (j + 0.5) / n)
    matrix[0] /= 2
    return np.asarray(matrix)


def _lagrange(nodes: Vector, at: Vector) -> Matrix:
    """Return the Lagrange polynomials of Chebyshev nodes (n,) at points (B,), shape (B, n)."""
    n = len(nodes)
    weights = (-1.0) ** np.arange(n) * np.sin(np.pi * (np.arange(n) + 0.5) / n)
    difference = at[:, None] - nodes
    hit = difference == 0
    terms = weights / np.where(hit, 1.0, difference)
    exact = hit.any(axis=1)[:, None]
    return np.asarray(np.where(exact, hit, terms / terms.sum(axis=1, keepdims=True)))


def _clenshaw(coefficients: NDArray[np.float64], basis: Matrix, x: Matrix) -> NDArray[np.float64]:
    """Sum a Chebyshev series in x (B, B) whose coefficients (..., S, S, T) depend on the pair."""
    last = np.zeros(())
    before = np.zeros(())
    for k in range(coefficients.shape[-1] - 1, 0, -1):
        last, before = basis @ coefficients[..., k] @ basis.T + 2 * x * last - before, last
    return np.asarray(basis @ coefficients[..., 0] @ basis.T + x * last - before)


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices 0 .. n - 1, evenly spaced: data sets may be sorted."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)
