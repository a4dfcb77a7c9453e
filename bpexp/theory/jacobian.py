"""Moments of the input-output Jacobian's spectrum, in mean field (Pennington et al. 2017)."""

from __future__ import annotations

import numpy as np

from bpexp.nn.activations import Activation
from bpexp.theory.gaussian import Vector, mean


def jacobian_moments(
    g: Activation, sigma_w2: Vector, lengths: Vector, *, orthogonal: bool
) -> tuple[float, float]:
    """Mean and relative variance of s^2, s the singular values of dz^(H+1)/dz^(1) over H hops.

    With mu_k = E[g'(sqrt(q^(l)) z)^(2k)] of each layer: mean s^2 = prod_l sigma_w2 mu_1, and
    var s^2 / (mean s^2)^2 = sum_l (mu_2 / mu_1^2 - 1 - s_1), where s_1 is 0 for orthogonal weights
    and -1 for Gaussian ones (arXiv 1711.04735, eqs. 20 to 22, there with all layers at q*; free
    factors add their relative variances). Dynamical isometry, 1 and 0, asks for orthogonal weights
    and for slopes that are all alike.

    >>> from bpexp.nn import ACTIVATIONS
    >>> jacobian_moments(ACTIVATIONS["identity"](), np.ones(9), np.ones(9), orthogonal=False)
    (1.0, 9.0)

    Args:
        g: the activation.
        sigma_w2: n_in Var W of the weights above each of the layers 1 .. H, (H,).
        lengths: q of the layers 1 .. H, (H,).
        orthogonal: whether weights are orthogonal, or else Gaussian.
    """
    squares = [mean(lambda u: g(u)[1] ** 2, float(q)) for q in lengths]
    fourths = [mean(lambda u: g(u)[1] ** 4, float(q)) for q in lengths]
    mu_1, mu_2 = np.array(squares), np.array(fourths)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = mu_2 / mu_1**2 - 1 + (0 if orthogonal else 1)
    return float(np.prod(sigma_w2 * mu_1)), float(spread.sum())
