"""Costs C of the output layer: the value of each example, and dC/dz computed from z.

Pre-activations z and targets t of the output layer have shape (K, ...): K outputs of any examples.
A cost is that of one example; the caller computes the mean over the batch. A cost includes the
output layer's activation (softmax, sigmoid, ...), so that dC/dz is computed from z directly and no
factor g' underflows. For the unit of the target's class dC/dz is p - 1. Its absolute error is one
rounding of 1, so it is 0 if p differs from 1 by less than 1e-7 in float32 (1e-16 in float64).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import ACTIVATIONS, Activation, Array, Scratch
from bpexp.nn.choices import require
from bpexp.nn.tape import Emit, assign, call_now

OUTPUTS = tuple(ACTIVATIONS)
"""Activations of output layers. These are the package's own, because the record of a cost does not
contain the source of others."""


@dataclass(frozen=True)
class Cost:
    """A cost and the output layer's activation.

    Attributes:
        delta: `delta(emit, z, t, out, slope, scratch)` records calls (see `bpexp.nn.tape`) that
            write dC_i/dz_i of each example into `out`; `slope` is memory like z. Arrays do not
            overlap.
        value: `value(z, t)` returns C_i in float64, shape (...).
        output: `output(emit, z, out, scratch)` records calls that write the network's output a^(L)
            into `out`.
        linear: whether a^(L) is z^(L) itself, so that targets may be any real numbers.
        slope_of: the output activation g if dC/dz has the factor g'(z); None if g' cancels.
    """

    delta: Callable[[Emit, Array, Array, Array, Array, Scratch], None]
    value: Callable[[Array, Array], NDArray[np.float64]]
    output: Callable[[Emit, Array, Array, Scratch], None]
    linear: bool = False
    slope_of: Activation | None = None


def cross_entropy() -> Cost:
    """C = -sum_k t_k log p_k with p = softmax(z); dC/dz = p - t for targets that sum to 1."""

    def delta(emit: Emit, z: Array, t: Array, out: Array, slope: Array, scratch: Scratch) -> None:
        _softmax(emit, z, out, scratch)
        emit(np.subtract, out, t, out)

    def value(z: Array, t: Array) -> NDArray[np.float64]:
        # Exponentials are in z's dtype and sums in float64. A small cost is the logarithm of 1 plus
        # small exponentials, which a sum in float32 would lose.
        shifted = z - np.maximum.reduce(z)
        log_sum = np.log(np.add.reduce(np.exp(shifted), dtype=np.float64))
        np.multiply(shifted, t, out=shifted)
        return np.asarray(log_sum - np.add.reduce(shifted, dtype=np.float64))

    return Cost(delta, value, _softmax)


def squared_error(*, output: str = "sigmoid", factor: float = 1.0) -> Cost:
    """C = factor * sum_k (a_k - t_k)^2 with a = g(z); dC/dz = 2 factor (a - t) g'(z).

    `output` is the name of the output layer's activation g. `factor` is 1 or 0.5, the two
    conventions of the texts.
    """
    require("factor", factor, "1 or 0.5", factor in (1.0, 0.5))
    require("output", output, f"one of {', '.join(OUTPUTS)}", output in OUTPUTS)
    activation = ACTIVATIONS[output]()

    def delta(emit: Emit, z: Array, t: Array, out: Array, slope: Array, scratch: Scratch) -> None:
        activation.evaluate(emit, z, out, slope, scratch)
        emit(np.subtract, out, t, out)
        emit(np.multiply, out, slope, out)
        emit(np.multiply, out, scratch.number(2 * factor), out)

    def value(z: Array, t: Array) -> NDArray[np.float64]:
        a = np.empty_like(z)
        activation.evaluate(call_now, z, a, None, Scratch.like(z))
        difference = np.subtract(a, t, dtype=np.float64)
        return np.asarray(factor * np.add.reduce(difference * difference))

    return Cost(
        delta,
        value,
        partial(_output, activation),
        linear=output == "identity",
        slope_of=activation,
    )


def binary_cross_entropy() -> Cost:
    """C = -sum_k [t_k log a_k + (1 - t_k) log(1 - a_k)] with a = sigma(z); dC/dz = a - t."""
    logistic = ACTIVATIONS["sigmoid"]()

    def delta(emit: Emit, z: Array, t: Array, out: Array, slope: Array, scratch: Scratch) -> None:
        logistic.evaluate(emit, z, out, None, scratch)
        emit(np.subtract, out, t, out)

    def value(z: Array, t: Array) -> NDArray[np.float64]:
        wide = z.astype(np.float64, copy=False)
        return np.asarray(np.add.reduce(np.logaddexp(wide, 0) - wide * t))

    return Cost(delta, value, partial(_output, logistic))


def _output(activation: Activation, emit: Emit, z: Array, out: Array, scratch: Scratch) -> None:
    activation.evaluate(emit, z, out, None, scratch)


def _softmax(emit: Emit, z: Array, out: Array, scratch: Scratch) -> None:
    """Record softmax.

    A row is copied to all units before it is used, which takes half the time of broadcasting it.
    """
    row, wide = scratch.first[0], scratch.second
    emit(np.maximum.reduce, z, 0, None, row)
    assign(emit, wide, row)
    emit(np.subtract, z, wide, out)
    emit(np.exp, out, out)
    emit(np.add.reduce, out, 0, None, row)
    assign(emit, wide, row)
    emit(np.divide, out, wide, out)


COSTS: dict[str, Callable[..., Cost]] = {
    factory.__name__: factory for factory in (cross_entropy, squared_error, binary_cross_entropy)
}
