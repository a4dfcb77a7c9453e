"""Optimizers: pure update rules on flat buffers, a row a network, each with its own rate.

Rates and factors of networks have shape (R, 1), or () for a single one. Every optimizer takes
`weight_decay`, the factor lambda of an L2 penalty lambda/2 ||W||^2 on the weights (never on
biases), and `clip_norm`, the largest global norm of the batch gradient, which is clipped before the
penalty is added.

All rules but Adam use eta dC/dtheta alone. Where the gradient is neither clipped nor added to
before, backpropagation is given the rate together with 1 / B, and a pass over all parameters is
saved.
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
    """What an update rule moves, and the memory that it needs.

    Attributes:
        theta: the parameters, (R, P).
        gradient: dC/dtheta times the first factor of `Optimizer.split`; may be overwritten.
        rest: the second factor, or None where it is 1.
        state: what the rule remembers, (slots, R, P), zero at first.
        work: scratch of theta's shape.
        is_weight: 0 at biases, else 1, (P,).
        step: how many steps were taken, without dimensions; a rule that has a state counts on.
    """

    theta: Array
    gradient: Array
    rest: Array | None
    state: Array
    work: Array
    is_weight: Array
    step: NDArray[np.int64]

    def number(self, value: float) -> Array:
        """Return a number in theta's dtype, as an array without dimensions."""
        return np.array(value, self.theta.dtype)


Update = Callable[[Emit, Parameters], None]


@dataclass(frozen=True)
class Optimizer:
    """An update rule and its state's size.

    Attributes:
        slots: how many arrays of theta's shape the rule remembers, zero at first; the first one is
            the velocity (or first moment), whose subnormal entries are set to 0 every FLUSH_EVERY
            steps.
        update: `update(do, parameters)` moves theta in place, through `do` (see `bpexp.nn.tape`).
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
        """Part the rates into a factor for backpropagation and one that is left for `record`.

        The former is at most 1: beyond, deltas would leave the dtype's range before dC/dtheta does.
        """
        is_changed = (
            self.clip_norm is not None or self.weight_decay > 0
        )  # dC/dtheta, before its use
        if self.by_rate and not is_changed:
            return np.minimum(rates, 1), np.maximum(rates, 1)
        return np.ones_like(rates), rates

    def record(self, emit: Emit, p: Parameters) -> None:
        """Clip, add the penalty's gradient, then update."""
        if self.clip_norm is not None:
            emit(_clip, p.gradient, self.clip_norm)
        if self.weight_decay:
            emit(np.multiply, p.theta, p.is_weight, p.work)
            emit(np.multiply, p.work, p.number(self.weight_decay), p.work)
            emit(np.add, p.gradient, p.work, p.gradient)
        if self.slots:
            emit(np.add, p.step, np.ones_like(p.step), p.step)
        self.update(emit, p)
        if self.slots:
            emit(_flush, p.state[0], p.work, p.step)


def sgd(*, weight_decay: float = 0.0, clip_norm: float | None = None) -> Optimizer:
    """theta <- theta - eta dC/dtheta."""

    def update(emit: Emit, p: Parameters) -> None:
        _multiply(emit, p.gradient, p.rest)
        emit(np.subtract, p.theta, p.gradient, p.theta)

    return _checked(Optimizer(0, update, weight_decay, clip_norm))


def momentum(
    *, momentum: float = 0.9, weight_decay: float = 0.0, clip_norm: float | None = None
) -> Optimizer:
    """v <- mu v - eta dC/dtheta; theta <- theta + v (Polyak 1964)."""

    def move(emit: Emit, p: Parameters) -> None:
        emit(np.add, p.theta, p.state[0], p.theta)

    return _with_velocity(momentum, move, weight_decay, clip_norm)


def nesterov(
    *, momentum: float = 0.9, weight_decay: float = 0.0, clip_norm: float | None = None
) -> Optimizer:
    """v <- mu v - eta dC/dtheta; theta <- theta + mu v - eta dC/dtheta (Sutskever et al. 2013)."""

    def move(emit: Emit, p: Parameters) -> None:
        emit(np.multiply, p.state[0], p.number(momentum), p.work)
        emit(np.add, p.theta, p.work, p.theta)
        emit(np.subtract, p.theta, p.gradient, p.theta)

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
    require("beta1", beta1, "a number in [0, 1)", 0 <= beta1 < 1)
    require("beta2", beta2, "a number in [0, 1)", 0 <= beta2 < 1)
    require("epsilon", epsilon, "a finite number above 0", 0 < epsilon < np.inf)

    def update(emit: Emit, p: Parameters) -> None:
        gradient, work = p.gradient, p.work
        first, second = p.state
        corrections = p.number(0), p.number(0)
        emit(np.multiply, first, p.number(beta1), first)
        emit(np.multiply, gradient, p.number(1 - beta1), work)
        emit(np.add, first, work, first)
        emit(np.multiply, second, p.number(beta2), second)
        # Squared last: squares may be subnormal, which a product takes many times as long with.
        emit(np.multiply, gradient, p.number(math.sqrt(1 - beta2)), gradient)
        emit(np.multiply, gradient, gradient, gradient)
        emit(np.add, second, gradient, second)
        emit(_correct, corrections, (beta1, beta2), p.step)
        emit(np.divide, second, corrections[1], work)
        emit(np.sqrt, work, work)
        emit(np.add, work, p.number(epsilon), work)
        emit(np.divide, first, work, work)
        emit(np.divide, work, corrections[0], work)
        _multiply(emit, work, p.rest)
        emit(np.subtract, p.theta, work, p.theta)

    return _checked(Optimizer(2, update, weight_decay, clip_norm, by_rate=False))


def _with_velocity(
    momentum: float,
    move: Update,
    weight_decay: float,
    clip_norm: float | None,
) -> Optimizer:
    """v <- mu v - eta dC/dtheta, then `move(theta, v, eta dC/dtheta, work)`."""
    require("momentum", momentum, "a number in [0, 1)", 0 <= momentum < 1)

    def update(emit: Emit, p: Parameters) -> None:
        velocity = p.state[0]
        _multiply(emit, p.gradient, p.rest)
        emit(np.multiply, velocity, p.number(momentum), velocity)
        emit(np.subtract, velocity, p.gradient, velocity)
        move(emit, p)

    return _checked(Optimizer(1, update, weight_decay, clip_norm))


def _multiply(emit: Emit, array: Array, rest: Array | None) -> None:
    if rest is not None:
        emit(np.multiply, array, rest, array)


def _correct(
    corrections: tuple[Array, Array], betas: tuple[float, float], step: NDArray[np.int64]
) -> None:
    """Write 1 - beta^step, which the moments lack while they have forgotten little."""
    for correction, beta in zip(corrections, betas, strict=True):
        correction[...] = 1 - beta ** int(step)


def _flush(velocity: Array, work: Array, step: NDArray[np.int64]) -> None:
    """Set subnormal entries to 0 where it is time to.

    Where a gradient stays 0, as below a dead unit, the velocity decays into the subnormal numbers
    and never leaves them: 0.9 times the smallest rounds to itself. Each of its products then takes
    many times as long, and moves no weight.
    """
    if step % FLUSH_EVERY == 0:
        np.abs(velocity, out=work)
        np.greater_equal(work, np.finfo(work.dtype).tiny, out=work)
        np.multiply(velocity, work, out=velocity)


def _checked(optimizer: Optimizer) -> Optimizer:
    decay, clip = optimizer.weight_decay, optimizer.clip_norm
    require("weight_decay", decay, "a finite number of at least 0", 0 <= decay < np.inf)
    require("clip_norm", clip, "a finite number above 0", clip is None or 0 < clip < np.inf)
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
