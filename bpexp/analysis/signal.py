"""Classify the gradient at one step by its size in the first trained layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# One draw of the weights varies by less than a factor of ten. A learning rate that suits the last
# layer is then ten times too small or too large for the first.
END_TO_END = 10.0
# A layer that is saturated in more than this share passes almost no gradient on.
SATURATED = 0.9

GRADIENT = {
    "preserved": "none of the other rules holds; also if the gradient is 0 because no error "
    "is left, or because a weight starts at 0",
    "vanishing": f"||delta^(k)|| / ||delta^(L)|| is below {1 / END_TO_END:g}; in residual networks "
    "stream_gradient takes the place of ||delta||, from layer k or the end of its block to L-1",
    "exploding": f"||delta^(k)|| / ||delta^(L)|| is above {END_TO_END:g}, or a norm of delta is "
    "not finite; in residual networks as for vanishing",
    "saturated": f"more than {SATURATED:.0%} of the activities of a hidden layer, k or above, are "
    "on an asymptote, or of the outputs while these are wrong",
    "dead": "the gradient of W^(k) is exactly 0",
}
"""What the gradient did on its way from the last layer L to the first trained layer k."""


@dataclass(frozen=True)
class Signal:
    """The gradient at one step, from the last layer L down to the first trained layer k.

    Attributes:
        word: one of GRADIENT.
        phrase: why, after "the gradient that reaches the first trained layer is".
        ratio: ||delta^(k)|| / ||delta^(L)||, of the stream in residual networks; NaN if the word
            was chosen by another rule.
    """

    word: str
    phrase: str
    ratio: float = math.nan

    @classmethod
    def of(cls, probe: Mapping[str, Any], *, first: int, start: bool, wrong: bool) -> Signal:
        """Classify one probe by the rules of GRADIENT.

        The rules apply in this order: exploding for a norm that is not finite, saturated, dead,
        then vanishing or exploding by the ratio.

        A gradient of 0 is not called dead if its cause is a weight that starts at 0. At step 0 this
        is assumed, unless the signal ends in a layer whose units are all dead, or subnormal entries
        show that products underflowed. It is not called dead either if the outputs are right, so
        that there is no error.

        Args:
            probe: the instruments' values by name; (L,) for one value a layer.
            first: k - 1.
            start: whether no step has been taken.
            wrong: whether the network scores no better than guessing.
        """
        delta = np.asarray(probe["delta_norm"])[first:]
        hidden = _largest(probe["saturation"][first:])  # layers below cut nothing off
        output = float(probe.get("output_saturation", 0.0))
        if not np.isfinite(delta).all():
            return cls("exploding", "not finite")
        if wrong and output > SATURATED:
            return cls("saturated", f"cut by outputs that are {output:.0%} saturated")
        if hidden > SATURATED:
            return cls("saturated", f"cut by a hidden layer that is {hidden:.0%} saturated")
        if probe["zero_share"][first] == 1:
            if delta[-1] == 0 and not wrong:
                return cls("preserved", "0 because no error is left")
            lost = np.flatnonzero(delta == 0)  # the signal ends in the last of these layers
            is_blocked = lost.size > 0 and probe["dead"][first:][lost[-1]] == 1
            has_underflowed = _largest(probe["subnormal_share"][first:]) > 0
            if start and delta[-1] != 0 and not (is_blocked or has_underflowed):
                return cls("preserved", "0 by construction")
            return cls("dead", "exactly 0")
        path, last = delta, "last layer"
        stream = np.asarray(probe.get("stream_gradient", ()))[first:]
        if np.isfinite(stream).any():
            path, last = stream[~np.isnan(stream)], "last block"
        ratio = float(path[0] / path[-1])
        word = "preserved" if 1 / END_TO_END <= ratio <= END_TO_END else "exploding"
        word = "vanishing" if ratio < 1 / END_TO_END else word
        return cls(word, f"{ratio:.2g} times the {last}'s", ratio)


def _largest(values: Any) -> float:
    defined = np.asarray(values)[np.isfinite(values)]
    return float(defined.max()) if defined.size else 0.0
