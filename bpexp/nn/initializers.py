"""Initial weights and biases of one layer: a draw of standard normals that the scheme transforms.

A scheme is a family, which transforms the draw, and Var W of a layer with n_in inputs and n_out
units. The draw depends only on the run's seed and the layer's number. Runs of one seed that differ
in activation, gain or scheme are therefore paired: their initial weights are transforms of the same
numbers. With a draw G of shape (n_in, n_out) and unit variance

    normal        W = G
    uniform       W = sqrt(3) erf(G / sqrt(2)) = sqrt(3) (2 Phi(G) - 1), Phi the normal
                  distribution function
    orthogonal    W = sqrt(max(n_in, n_out)) U V^T, where G = U S V^T is the singular value
                  decomposition: the polar factor of G, the orthogonal matrix nearest to it

The correlation between weights of one seed is

    normal with normal            1
    normal with uniform           sqrt(3 / pi) = .977
    normal with orthogonal        .847 at 64 x 64, .930 at 32 x 64, .990 at 784 x 64; the limit of
                                  large square layers is 8 / (3 pi) = .849
    uniform with orthogonal       .829, .912, .967 at these shapes

(measured, mean of 60 draws; LSUV is orthogonal, then scaled). The Q of a QR decomposition has the
same distribution as the polar factor and a smaller correlation with the draw: .67 at 64 x 64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from bpexp.nn.choices import require

Weights = NDArray[np.float64]
Family = Callable[[Weights], Weights]
Variance = Callable[[int, int, float], float]

WEIGHTS, BIASES, ORDER = 0, 1, 2
"""Purposes of the random streams of a run's seed."""


@dataclass(frozen=True)
class Initializer:
    """A scheme for one layer.

    Attributes:
        family: transforms standard normals (n_in, n_out) into weights of variance 1.
        variance: `variance(n_in, n_out, negative_slope)` returns Var W.
        bias_std: standard deviation of the biases, which are normal.
        unit_variance: whether the weights are then scaled, layer by layer, to Var z = 1 on a batch
            (LSUV).
    """

    family: Family
    variance: Variance
    bias_std: float = 0.0
    unit_variance: bool = False

    def weights(self, draw: Weights, negative_slope: float) -> Weights:
        """Return a layer's weights, (n_in, n_out) float64.

        Args:
            draw: standard normals (n_in, n_out).
            negative_slope: that of the activation, which enters He's variance.
        """
        n_in, n_out = draw.shape
        std = math.sqrt(self.variance(n_in, n_out, negative_slope))
        return std * self.family(draw)


def stream(seed: int, *key: int) -> Generator:
    """Return the random generator of a seed and a key, independent of those of other keys.

    Args:
        seed: the run's seed.
        key: a purpose, and further integers such as the layer's number.
    """
    return default_rng(SeedSequence(seed, spawn_key=key))


def batch_order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Return the order of the examples in an epoch, (n,), which depends on seed and epoch only.

    Args:
        seed: the run's seed.
        epoch: the epoch, from 1.
        n: the number of examples.
    """
    return stream(seed, ORDER, epoch).permutation(n)


def _normal(draw: Weights) -> Weights:
    """Return the draw itself."""
    return draw


def _uniform(draw: Weights) -> Weights:
    """Return numbers uniform in +-sqrt(3), in the order of the draw.

    `bpexp.nn` imports NumPy only, so that a model can be served without SciPy. math.erf is as
    accurate as SciPy's and takes 50 ns per weight, six times as long as the draw.
    """
    erf = map(math.erf, (draw / math.sqrt(2)).ravel().tolist())
    return math.sqrt(3) * np.fromiter(erf, np.float64, draw.size).reshape(draw.shape)


def _orthogonal(draw: Weights) -> Weights:
    """Return orthonormal rows or columns times sqrt(max(n_in, n_out)), Haar-distributed.

    Multiplication by an orthogonal matrix, from either side, changes neither the distribution of
    the draw nor that of its polar factor.
    """
    u, _, vt = np.linalg.svd(draw, full_matrices=False)
    return np.asarray(math.sqrt(max(draw.shape)) * (u @ vt))


def _scheme(family: Family, variance: Variance, bias_std: float) -> Initializer:
    require("bias_std", bias_std, "a finite number of at least 0", 0 <= bias_std < np.inf)
    return Initializer(family, variance, bias_std)


def uniform(*, bound: float = 1.0, bias_std: float = 0.0) -> Initializer:
    """W ~ U(-bound, bound); Var W = bound^2 / 3."""
    require("bound", bound, "a finite number above 0", 0 < bound < np.inf)
    return _scheme(_uniform, lambda n_in, n_out, s: bound**2 / 3, bias_std)


def normal(*, std: float = 1.0, bias_std: float = 0.0) -> Initializer:
    """W ~ N(0, std^2)."""
    require("std", std, "a finite number of at least 0", 0 <= std < np.inf)
    return _scheme(_normal, lambda n_in, n_out, s: std**2, bias_std)


def standard(*, bias_std: float = 0.0) -> Initializer:
    """W ~ U(+-1/sqrt(n_in)): the 'commonly used heuristic' of Glorot & Bengio (2010), eq. 1."""
    return _scheme(_uniform, lambda n_in, n_out, s: 1 / (3 * n_in), bias_std)


def lecun_normal(*, bias_std: float = 0.0) -> Initializer:
    """Var W = 1 / n_in (LeCun et al. 1998)."""
    return _scheme(_normal, lambda n_in, n_out, s: 1 / n_in, bias_std)


def glorot_uniform(*, bias_std: float = 0.0) -> Initializer:
    """W ~ U(+-sqrt(6 / (n_in + n_out))) (Glorot & Bengio 2010, eq. 16)."""
    return _scheme(_uniform, lambda n_in, n_out, s: 2 / (n_in + n_out), bias_std)


def glorot_normal(*, bias_std: float = 0.0) -> Initializer:
    """Var W = 2 / (n_in + n_out) (Glorot & Bengio 2010)."""
    return _scheme(_normal, lambda n_in, n_out, s: 2 / (n_in + n_out), bias_std)


def he_uniform(*, bias_std: float = 0.0) -> Initializer:
    """W ~ U(+-sqrt(6 / ((1 + s^2) n_in))), s the activation's negative slope (He et al. 2015)."""
    return _scheme(_uniform, lambda n_in, n_out, s: 2 / ((1 + s**2) * n_in), bias_std)


def he_normal(*, bias_std: float = 0.0) -> Initializer:
    """Var W = 2 / ((1 + s^2) n_in), s the activation's negative slope (He et al. 2015, eq. 15)."""
    return _scheme(_normal, lambda n_in, n_out, s: 2 / ((1 + s**2) * n_in), bias_std)


def mean_field(*, sigma_w2: float = 1.0, sigma_b2: float = 0.0) -> Initializer:
    """Var W = sigma_w2 / n_in, Var b = sigma_b2 (Poole et al. 2016)."""
    require("sigma_w2", sigma_w2, "a finite number above 0", 0 < sigma_w2 < np.inf)
    require("sigma_b2", sigma_b2, "a finite number of at least 0", 0 <= sigma_b2 < np.inf)
    return _scheme(_normal, lambda n_in, n_out, s: sigma_w2 / n_in, float(np.sqrt(sigma_b2)))


def orthogonal(*, gain: float = 1.0, bias_std: float = 0.0) -> Initializer:
    """W = gain Q, Q with orthonormal rows or columns, Haar-distributed (Saxe et al. 2014)."""
    require("gain", gain, "a finite number above 0", 0 < gain < np.inf)
    return _scheme(_orthogonal, lambda n_in, n_out, s: gain**2 / max(n_in, n_out), bias_std)


def lsuv() -> Initializer:
    """Orthogonal, then each layer scaled to Var z = 1 on a batch (Mishkin & Matas 2016)."""
    return Initializer(
        _orthogonal,
        lambda n_in, n_out, s: 1 / max(n_in, n_out),  # before the scaling
        unit_variance=True,
    )


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
