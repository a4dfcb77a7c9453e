"""Layer statistics: sums, norms and counts of each layer, from which instruments are computed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of the layers of networks (...) on a probe batch of B examples.

    Arrays from `mean` on have shape (..., L) and dtype float64, layer l at index l - 1. Norms are
    Frobenius norms over all units and examples. C is the mean cost over the examples, C_i the cost
    of example i.

    Attributes:
        examples: B.
        residual: whether the networks have skip connections.
        separate: whether the gradient with respect to u^(l) = theta^(l)T a^(l-1) is another than
            delta^(l), (L,): behind a norm, and in residual networks.
        units: n_l, (L,).
        weights: number of entries of W^(l), (L,).
        mean: mean of a^(l) over units and examples; in the output layer of the outputs.
        spread: sum of the squared deviations of a^(l) from `mean`.
        squares: sum of (z^(l))^2.
        resultant: ||sum_i u_i||^2, where u_i = z_i^(l) / ||z_i^(l)|| for example i.
        saturated: number of entries with |g'(z^(l))| < 0.05 max |g'|; NaN where g is not bounded.
            In the output layer g is the output activation.
        alive: number of units with g'(z^(l)) != 0 for some example; NaN in the output layer.
        nonzero: number of entries of dC/dW^(l) that are not 0.
        small: number of entries of dC/dW^(l) that are 0 or subnormal.
        delta: norm of delta^(l), whose column i is dC_i/dz^(l).
        error: norm of dC_i/du^(l) where it is another than delta^(l), else NaN.
        signal: norm of dC_i/da^(l), W^(l+1) delta^(l+1) of dense layers; NaN in the output layer.
        gradient: norm of dC/dW^(l).
        bias_gradient: norm of dC/db^(l).
        other_gradient: norm of the gradient of all parameters of layer l beside theta^(l).
        theta: norm of theta^(l).
        moved: norm of the change of theta^(l) in the last optimizer step; NaN before the first.
        stream_gradient: norm of dC_i/dx^(l), x^(l) the stream; NaN where there is none.
        stream_mean: mean of x^(l) over units and examples.
        stream_means: sum over units of the square of the mean over examples of x^(l).
        stream_spread: sum of the squared deviations of x^(l) from each unit's mean.
        branch_spread: the same of the branch that is added to the stream; NaN where none is.
    """

    examples: int
    residual: bool
    separate: NDArray[np.bool_]
    units: Values
    weights: Values
    mean: Values
    spread: Values
    squares: Values
    resultant: Values
    saturated: Values
    alive: Values
    nonzero: Values
    small: Values
    delta: Values
    error: Values
    signal: Values
    gradient: Values
    bias_gradient: Values
    other_gradient: Values
    theta: Values
    moved: Values
    stream_gradient: Values
    stream_mean: Values
    stream_means: Values
    stream_spread: Values
    branch_spread: Values

    @cached_property
    def entries(self) -> Values:
        """Number of entries of z^(l): units times examples, (L,)."""
        return self.units * self.examples


SIZES = ("examples", "residual", "separate", "units", "weights")
RECORDED = tuple(field.name for field in fields(LayerStatistics) if field.name not in SIZES)
BACKWARD = ("delta", "error", "signal", "stream_gradient")
"""Norms that are proportional to the costs of single examples."""
NORMS = (*BACKWARD, "gradient", "bias_gradient", "other_gradient", "theta", "moved")
