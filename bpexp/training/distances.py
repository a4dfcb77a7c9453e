"""Distances between the parameters of a stack's networks now and at step 0."""

from __future__ import annotations

import math
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.stack import Stack
from bpexp.probes.norms import norm


class Distances:
    """The relative distances ||theta^(l) - theta_0^(l)||_F / ||theta_0^(l)||_F of two layers.

    theta_0 is theta at step 0. The layers are the first trained one and the last one.
    """

    def __init__(self, stack: Stack, first: int) -> None:
        """Copy the parameters of the two layers.

        Args:
            stack: the networks, before any step.
            first: the number of the first trained layer, from 1.
        """
        self._layers = {"distance/first": first, "distance/last": len(stack.layers)}
        initial = {name: stack.layers[n - 1].copy() for name, n in self._layers.items()}
        self._initial = {name: (theta, [*map(norm, theta)]) for name, theta in initial.items()}

    def __call__(self, stack: Stack) -> dict[str, NDArray[np.float64]]:
        """Return distance/first and distance/last of each network, (R,)."""
        with np.errstate(all="ignore"):
            return {
                name: np.array([*map(_distance, stack.layers[number - 1], *self._initial[name])])
                for name, number in self._layers.items()
            }

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Remove all networks but `which`, (R,)."""
        self._initial = {
            name: (theta[which], [*compress(norms, which)])
            for name, (theta, norms) in self._initial.items()
        }


def _distance(theta: Array, initial: Array, initial_norm: float) -> float:
    """Return the distance of one layer: 0 without a change, infinite for a change from 0."""
    moved = norm(np.subtract(theta, initial, dtype=np.float64))
    if not (moved and initial_norm):
        return math.inf if moved else 0.0
    return moved / initial_norm
