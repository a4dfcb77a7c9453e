"""The network that instruments measure: a copy of one network of a stack, and its probe batch."""

from __future__ import annotations

import numpy as np

from bpexp.nn.activations import Array
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack


class ProbedNetwork:
    """One network and the probe batch that it is measured on.

    Parameters and state are copied from a stack, one network after another, into buffers that are
    allocated once.

    Attributes:
        stack: the network, as a stack of one.
        rows: inputs of the probe batch with the constant unit, (B, n_0 + 1).
        targets: targets of the probe batch, (K, B).
    """

    def __init__(self, stack: Stack, rows: Array, targets: Array) -> None:
        """Allocate for networks of the stack's architecture.

        Args:
            stack: networks of the architecture.
            rows: see the attributes.
            targets: see the attributes.
        """
        self.stack = stack.select(np.array([0]))
        self.rows, self.targets = rows, targets
        self._passes: dict[int, Propagation] = {}

    @property
    def layers(self) -> list[Array]:
        """theta^(l), (n_{l-1} + 1, n_l), row 0 the biases, l = 1 .. L at index l - 1."""
        return [theta[0] for theta in self.stack.layers]

    def load(self, stack: Stack, r: int) -> None:
        """Copy network r of a stack into this one."""
        self.stack.assign(stack, r)

    def passes(self, examples: int) -> Propagation:
        """Return forward and backward passes over the first `examples` of the probe batch.

        They are allocated once for each number of examples and have not been run. They compute the
        slopes and the gradient of all layers.
        """
        if examples not in self._passes:
            self._passes[examples] = Propagation(self.stack, self.rows[:examples])
        return self._passes[examples]
