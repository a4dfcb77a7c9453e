"""A stack: R networks of one architecture whose parameters are rows of one flat buffer.

Notation, used everywhere in this package (layers l = 1 .. L, L = depth + 1, inputs are layer 0):

    z^(l) = theta^(l)T a^(l-1)        pre-activations; a^(l-1) begins with the constant unit a_0 = 1
    a^(l) = g(z^(l))                  activations
    delta^(l) = dC/dz^(l)             of the example's own cost C_i, or of the batch mean C
    dC/dtheta^(l) = a^(l-1) delta^(l)T
    delta^(l) = g'(z^(l)) * (W^(l+1) delta^(l+1))

theta^(l) has shape (R, n_{l-1} + 1, n_l): row 0 is the bias, the weight from the constant unit, and
rows 1.. are W^(l). Activity has shape (R, n_l, B): a column an example, as in the texts, so that
the constant unit is one contiguous row and every element-wise call runs over contiguous memory.

The source texts' symbols in ours (theirs write W as (out, in); all but the first count the input as
layer 1; our rows count from 0 = bias, our columns from 0):

    Backpropagation step by step              w_00, first to first unit    theta^(l)[1, 0]
    Backpropagation for deep neural networks  theta_jk^(l)                 theta^(l-1)[k, j - 1]
    Neural Networks: The Backward Pass        W^(l)_{j,k}                  theta^(l-1)[k, j - 1]
    Introducing the backpropagation method    (w_jk)^l, into layer l + 1   theta^(l)[k, j - 1]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.nn import memory
from bpexp.nn.activations import ACTIVATIONS, Activation, Array
from bpexp.nn.choices import Choice
from bpexp.nn.costs import COSTS, Cost
from bpexp.nn.initializers import BIASES, INITIALIZERS, WEIGHTS, stream
from bpexp.nn.tasks import check_cost


@dataclass(frozen=True)
class Architecture:
    """The shape of a network and its activation, cost and task, by name.

    Attributes:
        sizes: units a layer, inputs first: (n_0, ..., n_L).
        activation: the hidden layers' activation.
        cost: the cost, which brings the output layer's activation.
        task: what the outputs stand for, a row of `bpexp.nn.tasks.TASKS`.
    """

    sizes: tuple[int, ...]
    activation: Choice
    cost: Choice
    task: str = "classification"

    def __post_init__(self) -> None:
        """Refuse shapes that are no network, and a cost that does not fit the task."""
        if len(self.sizes) < 2 or any(n < 1 for n in self.sizes):
            raise ValueError(f"sizes: {self.sizes!r} is not two or more layers of at least 1 unit")
        check_cost(self.task, self.cost)

    @property
    def n_parameters(self) -> int:
        """P: weights and biases of all layers."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes))

    def layers(self, flat: NDArray[np.float64] | Array) -> list[Array]:
        """Views theta^(1) .. theta^(L) of a flat buffer (..., P), shapes (..., n_in + 1, n_out)."""
        views, start = [], 0
        for n_in, n_out in pairwise(self.sizes):
            stop = start + (n_in + 1) * n_out
            views.append(flat[..., start:stop].reshape(*flat.shape[:-1], n_in + 1, n_out))
            start = stop
        return views

    def first_parameter(self, layer: int) -> int:
        """Where theta^(layer) begins in the flat buffer."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes[:layer]))


def with_constant_unit(x: Array, dtype: DTypeLike) -> Array:
    """Return inputs (N, n_0) as rows (N, n_0 + 1) that begin with a_0 = 1, in the run's dtype."""
    rows = np.empty((len(x), x.shape[1] + 1), dtype)
    rows[:, 0] = 1
    rows[:, 1:] = x
    return rows


def initial_theta(
    architecture: Architecture, init: Choice, seed: int, batch: Array | None = None
) -> NDArray[np.float64]:
    """Draw the parameters (P,) of one network, float64.

    Args:
        architecture: the shape; its activation's negative slope enters He's variance.
        init: the scheme.
        seed: the run's seed; each layer draws from its own stream of it.
        batch: inputs (B, n_0) for schemes that look at data (lsuv).

    Raises:
        ValueError: the scheme needs a batch and none was given.
    """
    initializer = init.build(INITIALIZERS)
    activation = architecture.activation.build(ACTIVATIONS)
    flat = np.zeros(architecture.n_parameters)
    for number, theta in enumerate(architecture.layers(flat), start=1):
        n_in, n_out = theta.shape[0] - 1, theta.shape[1]
        rng = stream(seed, WEIGHTS, number)
        theta[1:] = initializer.weights(rng, n_in, n_out, activation.negative_slope)
        if initializer.bias_std:
            theta[0] = initializer.bias_std * stream(seed, BIASES, number).standard_normal(n_out)
    if initializer.unit_variance:
        if batch is None:
            raise ValueError(f"init: {init.name} needs a batch of inputs")
        _scale_to_unit_variance(architecture.layers(flat), activation, batch)
    return flat


def _scale_to_unit_variance(layers: Iterable[Array], activation: Activation, batch: Array) -> None:
    # z is linear in W and the biases are zero, so the paper's loop ends after one division.
    a = with_constant_unit(batch, np.float64).T
    for theta in layers:
        variance = (theta.T @ a).var()
        if variance > 0:
            theta[1:] /= np.sqrt(variance)
        a = np.vstack([np.ones_like(a[:1]), activation(theta.T @ a)[0]])


class Stack:
    """R networks of one architecture in lockstep.

    Attributes:
        architecture: their common shape.
        activation: the hidden layers' activation, built.
        cost: the cost, built.
        theta: all parameters, (R, P), float32 or float64.
        layers: views theta^(l) of it, (R, n_{l-1} + 1, n_l), l = 1 .. L at index l - 1.
    """

    def __init__(self, architecture: Architecture, theta: Array) -> None:
        self.architecture = architecture
        self.activation: Activation = architecture.activation.build(ACTIVATIONS)
        self.cost: Cost = architecture.cost.build(COSTS)
        self.theta = theta
        self.layers = architecture.layers(theta)

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        rows: Sequence[NDArray[np.floating]],
        dtype: DTypeLike,
    ) -> Stack:
        """Stack the parameter rows (P,) of R networks."""
        return cls(architecture, memory.copy(rows, dtype))

    def __len__(self) -> int:
        """R, the number of networks."""
        return len(self.theta)
