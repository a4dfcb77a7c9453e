"""The base of all update rules: arrays, clipping, weight decay, and the learning rate's factors.

A learning rate is a product of two factors. SGD, momentum and Nesterov need only the gradient times
the learning rate. If there is neither clipping nor weight decay, backpropagation multiplies by the
rate together with 1 / B, which saves a pass over all parameters; the remaining factor is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.choices import require
from bpexp.nn.tape import Emit

FLUSH_EVERY = 64  # steps


@dataclass(frozen=True, eq=False)
class Parameters:
    """The arrays that an update rule reads and writes.

    Attributes:
        theta: the parameters, (R, P).
        gradient: dC/dtheta times `Optimizer.backpropagated_rate`, (R, P); the rule overwrites it.
        remaining_rate: `Optimizer.remaining_rate`, (R, 1), or () for one network; None if it is 1
            in every step. A schedule writes it before each step.
        state: the state of the update rule, (slots, R, P), initially 0.
        work: scratch memory of theta's shape.
        decayed: 1 where weight decay acts, else 0, (P,).
        step: number of steps taken, an array (); rules with a state increment it.
    """

    theta: Array
    gradient: Array
    remaining_rate: Array | None
    state: Array
    work: Array
    decayed: Array
    step: NDArray[np.int64]

    def number(self, value: float) -> Array:
        """Return a number in theta's dtype, as a zero-dimensional array."""
        return np.array(value, self.theta.dtype)


Update = Callable[[Emit, Parameters], None]
Rates = NDArray[np.float64]


@dataclass(frozen=True)
class Optimizer:
    """An update rule and the size of its state.

    Attributes:
        slots: the number of arrays of theta's shape in the state of the rule. The first one is the
            velocity (or first moment), whose subnormal entries are set to 0 every FLUSH_EVERY
            steps.
        update: `update(emit, parameters)` records the change of theta (see `bpexp.nn.tape`).
        weight_decay: lambda of the L2 penalty.
        clip_norm: the largest norm of dC/dtheta, or None.
        by_rate: whether the rule needs only the learning rate times dC/dtheta.
    """

    slots: int
    update: Update
    weight_decay: float = 0.0
    clip_norm: float | None = None
    by_rate: bool = True

    def __post_init__(self) -> None:
        """Check the ranges of weight_decay and clip_norm.

        Raises:
            ValueError: weight_decay or clip_norm is out of range.
        """
        decay, clip = self.weight_decay, self.clip_norm
        require("weight_decay", decay, "a finite number of at least 0", 0 <= decay < np.inf)
        require("clip_norm", clip, "a finite number above 0", clip is None or 0 < clip < np.inf)

    @property
    def backpropagates_rate(self) -> bool:
        """Whether backpropagation may multiply by the learning rate."""
        is_changed = self.clip_norm is not None or self.weight_decay > 0  # dC/dtheta before its use
        return self.by_rate and not is_changed

    def backpropagated_rate(self, learning_rates: Rates) -> Rates:
        """Return the factor of the learning rates that enters backpropagation.

        It is at most 1. With a larger factor deltas could overflow although dC/dtheta does not.
        """
        return (
            np.minimum(learning_rates, 1)
            if self.backpropagates_rate
            else np.ones_like(learning_rates)
        )

    def remaining_rate(self, learning_rates: Rates) -> Rates:
        """Return the factor of the learning rates that enters the update."""
        return np.maximum(learning_rates, 1) if self.backpropagates_rate else learning_rates

    def record(self, emit: Emit, p: Parameters) -> None:
        """Record clipping, the penalty's gradient, the update, and the flush of the velocity.

        Args:
            emit: receives the calls.
            p: the arrays.
        """
        if self.clip_norm is not None:
            emit(_clip, p.gradient, self.clip_norm)
        if self.weight_decay:
            emit(np.multiply, p.theta, p.decayed, p.work)
            emit(np.multiply, p.work, p.number(self.weight_decay), p.work)
            emit(np.add, p.gradient, p.work, p.gradient)
        if self.slots:
            emit(np.add, p.step, np.ones_like(p.step), p.step)
        self.update(emit, p)
        if self.slots:
            emit(_flush, p.state[0], p.work, p.step)


def _flush(velocity: Array, work: Array, step: NDArray[np.int64]) -> None:
    """Set subnormal entries to 0 every FLUSH_EVERY steps.

    If a gradient remains 0, as below a dead unit, the velocity decays to the subnormal numbers and
    remains there, because 0.9 times the smallest one rounds to itself. Products of subnormal
    numbers take many times as long, and such a velocity changes no weight.
    """
    if step % FLUSH_EVERY == 0:
        np.abs(velocity, out=work)
        np.greater_equal(work, np.finfo(work.dtype).tiny, out=work)
        np.multiply(velocity, work, out=velocity)


def _clip(gradient: Array, largest: float) -> None:
    """Scale each network's gradient to a norm of at most `largest`."""
    for row in gradient:  # one network at a time, because in a stack einsum adds in another order
        norm = _norm(row)
        if norm > largest:
            np.multiply(row, gradient.dtype.type(largest / norm), out=row)


def _norm(row: Array) -> float:
    """Return the Euclidean norm, without overflow or underflow.

    Squares are summed in float64, because squares of float32 entries below 1e-19 or above 1e19 are
    outside the range of float32. einsum converts block by block, so no memory of the network's size
    is allocated in a step. `bpexp.probes.norms.norm` allocates a copy and is the norm of probes.
    """
    square = float(np.einsum("p,p->", row, row, dtype=np.float64, casting="same_kind"))
    if square < np.inf:
        return math.sqrt(square)
    peak = float(np.abs(row).max())  # squares of float64 entries above 1e154 overflow
    return peak * math.sqrt(float(np.square(row / peak).sum())) if peak < np.inf else square
