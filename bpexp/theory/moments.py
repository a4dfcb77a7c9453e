"""Second moments of a signal and of its gradient behind the norm and activation of a wide layer.

A wide layer's u = W^T a + b is Gaussian, with the same covariance of examples in each unit. The
layer computes z = N(u), with the norm N, and a = g(z). In the forward pass its second moments
E[a_i a_j] follow from the covariance of u. In the backward pass dC/da is independent of u
(Schoenholz et al. 2017), and with Pi_ij the sum over units of E[dC/da_i dC/da_j]

    E[delta_i . delta_j] = E[g'(z_i) g'(z_j)] Pi_ij,  delta = dC/dz

Layer normalisation and RMS normalisation divide by the root mean square of u over the units, which
in a wide layer is sqrt(U_ii) of each example (the mean over units, which layer normalisation
subtracts, is 0 there):

    E[z_i z_j] = U_ij / (s_i s_j),  E[dC/du_i . dC/du_j] = E[delta_i . delta_j] / (s_i s_j),
    s_i^2 = U_ii + eps

The derivative of s_i is left out, because it changes dC/du along one of n directions only. Batch
normalisation couples examples; it is in `bpexp.theory.batch_norm`.

`BatchMoments` holds the moments of all pairs of a batch, `PairMoments` those of an example and of a
typical pair.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import ACTIVATIONS, Choice
from bpexp.theory.gaussian import MEDIUM, USUAL, Vector, mean_products, means
from bpexp.theory.kernels import Matrix, Pairs

SMALL = 128  # kernels of batches up to this size are kept in a larger cache

Moment = NDArray[np.float64]
"""Second moments of a signal: (B, B) of all pairs of a batch, or (2,) of an example and a pair."""


class Moments(Protocol):
    """Second moments of the signals of one layer, in the limit of width."""

    @property
    def z(self) -> Moment:
        """E[z_i z_j], z = N(u)."""

    @property
    def a(self) -> Moment:
        """E[a_i a_j], a = g(z)."""

    @property
    def mean(self) -> Moment:
        """E[a_i]; it lacks the last axis of the other moments."""

    def delta(self, signal: Moment) -> Moment:
        """Return the moments of dC/dz from those of dC/da."""

    def below(self, signal: Moment) -> Moment:
        """Return the moments of dC/du from those of dC/da."""


class Linear:
    """A layer without norm and activation: a = z = u."""

    def __init__(self, u: Moment) -> None:
        """Store the covariance of u."""
        self.z, self.a, self.mean = u, u, np.zeros(u.shape[:-1])

    def delta(self, signal: Moment) -> Moment:
        """Return the moments of dC/dz = dC/da."""
        return signal

    below = delta


class BatchMoments:
    """Moments of all pairs of a batch, without a norm or with layer or RMS normalisation."""

    def __init__(self, activation: Choice, eps: float | None, u: Matrix) -> None:
        """Normalise u.

        Args:
            activation: g, by name and parameters.
            eps: eps of layer or RMS normalisation; None without a norm.
            u: covariance of u, (B, B).
        """
        self._activation = activation
        scale = np.ones(len(u)) if eps is None else np.sqrt(np.diag(u) + eps)
        self._scales = np.outer(scale, scale)
        self.z = u / self._scales
        means_of_pairs = _small_means if len(u) <= SMALL else _large_means
        self.a, self._slopes = means_of_pairs(activation, self.z.tobytes())

    @cached_property
    def mean(self) -> Moment:
        """E[a_i], (B,)."""
        g = self._activation.build(ACTIVATIONS)
        return np.asarray(means(lambda u: g(u)[0], np.diag(self.z)), np.float64)

    def delta(self, signal: Matrix) -> Matrix:
        """Return the moments of dC/dz."""
        return np.asarray(self._slopes * signal)

    def below(self, signal: Matrix) -> Matrix:
        """Return the moments of dC/du."""
        return np.asarray(self._slopes * signal / self._scales)


class PairMoments:
    """Moments of a typical example and of a pair of different examples, arrays (2,).

    The moment of a pair is computed in the forward pass with batch normalisation only, and is NaN
    elsewhere. The batch is then assumed to be large and all its pairs to have equal moments. The
    norm subtracts the mean over examples, so that u has the variance v = U_ii - U_ij over the
    batch, and different examples are independent after it (Yang et al. 2019, arXiv 1902.08129):

        E[z_i^2] = v / (v + eps),  E[z_i z_j] = 0,  E[a_i a_j] = E[a_i]^2,
        E[|dC/du_i|^2] = E[|delta_i|^2] / (v + eps)
    """

    def __init__(self, activation: Choice, norm: Choice, u: Moment) -> None:
        """Normalise u.

        Args:
            activation: g, by name and parameters.
            norm: N, by name and parameters.
            u: covariance of u, (2,).
        """
        eps, is_batch = norm_eps(norm), norm.name == "batch"
        own = float(u[0] - u[1] if is_batch else u[0])
        self._scale = 1.0 if eps is None else own + eps
        g = activation.build(ACTIVATIONS)

        def terms(t: Vector) -> Vector:
            a, slope = g(t)
            return np.stack([a, np.square(a), np.square(slope)])

        mean, square, slope = means(terms, own / self._scale)
        other = (0.0, mean**2) if is_batch else (np.nan, np.nan)
        self.z, self.a = np.array([own / self._scale, other[0]]), np.array([square, other[1]])
        self.mean, self._slope = np.asarray(mean), np.array([slope, np.nan])

    def delta(self, signal: Moment) -> Moment:
        """Return the moments of dC/dz."""
        return np.asarray(self._slope * signal)

    def below(self, signal: Moment) -> Moment:
        """Return the moments of dC/du."""
        return np.asarray(self._slope * signal / self._scale)


def norm_eps(norm: Choice) -> float | None:
    """Return the eps of a norm; None for the norm "none"."""
    return None if norm.name == "none" else float(norm.parameters.get("eps") or 1e-5)


def activation_means(activation: Choice, covariances: bytes) -> Matrix:
    """Return E[g g] and E[g' g'] of all pairs, (2, B, B).

    Args:
        activation: g, by name and parameters.
        covariances: the bytes of the covariance of z, (B, B), which are a key of caches.
    """
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

    found, own = Pairs.of(covariance).interpolate(table), np.arange(len(covariance))
    found[:, own, own] = np.maximum(found[:, own, own], 0)  # interpolation may leave -1e-20
    return found


# Networks that differ only in depth have equal first layers.
_large_means = lru_cache(maxsize=16)(activation_means)
_small_means = lru_cache(maxsize=256)(activation_means)
