"""Optimizers: update rules on flat buffers with a row and a learning rate for each network.

Every optimizer takes `weight_decay`, the factor lambda of an L2 penalty lambda/2 ||W||^2 on the
weights (not on biases), and `clip_norm`, the largest global norm of the batch gradient. The
gradient is clipped before the penalty is added. eta is the learning rate of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.choices import require
from bpexp.nn.tape import Emit
from bpexp.nn.updates import Optimizer, Parameters, Update


def sgd(*, weight_decay: float = 0.0, clip_norm: float | None = None) -> Optimizer:
    """theta <- theta - eta dC/dtheta."""

    def update(emit: Emit, p: Parameters) -> None:
        _multiply(emit, p.gradient, p.remaining_rate)
        emit(np.subtract, p.theta, p.gradient, p.theta)

    return Optimizer(0, update, weight_decay, clip_norm)


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
        # The square is taken last, because it may be subnormal, which makes products slow.
        emit(np.multiply, gradient, p.number(math.sqrt(1 - beta2)), gradient)
        emit(np.multiply, gradient, gradient, gradient)
        emit(np.add, second, gradient, second)
        emit(_correct, corrections, (beta1, beta2), p.step)
        emit(np.divide, second, corrections[1], work)
        emit(np.sqrt, work, work)
        emit(np.add, work, p.number(epsilon), work)
        emit(np.divide, first, work, work)
        emit(np.divide, work, corrections[0], work)
        _multiply(emit, work, p.remaining_rate)
        emit(np.subtract, p.theta, work, p.theta)

    return Optimizer(2, update, weight_decay, clip_norm, by_rate=False)


def _with_velocity(
    momentum: float,
    move: Update,
    weight_decay: float,
    clip_norm: float | None,
) -> Optimizer:
    """Return the rule v <- mu v - eta dC/dtheta, followed by `move`."""
    require("momentum", momentum, "a number in [0, 1)", 0 <= momentum < 1)

    def update(emit: Emit, p: Parameters) -> None:
        velocity = p.state[0]
        _multiply(emit, p.gradient, p.remaining_rate)
        emit(np.multiply, velocity, p.number(momentum), velocity)
        emit(np.subtract, velocity, p.gradient, velocity)
        move(emit, p)

    return Optimizer(1, update, weight_decay, clip_norm)


def _multiply(emit: Emit, array: Array, remaining_rate: Array | None) -> None:
    if remaining_rate is not None:
        emit(np.multiply, array, remaining_rate, array)


def _correct(
    corrections: tuple[Array, Array], betas: tuple[float, float], step: NDArray[np.int64]
) -> None:
    """Write 1 - beta^step, the bias correction of moments that are initially 0."""
    for correction, beta in zip(corrections, betas, strict=True):
        correction[...] = 1 - beta ** int(step)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    factory.__name__: factory for factory in (sgd, momentum, nesterov, adam)
}
