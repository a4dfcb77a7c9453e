"""A stack: R networks of one architecture whose parameters are rows of one flat buffer.

Notation of the whole package (layers l = 1 .. L, L = depth + 1; the inputs are layer 0):

    z^(l) = theta^(l)T a^(l-1)        pre-activations; a^(l-1) begins with the constant unit a_0 = 1
    a^(l) = g(z^(l))                  activations
    delta^(l) = dC/dz^(l)             of the example's own cost C_i, or of the batch mean C
    dC/dtheta^(l) = a^(l-1) delta^(l)T
    delta^(l) = g'(z^(l)) * dC/da^(l),  dC/da^(l) = W^(l+1) delta^(l+1)

These are the equations of a dense layer; other kinds (`bpexp.nn.layers`) state their own.
theta^(l) has shape (R, n_{l-1} + 1, n_l): row 0 is the bias, the weight from the constant unit, and
rows 1.. are W^(l). Activations have shape (R, n_l, B), with a column for each example, as in the
texts. The constant unit is then one contiguous row, and element-wise calls use contiguous memory.

The source texts' symbols in this notation (they write W as (out, in); all but the first count the
input as layer 1; rows here count from 0 = bias, columns from 0):

    Backpropagation step by step              w_00, first to first unit    theta^(l)[1, 0]
    Backpropagation for deep neural networks  theta_jk^(l)                 theta^(l-1)[k, j - 1]
    Neural Networks: The Backward Pass        W^(l)_{j,k}                  theta^(l-1)[k, j - 1]
    Introducing the backpropagation method    (w_jk)^l, into layer l + 1   theta^(l)[k, j - 1]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray

from bpexp.nn import memory
from bpexp.nn.activations import ACTIVATIONS, Activation, Array
from bpexp.nn.architecture import Architecture
from bpexp.nn.choices import Choice
from bpexp.nn.costs import COSTS, Cost
from bpexp.nn.initializers import INITIALIZERS, stream
from bpexp.nn.layers import Dense
from bpexp.nn.layers.protocol import Draw


class Stack:
    """R networks of one architecture, computed together.

    Attributes:
        architecture: the architecture of all networks.
        activation: the hidden layers' activation.
        cost: the cost.
        theta: all parameters, (R, P), float32 or float64.
        state: all arrays that are kept but not trained, (R, S), in the same dtype.
        parameters: views of `theta` by name, (R, *shape), layer l at index l - 1.
        states: views of `state` by name, (R, *shape), layer l at index l - 1.
        layers: theta^(l), (R, n_{l-1} + 1, n_l), at index l - 1.
    """

    def __init__(
        self, architecture: Architecture, theta: Array, state: Array | None = None
    ) -> None:
        """Store the networks' arrays without copying them.

        Args:
            architecture: the architecture of all networks.
            theta: parameters (R, P).
            state: state (R, S); None for that of untrained networks.
        """
        if state is None:
            initial = architecture.initial_state()
            state = memory.copy(np.broadcast_to(initial, (len(theta), initial.size)), theta.dtype)
        self.architecture = architecture
        self.activation: Activation = architecture.activation.build(ACTIVATIONS)
        self.cost: Cost = architecture.cost.build(COSTS)
        self.theta, self.state = theta, state
        self.parameters = architecture.parameters(theta)
        self.states = architecture.states(state)
        self.layers = [arrays["theta"] for arrays in self.parameters]

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        rows: Sequence[NDArray[np.floating]],
        dtype: DTypeLike,
    ) -> Stack:
        """Return a stack of untrained networks.

        Args:
            architecture: the architecture of all networks.
            rows: the parameters (P,) of each network; they are copied.
            dtype: float32 or float64.
        """
        return cls(architecture, memory.copy(rows, dtype))

    def select(self, which: NDArray[np.bool_] | NDArray[np.integer]) -> Stack:
        """Return a stack of copies of the networks `which`, a mask (R,) or indices."""
        theta, state = memory.copy(self.theta[which]), memory.copy(self.state[which])
        return Stack(self.architecture, theta, state)

    def assign(self, other: Stack, r: int) -> None:
        """Copy network r of another stack of this architecture into each network of this one."""
        self.theta[:], self.state[:] = other.theta[r], other.state[r]

    def __len__(self) -> int:
        """Return R, the number of networks."""
        return len(self.theta)

    def __repr__(self) -> str:
        """Return the number of networks, their architecture and dtype."""
        return f"<Stack of {len(self)}: {self.architecture!r}, {self.theta.dtype}>"


def with_constant_unit(x: Array, dtype: DTypeLike) -> Array:
    """Return inputs (N, n_0) as rows (N, n_0 + 1) that begin with a_0 = 1.

    Args:
        x: the inputs.
        dtype: dtype of the rows.
    """
    rows = np.empty((len(x), x.shape[1] + 1), dtype)
    rows[:, 0] = 1
    rows[:, 1:] = x
    return rows


def initial_theta(
    architecture: Architecture, init: Choice, seed: int, batch: Array | None = None
) -> NDArray[np.float64]:
    """Draw the parameters of one network, (P,) float64.

    Args:
        architecture: the network; its activation's negative slope enters He's variance.
        init: the initialization.
        seed: the run's seed, of which each layer has its own streams.
        batch: inputs (B, n_0), for initializations that use data (lsuv).

    Raises:
        ValueError: the initialization needs a batch and there is none, or it does not know the kind
            of a layer.
    """
    check_layers(architecture, init)
    initializer = init.build(INITIALIZERS)
    activation = architecture.activation.build(ACTIVATIONS)
    flat = architecture.initial_parameters()
    specs = zip(architecture.layers, architecture.parameters(flat), strict=True)
    for number, (layer, arrays) in enumerate(specs, start=1):
        layer.draw(
            arrays, Draw(initializer, activation.negative_slope, partial(_stream, seed, number))
        )
    if initializer.unit_variance:
        if batch is None:
            raise ValueError(f"init: {init.name} needs a batch of inputs")
        _scale_to_unit_variance(architecture.thetas(flat), activation, batch)
    return flat


def check_layers(architecture: Architecture, init: Choice) -> None:
    """Refuse an initialization that does not know a layer.

    Raises:
        ValueError: the initialization is lsuv, and a layer is not a dense layer.
    """
    if not init.build(INITIALIZERS).unit_variance:
        return
    if unknown := architecture.unknown_layer([Dense]):
        raise ValueError(f"init: {init.name} knows dense layers only, not {unknown}")


def _stream(seed: int, number: int, purpose: int, *key: int) -> Generator:
    return stream(seed, purpose, number, *key)


def _scale_to_unit_variance(layers: Iterable[Array], activation: Activation, batch: Array) -> None:
    # z is linear in W and the biases are 0, so one division per layer replaces the paper's loop.
    a = with_constant_unit(batch, np.float64).T
    for theta in layers:
        variance = (theta.T @ a).var()
        if variance > 0:
            theta[1:] /= np.sqrt(variance)
        a = np.vstack([np.ones_like(a[:1]), activation(theta.T @ a)[0]])
