"""Mean-field moments of the spectrum of the input-output Jacobian (Pennington et al. 2017)."""

from __future__ import annotations

import numpy as np

from bpexp.nn.activations import Activation
from bpexp.theory.gaussian import Vector, mean


def jacobian_moments(
    g: Activation, sigma_w2: Vector, lengths: Vector, *, orthogonal: bool
) -> tuple[float, float]:
    """Return mean and relative variance of s^2, s the singular values of dz^(H+1)/dz^(1).

    With mu_k = E[g'(sqrt(q^(l)) z)^(2k)] of each layer l = 1 .. H:

        mean s^2 = prod_l sigma_w2 mu_1
        var s^2 / (mean s^2)^2 = sum_l (mu_2 / mu_1^2 - 1 - s_1)

    s_1 is 0 for orthogonal weights and -1 for Gaussian ones (Pennington et al. 2017, arXiv
    1711.04735, eqs. 20 to 22, where all layers are at q*; relative variances of free factors add).
    Dynamical isometry, a mean of 1 and a variance of 0, needs orthogonal weights and equal slopes.

    >>> from bpexp.nn import ACTIVATIONS
    >>> jacobian_moments(ACTIVATIONS["identity"](), np.ones(9), np.ones(9), orthogonal=False)
    (1.0, 9.0)

    Args:
        g: the activation.
        sigma_w2: n_in Var W of the weights from layer l to l + 1, l = 1 .. H, (H,).
        lengths: q of the layers 1 .. H, (H,).
        orthogonal: True for orthogonal weights, False for Gaussian ones.
    """
    squares = [mean(lambda u: g(u)[1] ** 2, float(q)) for q in lengths]
    fourths = [mean(lambda u: g(u)[1] ** 4, float(q)) for q in lengths]
    mu_1, mu_2 = np.array(squares), np.array(fourths)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = mu_2 / mu_1**2 - 1 + (0 if orthogonal else 1)
    return float(np.prod(sigma_w2 * mu_1)), float(spread.sum())
