"""Instruments of the stream of residual networks (see `bpexp.nn.layers.residual`).

x^(l) is the stream, h^(l) in order pre and a^(l) in the others. It is defined in the first layer
and in layers that end a block; values of other layers are NaN. Networks without skip connections
have none of these instruments. The mean square is the squared mean plus the variance, which signal
propagation plots show (Brock et al. 2021).
"""

from __future__ import annotations

import math

import numpy as np

from bpexp.probes.statistics import LayerStatistics, Values


def stream_gradient(s: LayerStatistics) -> Values | None:
    """sqrt(mean_i ||dC_i/dx^(l)||_2^2) of the stream x: through the branches above and itself.

    delta_norm is the gradient of the branch that begins with z^(l). With a batch norm C_i stands
    for the sum of all examples' costs.
    """
    return _of_stream(s, s.stream_gradient / math.sqrt(s.examples))


def stream_mean(s: LayerStatistics) -> Values | None:
    """Mean of the stream x^(l) over units and examples."""
    return _of_stream(s, s.stream_mean)


def stream_mean_square(s: LayerStatistics) -> Values | None:
    """Mean of the stream's (x^(l))^2 over units and examples."""
    return _of_stream(s, s.stream_means / s.units + s.stream_spread / s.entries)


def stream_squared_mean(s: LayerStatistics) -> Values | None:
    """Mean over units of the square of the stream's mean over examples."""
    return _of_stream(s, s.stream_means / s.units)


def stream_variance(s: LayerStatistics) -> Values | None:
    """Mean over units of the stream's variance over examples."""
    return _of_stream(s, s.stream_spread / s.entries)


def branch_variance(s: LayerStatistics) -> Values | None:
    """Mean over units of the variance over examples of the branch that is added to the stream.

    Defined in layers that end a block; the scale of the branch is in it.
    """
    return _of_stream(s, s.branch_spread / s.entries)


def _of_stream(s: LayerStatistics, values: Values) -> Values | None:
    return np.asarray(values) if s.residual else None
