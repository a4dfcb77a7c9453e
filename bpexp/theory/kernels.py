"""Expectations over all pairs of a batch, interpolated from a small table of quadratures.

E[f(u_i) f(u_j)] of jointly Gaussian u_i, u_j is a smooth function of their standard deviations s_i,
s_j and of the angle arccos of their correlation, also where f has a kink at 0 (for ReLU it is
s_i s_j times the arc-cosine kernel of Cho & Saul 2009). Instead of computing B^2 quadratures for B
examples, polynomials interpolate a table at Chebyshev nodes of s_i, s_j and the angle. Signals of
length 0 are not interpolated, since f may have a jump at 0: their u is 0, and the expectation is
f(0) E[f(u_j)].

Errors relative to sqrt(E[f(u_i)^2] E[f(u_j)^2]), over every row of ACTIVATIONS, g and g': 1e-4 at
variances around 1; 4e-3 around 200, from the quadrature of steep slopes. For g' of bounded
activations they grow to .03 around 1000 and .2 around 10 000 (tanh).
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

TOLERANCE = 1e-4  # of the last coefficients of a polynomial, relative to the largest one
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
        # Rounding errors may make the variance of a signal of length 0 negative.
        deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        products = np.outer(deviations, deviations)
        cosines = np.divide(covariance, products, out=np.zeros_like(products), where=products > 0)
        angles = np.arccos(np.clip(cosines, -1, 1))
        np.fill_diagonal(angles, 0.0)
        return cls(deviations, angles)

    def interpolate(self, table: Table) -> NDArray[np.float64]:
        """Return the expectations of all pairs, (..., B, B).

        The number of angles is doubled until the polynomial's last coefficients are negligible, up
        to MOST_ANGLES. It is not doubled if an expectation is not finite.

        Args:
            table: computes the expectations at nodes.
        """
        is_blank = self.deviations == 0
        if is_blank.any():
            return self._with_blank(table, is_blank)
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

    def _with_blank(self, table: Table, is_blank: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Interpolate pairs of which some have a signal of length 0, for which u = 0."""
        blank, rest = np.flatnonzero(is_blank), np.flatnonzero(~is_blank)
        right_angle = np.array([np.pi / 2])  # the expectation does not depend on it if u_i = 0
        if not rest.size:
            value = table(np.zeros(1), right_angle)[..., 0]
            return np.broadcast_to(value, (*value.shape[:-2], *self.angles.shape)).copy()
        lengths = self.deviations[rest]
        nodes = _length_nodes(lengths)
        basis = _lagrange(nodes, lengths)
        edge = table(np.append(0.0, nodes), right_angle)[..., 0]
        found = np.empty((*edge.shape[:-2], *self.angles.shape))
        found[..., blank[:, None], blank] = edge[..., :1, :1]
        found[..., blank[:, None], rest] = edge[..., :1, 1:] @ basis.T
        found[..., rest[:, None], blank] = basis @ edge[..., 1:, :1]
        inner = Pairs(lengths, self.angles[np.ix_(rest, rest)])
        found[..., rest[:, None], rest] = inner.interpolate(table)
        return found


def _length_nodes(deviations: Vector) -> Vector:
    """Return Chebyshev nodes over the range of standard deviations.

    Interpolation over [a, b] of a function that is singular at 0 converges as r^-n with
    r = y + sqrt(y^2 - 1), y = (b + a) / (b - a). This determines their number n.
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
