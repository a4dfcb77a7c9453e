"""Finite width: how far one ReLU network strays from mean field (Hanin 2018, arXiv 1801.03744).

With Var W = 2 / n_in and zero biases the squared norm of a signal, forwards or backwards, is a
product of independent factors, one a hidden layer: (2 / n) sum_j xi_j g_j^2 with xi_j = 0 or 1 and
g_j standard normal, of mean 1 and variance 5 / n (Hanin & Nica 2018, arXiv 1812.05994, whose
proposition that gates and weights may be drawn independently makes this exact for one input). So
the fluctuations grow as the sum of 1 / n, which is depth / width, whatever the mean does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

KURTOSIS = 5.0  # n times the variance of a layer's factor: 4 * 3 / 2 - 1


def moment_ratio(widths: Sequence[int]) -> float:
    """E[||s||^4] / E[||s||^2]^2 = prod_l (1 + 5 / n_l), exact, of a^(L-1) and of delta^(1).

    >>> round(moment_ratio([64] * 8), 3)
    1.825

    Args:
        widths: n_l of the hidden layers.
    """
    return float(np.prod(1 + KURTOSIS / np.array(widths, float)))


def log_norm_std(widths: Sequence[int]) -> float:
    """Standard deviation over draws of log ||s||, in nats: sqrt(log moment_ratio) / 2.

    As if ||s||^2 were log-normal, which sums of many layers' logarithms approach.

    Args:
        widths: n_l of the hidden layers.
    """
    return float(np.sqrt(np.log(moment_ratio(widths))) / 2)
