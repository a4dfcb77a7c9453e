"""The depth at which the gradient of a residual network explodes (Yang & Schoenholz 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bpexp.nn import Architecture, Choice
from bpexp.theory.passes import Wide, pair_moments

DEEPEST = 512  # hidden layers of the deepest network that is computed


def stream_depth(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    inputs: tuple[float, float],
    factor: float,
) -> float:
    """Return the largest depth at which the stream's gradient changes by no more than a factor.

    Each block multiplies E||dC/dx||^2 by a factor above 1, which depends only on the stream below
    the block. The factors of one very deep network therefore hold for all depths. They are constant
    for ReLU without a norm, with which the gradient grows exponentially. For tanh they are
    1 + A / (2 sqrt(l)) at block l, so that the logarithm of the growth is A sqrt(L) (Yang &
    Schoenholz 2017, arXiv 1712.08969, theorem 3.5). With a norm at the start of each branch they
    are 1 + O(1 / l), and the growth is a power of L.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer.
        inputs: mean of x^2, and of x_i x_j over pairs of examples.
        factor: the largest factor of the norm ||dC/dx||, above 1.

    Returns:
        A number of hidden layers. It is infinity if it exceeds 512, and if the branches are scaled
        by 0 or by a power of the number of blocks.
    """
    network = Wide.of(architecture, variances)
    skip = network.skip
    if skip is None or network.depth < 2 or skip.fixup or isinstance(skip.scale, str):
        return float("inf")
    hidden, last = 1 + (DEEPEST - 1) // skip.every * skip.every, network.variances[-1]
    deep = Wide(
        (network.sizes[0], *[network.sizes[1]] * hidden, network.sizes[-1]),
        (network.variances[0], *[network.variances[1]] * (hidden - 1), last),
        skip,
        network.outer,
    )
    return _stream_depth(deep, architecture.activation, architecture.norm, inputs, factor)


@lru_cache(maxsize=256)
def _stream_depth(
    network: Wide, activation: Choice, norm: Choice, inputs: tuple[float, float], factor: float
) -> float:
    with np.errstate(all="ignore"):  # lengths may grow without bound
        forward = network.forward(np.array(inputs), pair_moments(activation, norm))
        squares = network.stream_gradients(forward)
    for number, square in squares.items():
        # A network whose last hidden layer is `number` has this ratio between layer 1 and its end.
        if not 1 / factor**2 <= squares[1] / square <= factor**2:
            assert network.skip is not None
            return float(number - network.skip.every)
    return float("inf")
