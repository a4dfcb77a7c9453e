"""Normalisation of a layer's pre-activations, between the weights and the activation.

With u of shape (R, n, B), R networks, n units and B examples, mean and variance are taken over the
examples (batch) or over the units (layer, rms), and

    x = (u - mean) / sqrt(variance + eps)
    z = gain x + shift
    dC/dx = gain dC/dz
    dC/du = (dC/dx - mean(dC/dx) - x mean(x dC/dx)) / sqrt(variance + eps)

with the means of the last line over the same axis. `rms` subtracts no mean, and has neither the
term mean(dC/dx) nor the shift. Variances are biased: sums divided by the number of entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.arrays import ArraySpec
from bpexp.nn.buffers import Buffers
from bpexp.nn.choices import Choice, require
from bpexp.nn.tape import Emit, assign

UNITS, EXAMPLES = 1, 2  # axes of (R, n, B)


@dataclass(frozen=True)
class Norm:
    """A normalisation.

    Attributes:
        axis: the axis of (R, n, B) of the statistics, UNITS or EXAMPLES.
        centred: whether the mean is subtracted.
        affine: whether the result is multiplied by a trained gain, (n,), initially 1, and, if it is
            centred, a trained shift, (n,), initially 0, is added.
        eps: the number added to the variance.
        momentum: m of the running statistics, running <- running + m (batch - running); None for no
            running statistics.
    """

    axis: int
    centred: bool
    affine: bool
    eps: float
    momentum: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges of eps and momentum.

        Raises:
            ValueError: eps or momentum is out of range.
        """
        require("eps", self.eps, "a finite number above 0", 0 < self.eps < np.inf)
        if self.momentum is not None:
            holds = 0 < self.momentum <= 1
            require("momentum", self.momentum, "a number above 0 and at most 1", holds)

    @property
    def couples(self) -> bool:
        """Whether the output for an example depends on the other examples of its batch."""
        return self.axis == EXAMPLES

    def parameters(self, n: int) -> tuple[ArraySpec, ...]:
        """Return the trained arrays of a layer of n units; weight decay does not act on them."""
        gain, shift = ArraySpec("gain", (n,), initial=1.0), ArraySpec("shift", (n,))
        return () if not self.affine else (gain, shift) if self.centred else (gain,)

    def state(self, n: int) -> tuple[ArraySpec, ...]:
        """Return the running statistics of a layer of n units."""
        if self.momentum is None:
            return ()
        return ArraySpec("running_mean", (n,)), ArraySpec("running_variance", (n,), initial=1.0)

    def forward(self, emit: Emit, at: Buffers, number: int, u: Array) -> None:
        """Record z = gain x + shift.

        Statistics are those of the batch. If `at.evaluates`, a batch norm uses running statistics.

        Args:
            emit: receives the calls.
            at: the arrays of the pass. `at.scratch[number].first` is overwritten.
            number: the layer.
            u: the array to normalise, (R, n, B); it is not changed.
        """
        own, shape = at.own[number], [*u.shape]
        shape[self.axis] = 1
        x = own["normalised"] = memory.empty(u.shape, u.dtype)
        inverse = own["inverse"] = memory.empty(tuple(shape), u.dtype)
        mean = memory.empty(tuple(shape), u.dtype)
        if at.evaluates and self.couples:
            assign(emit, mean, at.state[number]["running_mean"][..., None])
            assign(emit, inverse, at.state[number]["running_variance"][..., None])
            emit(np.subtract, u, mean, x)
        else:
            self._statistics(emit, u, x, mean, inverse, at.scratch[number].first)
            if at.trains and self.couples:
                self._update(emit, at, number, mean, inverse)
        emit(np.add, inverse, np.array(self.eps, u.dtype), inverse)
        emit(np.sqrt, inverse, inverse)
        emit(np.divide, np.ones((), u.dtype), inverse, inverse)
        emit(np.multiply, x if self.centred else u, inverse, x)
        if not self.affine:
            at.z[number] = x
            return
        parameters, z = at.parameters[number], at.z[number]
        emit(np.multiply, x, parameters["gain"][..., None], z)
        if self.centred:
            emit(np.add, z, parameters["shift"][..., None], z)

    def backward(self, emit: Emit, at: Buffers, number: int, out: Array) -> None:
        """Record dC/du, and the gradients of gain and shift, from delta^(l) = dC/dz.

        Args:
            emit: receives the calls.
            at: the arrays of the pass, whose statistics are those of the batch.
                `at.scratch[number].second` is overwritten.
            number: the layer.
            out: the array for dC/du, (R, n, B).
        """
        own, work, delta = at.own[number], at.scratch[number].second, at.delta[number]
        x, inverse = own["normalised"], own["inverse"]
        mean, share = memory.empty_like(inverse), np.array(1 / x.shape[self.axis], x.dtype)
        if self.affine:
            gradients = at.gradients[number]
            emit(np.multiply, delta, x, work)
            emit(np.add.reduce, work, EXAMPLES, None, gradients["gain"])
            if self.centred:
                emit(np.add.reduce, delta, EXAMPLES, None, gradients["shift"])
            emit(np.multiply, delta, at.parameters[number]["gain"][..., None], out)
            delta = out
        emit(np.multiply, delta, x, work)
        _mean(emit, work, self.axis, share, mean)
        emit(np.multiply, x, mean, work)
        if self.centred:
            _mean(emit, delta, self.axis, share, mean)
            emit(np.subtract, delta, mean, out)
            delta = out
        emit(np.subtract, delta, work, out)
        emit(np.multiply, out, inverse, out)

    def tangent(self, at: Buffers, number: int, du: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dz of the first network from du, after a forward pass.

        Statistics of a batch are constants: a change of one example changes them by 1 / B of it.

        Args:
            at: the arrays of the pass.
            number: the layer.
            du: derivatives of u at the first E examples, (E, n, k).
        """
        own, examples = at.own[number], slice(len(du))
        x = own["normalised"][0].T[examples, :, None].astype(np.float64)
        inverse = own["inverse"][0].T.astype(np.float64)
        dx = du
        if not self.couples:
            inverse = inverse[examples]
            dx = dx - x * np.mean(x * du, axis=UNITS, keepdims=True)
            if self.centred:
                dx = dx - np.mean(du, axis=UNITS, keepdims=True)
        gain = at.parameters[number]["gain"][0, :, None].astype(np.float64) if self.affine else 1.0
        return np.asarray(gain * inverse[..., None] * dx)

    def _statistics(
        self, emit: Emit, u: Array, x: Array, mean: Array, variance: Array, work: Array
    ) -> None:
        """Record the mean, the variance, and x = u - mean if the mean is subtracted."""
        share = np.array(1 / u.shape[self.axis], u.dtype)
        if self.centred:
            _mean(emit, u, self.axis, share, mean)
            emit(np.subtract, u, mean, x)
            u = x
        emit(np.multiply, u, u, work)
        _mean(emit, work, self.axis, share, variance)

    def _update(self, emit: Emit, at: Buffers, number: int, mean: Array, variance: Array) -> None:
        """Record the update of the running mean and of the running unbiased variance."""
        batch, share = at.z[number].shape[EXAMPLES], memory.empty_like(mean)
        momentum = self.momentum or 0.0
        kept = np.array(1 - momentum, mean.dtype)
        unbiased = momentum * batch / max(batch - 1, 1)
        for name, found, factor in (
            ("running_mean", mean, momentum),
            ("running_variance", variance, unbiased),
        ):
            running = at.state[number][name][..., None]
            emit(np.multiply, running, kept, running)
            emit(np.multiply, found, np.array(factor, mean.dtype), share)
            emit(np.add, running, share, running)


def _mean(emit: Emit, values: Array, axis: int, share: Array, out: Array) -> None:
    """Record the mean over an axis, which is kept; `share` is 1 / its length."""
    emit(np.add.reduce, values, axis, None, out, True)
    emit(np.multiply, out, share, out)


def none() -> None:
    """z = u: no normalisation."""


def batch(*, affine: bool = True, eps: float = 1e-5, momentum: float = 0.1) -> Norm:
    """Normalise each unit over the batch to mean 0 and variance 1 (Ioffe & Szegedy 2015).

    Training and probes use statistics of the batch, evaluation and prediction use running
    statistics. The running variance is unbiased. A batch of one example has no variance and is
    refused.

    Args:
        affine: whether a trained gain and shift are applied.
        eps: a finite number above 0, added to the variance.
        momentum: m of running <- running + m (batch - running), a number above 0 and at most 1.
    """
    return Norm(EXAMPLES, True, affine, eps, momentum)


def layer(*, affine: bool = True, eps: float = 1e-5) -> Norm:
    """Normalise each example over the units to mean 0 and variance 1 (Ba et al. 2016).

    Args:
        affine: whether a trained gain and shift are applied.
        eps: a finite number above 0, added to the variance.
    """
    return Norm(UNITS, True, affine, eps)


def rms(*, affine: bool = True, eps: float = 1e-5) -> Norm:
    """Normalise each example over the units to mean square 1 (Zhang & Sennrich 2019).

    Args:
        affine: whether a trained gain is applied; there is no shift.
        eps: a finite number above 0, added to the mean square.
    """
    return Norm(UNITS, False, affine, eps)


NORMS: dict[str, Callable[..., Norm | None]] = {
    factory.__name__: factory for factory in (none, batch, layer, rms)
}


def check_batches(norm: Choice, batch_size: int, examples: int) -> None:
    """Refuse batches of one example if the norm needs statistics of the batch.

    Args:
        norm: the normalisation.
        batch_size: number of examples of a step.
        examples: number of examples of the training split.

    Raises:
        ValueError: a batch has one example, such as the last one of an epoch.
    """
    built = norm.build(NORMS)
    last = examples % batch_size or min(batch_size, examples)
    if built is not None and built.couples and (batch_size == 1 or last == 1):
        which = "batches" if batch_size == 1 else "the last of each epoch's batches"
        raise ValueError(
            f"batch_size: {batch_size} makes {which} of one of {examples} examples, which has no "
            f"variance; norm={norm.name} needs at least two"
        )
