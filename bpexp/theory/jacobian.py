"""Moments of the input-output Jacobian's spectrum, in mean field (Pennington et al. 2017)."""

from __future__ import annotations

from bpexp.theory.gaussian import mean
from bpexp.theory.mean_field import MeanField


def jacobian_moments(field: MeanField, hops: int, *, orthogonal: bool) -> tuple[float, float]:
    """Mean and relative variance of s^2, s the singular values of dz^(l+hops)/dz^(l), at q*.

    With mu_k = E[g'(sqrt(q*) z)^(2k)]: mean s^2 = (sigma_w2 mu_1)^hops = chi_1^hops, and
    var s^2 / (mean s^2)^2 = hops (mu_2 / mu_1^2 - 1 - s_1), where s_1 is 0 for orthogonal and -1
    for Gaussian weights (arXiv 1711.04735, eqs. 20 to 22). Dynamical isometry asks for both 1 and
    0: orthogonal weights and slopes that are all alike.

    >>> from bpexp.nn import Choice
    >>> jacobian_moments(MeanField(Choice("identity"), 1.0), 10, orthogonal=True)
    (1.0, 0.0)

    Args:
        field: the activation at (sigma_w2, sigma_b2).
        hops: weight matrices between the two layers of one width.
        orthogonal: whether weights are orthogonal, or else Gaussian.
    """
    q = field.settled_length()
    g = field.g
    mu_1, mu_2 = (mean(lambda u: g(u)[1] ** 2, q), mean(lambda u: g(u)[1] ** 4, q))
    spread = mu_2 / mu_1**2 - 1 if mu_1 else float("nan")
    return (field.sigma_w2 * mu_1) ** hops, hops * (spread + (0 if orthogonal else 1))
