"""Initial weights and biases of one layer: a random draw that the scheme only scales.

A scheme defines Var W of a layer with n_in inputs and n_out units. The draw behind it comes from a
stream of the run's seed and the layer's number. Two runs that differ in activation, gain or scheme
(within the normal or the uniform family) therefore start from the same numbers, scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from bpexp.nn.choices import require

Weights = NDArray[np.float64]
Variance = Callable[[int, int, float], float]

WEIGHTS, BIASES, ORDER = 0, 1, 2
"""Purposes of the random streams of a run's seed."""


@dataclass(frozen=True)
class Initializer:
    """A scheme for one layer.

    Attributes:
        weights: `weights(rng, n_in, n_out, negative_slope)` returns (n_in, n_out) float64.
        variance: `variance(n_in, n_out, negative_slope)` returns Var W, for theory.
        bias_std: standard deviation of the biases, which are normal.
        unit_variance: whether the weights are then scaled, layer by layer, to Var z = 1 on a batch
            (LSUV).
    """

    weights: Callable[[Generator, int, int, float], Weights]
    variance: Variance
    bias_std: float = 0.0
    unit_variance: bool = False


def stream(seed: int, *key: int) -> Generator:
    """Return a random generator of a seed, independent of those of all other keys.

    Args:
        seed: the run's seed.
        key: a purpose, and further integers such as the layer's number.
    """
    return default_rng(SeedSequence(seed, spawn_key=key))


def batch_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Return the order of the examples in an epoch, (n,), which depends on seed and epoch alone.

    Args:
        seed: the run's seed.
        epoch: from 1.
        n: number of examples.
    """
    return stream(seed, ORDER, epoch).permutation(n)


def _normal(variance: Variance, bias_std: float) -> Initializer:
    require("bias_std", bias_std, "a finite number of at least 0", 0 <= bias_std < np.inf)

    def weights(rng: Generator, n_in: int, n_out: int, negative_slope: float) -> Weights:
        std = np.sqrt(variance(n_in, n_out, negative_slope))
        return np.asarray(std * rng.standard_normal((n_in, n_out)))

    return Initializer(weights, variance, bias_std)


def _uniform(bound: Variance, bias_std: float) -> Initializer:
    require("bias_std", bias_std, "a finite number of at least 0", 0 <= bias_std < np.inf)

    def weights(rng: Generator, n_in: int, n_out: int, negative_slope: float) -> Weights:
        limit = bound(n_in, n_out, negative_slope)
        return np.asarray(limit * (2 * rng.random((n_in, n_out)) - 1))

    return Initializer(weights, lambda n_in, n_out, s: bound(n_in, n_out, s) ** 2 / 3, bias_std)


def uniform(*, bound: float = 1.0, bias_std: float = 0.0) -> Initializer:
    """W ~ U(-bound, bound); Var W = bound^2 / 3."""
    require("bound", bound, "a finite number above 0", 0 < bound < np.inf)
    return _uniform(lambda n_in, n_out, s: bound, bias_std)


def normal(*, std: float = 1.0, bias_std: float = 0.0) -> Initializer:
    """W ~ N(0, std^2)."""
    require("std", std, "a finite number of at least 0", 0 <= std < np.inf)
    return _normal(lambda n_in, n_out, s: std**2, bias_std)


def standard(*, bias_std: float = 0.0) -> Initializer:
    """W ~ U(+-1/sqrt(n_in)): the 'commonly used heuristic' of Glorot & Bengio (2010), eq. 1."""
    return _uniform(lambda n_in, n_out, s: 1 / np.sqrt(n_in), bias_std)


def lecun_normal(*, bias_std: float = 0.0) -> Initializer:
    """Var W = 1 / n_in (LeCun et al. 1998)."""
    return _normal(lambda n_in, n_out, s: 1 / n_in, bias_std)


def glorot_uniform(*, bias_std: float = 0.0) -> Initializer:
    """W ~ U(+-sqrt(6 / (n_in + n_out))) (Glorot & Bengio 2010, eq. 16)."""
    return _uniform(lambda n_in, n_out, s: np.sqrt(6 / (n_in + n_out)), bias_std)


def glorot_normal(*, bias_std: float = 0.0) -> Initializer:
    """Var W = 2 / (n_in + n_out) (Glorot & Bengio 2010)."""
    return _normal(lambda n_in, n_out, s: 2 / (n_in + n_out), bias_std)


def he_uniform(*, bias_std: float = 0.0) -> Initializer:
    """W ~ U(+-sqrt(6 / ((1 + s^2) n_in))), s the activation's negative slope (He et al. 2015)."""
    return _uniform(lambda n_in, n_out, s: np.sqrt(6 / ((1 + s**2) * n_in)), bias_std)


def he_normal(*, bias_std: float = 0.0) -> Initializer:
    """Var W = 2 / ((1 + s^2) n_in), s the activation's negative slope (He et al. 2015, eq. 15)."""
    return _normal(lambda n_in, n_out, s: 2 / ((1 + s**2) * n_in), bias_std)


def mean_field(*, sigma_w2: float = 1.0, sigma_b2: float = 0.0) -> Initializer:
    """Var W = sigma_w2 / n_in, Var b = sigma_b2 (Poole et al. 2016)."""
    require("sigma_w2", sigma_w2, "a finite number above 0", 0 < sigma_w2 < np.inf)
    require("sigma_b2", sigma_b2, "a finite number of at least 0", 0 <= sigma_b2 < np.inf)
    return _normal(lambda n_in, n_out, s: sigma_w2 / n_in, float(np.sqrt(sigma_b2)))


def orthogonal(*, gain: float = 1.0, bias_std: float = 0.0) -> Initializer:
    """W = gain Q, Q with orthonormal rows or columns, Haar-distributed (Saxe et al. 2014)."""
    require("gain", gain, "a finite number above 0", 0 < gain < np.inf)
    require("bias_std", bias_std, "a finite number of at least 0", 0 <= bias_std < np.inf)
    return Initializer(
        lambda rng, n_in, n_out, s: gain * _haar(rng, n_in, n_out),
        lambda n_in, n_out, s: gain**2 / max(n_in, n_out),
        bias_std,
    )


def lsuv() -> Initializer:
    """Orthogonal, then each layer scaled to Var z = 1 on a batch (Mishkin & Matas 2016)."""
    return Initializer(
        lambda rng, n_in, n_out, s: _haar(rng, n_in, n_out),
        lambda n_in, n_out, s: 1 / max(n_in, n_out),  # before the scaling
        unit_variance=True,
    )


def _haar(rng: Generator, n_in: int, n_out: int) -> Weights:
    draw = rng.standard_normal((n_in, n_out))
    tall = draw if n_in >= n_out else draw.T
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))  # QR alone is not uniform over the orthogonal group
    return np.asarray(q if n_in >= n_out else q.T)


INITIALIZERS: dict[str, Callable[..., Initializer]] = {
    factory.__name__: factory
    for factory in (
        uniform,
        normal,
        standard,
        lecun_normal,
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        orthogonal,
        mean_field,
        lsuv,
    )
}
