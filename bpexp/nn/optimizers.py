"""Optimizers: pure update rules on flat buffers, a row a network, each with its own rate.

theta and gradient have shape (R, P), rates and factors of a network (R, 1), or () for a single one.
`gradient` may be overwritten. Every optimizer takes `weight_decay`, the factor lambda of an L2
penalty lambda/2 ||W||^2 on the weights (never on biases), and `clip_norm`, the largest global norm
of the batch gradient, which is clipped before the penalty is added.

All rules but Adam use eta dC/dtheta alone. Where the gradient is neither clipped nor added to
before, backpropagation is given the rate together with 1 / B, and a pass over all parameters is
saved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bpexp.nn.activations import Array
from bpexp.nn.choices import within

FLUSH_EVERY = 64  # steps

Update = Callable[[Array, Array, Array | None, Array, int, Array], None]


@dataclass(frozen=True)
class Optimizer:
    """An update rule and its state's size.

    Attributes:
        slots: how many arrays of theta's shape the rule remembers, zero at first; the first one is
            the velocity (or first moment), whose subnormal entries are set to 0 every FLUSH_EVERY
            steps.
        update: `update(theta, gradient, rest, state, step, work)` moves theta in place; `rest` is
            what of the rates the gradient lacks, None: nothing; state has shape (slots, R, P),
            `step` counts from 1, `work` is scratch of theta's shape.
        weight_decay: lambda of the L2 penalty.
        clip_norm: largest norm of dC/dtheta, or None.
        by_rate: whether the rule uses eta dC/dtheta alone.
    """

    slots: int
    update: Update
    weight_decay: float = 0.0
    clip_norm: float | None = None
    by_rate: bool = True

    def split(self, rates: Array) -> tuple[Array, Array]:
        """Part the rates into a factor for backpropagation and one that is left for `step`.

        The former is at most 1: beyond, deltas would leave the dtype's range before dC/dtheta does.
        """
        if self.by_rate and not self._changes:
            return np.minimum(rates, 1), np.maximum(rates, 1)
        return np.ones_like(rates), rates

    def step(
        self,
        theta: Array,
        gradient: Array,
        rest: Array | None,
        state: Array,
        step: int,
        work: Array,
        is_weight: Array,
    ) -> None:
        """Clip, add the penalty's gradient, then update.

        The gradient is dC/dtheta times the first factor of `split`, `rest` the second, or None
        where it is 1; `is_weight` (P,) is 0 at biases.
        """
        if self._changes:
            self._change(theta, gradient, work, is_weight)
        self.update(theta, gradient, rest, state, step, work)
        if self.slots and step % FLUSH_EVERY == 0:
            _flush(state[0], work)

    @cached_property
    def _changes(self) -> bool:
        """Whether dC/dtheta is changed before it is used."""
        return self.clip_norm is not None or self.weight_decay > 0

    def _change(self, theta: Array, gradient: Array, work: Array, is_weight: Array) -> None:
        """Clip the gradient and add the penalty's."""
        if self.clip_norm is not None:
            _clip(gradient, self.clip_norm)
        if self.weight_decay:
            np.multiply(theta, is_weight, out=work)
            np.multiply(work, self.weight_decay, out=work)
            np.add(gradient, work, out=gradient)


def sgd(*, weight_decay: float = 0.0, clip_norm: float | None = None) -> Optimizer:
    """theta <- theta - eta dC/dtheta."""

    def update(
        theta: Array, gradient: Array, rest: Array | None, state: Array, step: int, work: Array
    ) -> None:
        _multiply(gradient, rest)
        np.subtract(theta, gradient, theta)

    return _checked(Optimizer(0, update, weight_decay, clip_norm))


def momentum(
    *, momentum: float = 0.9, weight_decay: float = 0.0, clip_norm: float | None = None
) -> Optimizer:
    """v <- mu v - eta dC/dtheta; theta <- theta + v (Polyak 1964)."""

    def move(theta: Array, velocity: Array, gradient: Array, work: Array) -> None:
        np.add(theta, velocity, out=theta)

    return _with_velocity(momentum, move, weight_decay, clip_norm)


def nesterov(
    *, momentum: float = 0.9, weight_decay: float = 0.0, clip_norm: float | None = None
) -> Optimizer:
    """v <- mu v - eta dC/dtheta; theta <- theta + mu v - eta dC/dtheta (Sutskever et al. 2013)."""

    def move(theta: Array, velocity: Array, gradient: Array, work: Array) -> None:
        np.multiply(velocity, momentum, out=work)
        np.add(theta, work, out=theta)
        np.subtract(theta, gradient, out=theta)

    return _with_velocity(momentum, move, weight_decay, clip_norm)


def adam(
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
) -> Optimizer:
    """theta <- theta - eta m^ / (sqrt(v^) + epsilon), bias-corrected (Kingma & Ba 2015)."""
    within("beta1", beta1, "a number in [0, 1)", 0 <= beta1 < 1)
    within("beta2", beta2, "a number in [0, 1)", 0 <= beta2 < 1)
    within("epsilon", epsilon, "a finite number above 0", 0 < epsilon < np.inf)

    def update(
        theta: Array, gradient: Array, rest: Array | None, state: Array, step: int, work: Array
    ) -> None:
        first, second = state
        np.multiply(first, beta1, out=first)
        np.multiply(gradient, 1 - beta1, out=work)
        np.add(first, work, out=first)
        np.multiply(second, beta2, out=second)
        # Squared last: squares may be subnormal, which a product takes many times as long with.
        np.multiply(gradient, math.sqrt(1 - beta2), out=gradient)
        np.multiply(gradient, gradient, out=gradient)
        np.add(second, gradient, out=second)
        np.divide(second, 1 - beta2**step, out=work)
        np.sqrt(work, out=work)
        np.add(work, epsilon, out=work)
        np.divide(first, work, out=work)
        np.divide(work, 1 - beta1**step, out=work)
        _multiply(work, rest)
        np.subtract(theta, work, out=theta)

    return _checked(Optimizer(2, update, weight_decay, clip_norm, by_rate=False))


def _with_velocity(
    momentum: float,
    move: Callable[[Array, Array, Array, Array], None],
    weight_decay: float,
    clip_norm: float | None,
) -> Optimizer:
    """v <- mu v - eta dC/dtheta, then `move(theta, v, eta dC/dtheta, work)`."""
    within("momentum", momentum, "a number in [0, 1)", 0 <= momentum < 1)

    def update(
        theta: Array, gradient: Array, rest: Array | None, state: Array, step: int, work: Array
    ) -> None:
        velocity = state[0]
        _multiply(gradient, rest)
        np.multiply(velocity, momentum, out=velocity)
        np.subtract(velocity, gradient, out=velocity)
        move(theta, velocity, gradient, work)

    return _checked(Optimizer(1, update, weight_decay, clip_norm))


def _multiply(array: Array, rest: Array | None) -> None:
    if rest is not None:
        np.multiply(array, rest, array)


def _flush(velocity: Array, work: Array) -> None:
    """Set subnormal entries to 0.

    Where a gradient stays 0, as below a dead unit, the velocity decays into the subnormal numbers
    and never leaves them: 0.9 times the smallest rounds to itself. Each of its products then takes
    many times as long, and moves no weight.
    """
    np.abs(velocity, out=work)
    np.greater_equal(work, np.finfo(work.dtype).tiny, out=work)
    np.multiply(velocity, work, out=velocity)


def _checked(optimizer: Optimizer) -> Optimizer:
    decay, clip = optimizer.weight_decay, optimizer.clip_norm
    within("weight_decay", decay, "a finite number of at least 0", 0 <= decay < np.inf)
    within("clip_norm", clip, "a finite number above 0", clip is None or 0 < clip < np.inf)
    return optimizer


def _clip(gradient: Array, largest: float) -> None:
    for row in gradient:  # each network alone: in a stack einsum adds in another order
        norm = _norm(row)
        if norm > largest:
            np.multiply(row, gradient.dtype.type(largest / norm), out=row)


def _norm(row: Array) -> float:
    # Squares are summed in float64: those of float32 entries under 1e-19 or over 1e19 leave its
    # range. einsum widens block by block, so nothing of the network's size is allocated.
    square = float(np.einsum("p,p->", row, row, dtype=np.float64, casting="same_kind"))
    if square < np.inf:
        return math.sqrt(square)
    peak = float(np.abs(row).max())  # float64 entries over 1e154 leave even that range
    return peak * math.sqrt(float(np.square(row / peak).sum())) if peak < np.inf else square


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    factory.__name__: factory for factory in (sgd, momentum, nesterov, adam)
}
