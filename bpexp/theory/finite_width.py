"""Fluctuations of finite ReLU networks around mean field (Hanin 2018, arXiv 1801.03744).

With Var W = 2 / n_in and zero biases the squared norm of a signal, forward or backward, is a
product of independent factors, one for each hidden layer: (2 / n) sum_j xi_j g_j^2 with xi_j = 0 or
1 with equal probability and g_j standard normal. Each factor has mean 1 and variance 5 / n. This is
exact for one input, since gates and weights may be drawn independently (Hanin & Nica 2018, arXiv
1812.05994). Fluctuations therefore grow with the sum of 1 / n over the layers, depth / width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FACTOR_VARIANCE = 5.0  # n times the variance of a layer's factor: 4 * 3 / 2 - 1


def moment_ratio(widths: Sequence[int]) -> float:
    """Return E[||s||^4] / E[||s||^2]^2 = prod_l (1 + 5 / n_l) of s = a^(L-1) or s = delta^(1).

    >>> round(moment_ratio([64] * 8), 3)
    1.825

    Args:
        widths: units n_l of the hidden layers.
    """
    return float(np.prod(1 + FACTOR_VARIANCE / np.array(widths, float)))


def log_norm_std(widths: Sequence[int]) -> float:
    """Return the standard deviation over draws of log ||s||, in nats: sqrt(log moment_ratio) / 2.

    The formula holds for a log-normal ||s||^2, to which products over many layers converge.

    Args:
        widths: units n_l of the hidden layers.
    """
    return float(np.sqrt(np.log(moment_ratio(widths))) / 2)
