"""Scalar summaries of a measurement: decay rate of the gradient, moments of Jacobian spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def decay(delta_norm: NDArray[np.float64]) -> dict[str, float]:
    """Summarise how delta shrinks towards the input.

    decay_rate is the mean over l = 1 .. L-1 of log(||delta^(l)|| / ||delta^(l+1)||), in nats a
    layer; negative means vanishing. decay_rate_se is the standard deviation of these increments
    over sqrt(L - 1): log-norms are cumulative sums, so that the increments, not the residuals of a
    line, are the independent parts. first_to_last is ||delta^(1)|| / ||delta^(L)||.

    Args:
        delta_norm: root mean square norm of delta a layer, (L,), first to last.

    Returns:
        The numbers that are defined: none from zeros or non-finite norms, and the rate only from
        two increments on.
    """
    if not (np.isfinite(delta_norm).all() and (delta_norm > 0).all()):
        return {}
    increments = -np.diff(np.log(delta_norm))
    summary = {"gradient/first_to_last": float(np.exp(increments.sum()))}
    if len(increments) >= 2:
        summary["gradient/decay_rate"] = float(increments.mean())
        summary["gradient/decay_rate_se"] = float(increments.std(ddof=1) / np.sqrt(len(increments)))
    return summary


def isometry(spectra: NDArray[np.float64]) -> dict[str, float]:
    """Summarise the singular values s of the input-output Jacobian, over all examples.

    mean_square is the mean of s^2, chi_1^(depth-1) in mean field; relative_variance is
    var(s^2) / mean(s^2)^2, 0 for an isometry (Pennington et al. 2017); largest is max s.

    Args:
        spectra: (E, n).

    Returns:
        The numbers that are defined: none from spectra that are not finite.
    """
    if not np.isfinite(spectra).all():
        return {}
    squares = np.square(spectra)
    mean = float(squares.mean())
    summary = {"jacobian/mean_square": mean, "jacobian/largest": float(spectra.max())}
    if mean > 0:
        summary["jacobian/relative_variance"] = float((squares / mean).var())
    return summary
