"""What is looked at: one number a layer, from a forward and a backward pass that change nothing.

A probe is a row of FORWARD or BACKWARD: a name and a function of what the pass has at hand of a
layer. It is asked while that is in the cache, before the pass goes on to the next layer and
overwrites it. NaN says that the quantity is not defined there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Activation, Array
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack


@dataclass(frozen=True)
class ForwardLayer:
    """One layer of one network in the forward pass over the probe batch of B examples.

    Attributes:
        activation: g of the hidden layers; None in the output layer.
        z: z^(l), (n, B).
        a: a^(l), (n, B), without the constant unit; in the output layer the network's output.
        slope: g'(z^(l)), (n, B); None in the output layer.
    """

    activation: Activation | None
    z: Array
    a: Array
    slope: Array | None

    @cached_property
    def activity(self) -> tuple[float, float]:
        """Mean and variance of a^(l) over units and examples, from one copy in float64."""
        wide = self.a.astype(np.float64, order="C").ravel()
        mean = np.add.reduce(wide) / wide.size
        np.subtract(wide, mean, out=wide)
        return float(mean), float(wide @ wide / wide.size)

    @cached_property
    def geometry(self) -> tuple[float, float]:
        """Mean of (z^(l))^2, and mean cosine over pairs of examples, from one copy in float64.

        With unit columns u_i the sum of cosines over ordered pairs is ||sum_i u_i||^2 - B.
        """
        wide = self.z.astype(np.float64, order="C")
        squares = np.einsum("nb,nb->b", wide, wide)
        q = float(squares.sum() / wide.size)
        examples = len(squares)
        if examples < 2 or not squares.all():
            return q, np.nan
        total = wide @ (1 / np.sqrt(squares))
        return q, float((total @ total - examples) / (examples * (examples - 1)))


@dataclass(frozen=True)
class BackwardLayer:
    """One layer of one network in the backward pass over the probe batch of B examples.

    Attributes:
        delta: delta^(l), (n, B), each column of its example's own cost.
        signal: W^(l+1) delta^(l+1), (n, B); None in the output layer.
        total_above: Frobenius norm of delta^(l+1); NaN in the output layer.
        gradient: dC/dtheta^(l) summed over the examples, (n_in + 1, n), row 0 the biases.
        theta: theta^(l), (n_in + 1, n).
        before: theta^(l) at the last probe; None at the first.
    """

    delta: Array
    signal: Array | None
    total_above: float
    gradient: Array
    theta: Array
    before: Array | None

    @property
    def examples(self) -> int:
        """B."""
        return int(self.delta.shape[1])

    @cached_property
    def total_delta(self) -> float:
        """Frobenius norm of delta^(l)."""
        return norm(self.delta)

    @cached_property
    def total_signal(self) -> float:
        """Frobenius norm of W^(l+1) delta^(l+1); NaN in the output layer."""
        return np.nan if self.signal is None else norm(self.signal)


def norm(x: Array) -> float:
    """Frobenius norm in float64, right over the whole range of x's dtype.

    Squares of float32 numbers fit float64; those of float64 numbers need a scale when they leave
    its range, which NumPy warns of unless the caller forbids it (a look does, once for all norms).
    """
    wide = np.asarray(x, dtype=np.float64, order="C").ravel()
    square = float(wide.dot(wide))
    if 1e-280 < square < 1e280 or not wide.size:
        return float(np.sqrt(square))
    largest = float(np.abs(wide).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    wide = wide / largest
    return largest * float(np.sqrt(wide.dot(wide)))


def grad_norm(layer: BackwardLayer) -> float:
    """Compute ||dC/dW^(l)||_F of the mean cost; the bias row is left out."""
    return norm(layer.gradient[1:]) / layer.examples


def bias_grad_norm(layer: BackwardLayer) -> float:
    """Compute ||dC/db^(l)||_2 of the mean cost."""
    return norm(layer.gradient[0]) / layer.examples


def delta_norm(layer: BackwardLayer) -> float:
    """Root mean square over the examples of ||delta_i^(l)||_2, each of its own cost."""
    return float(layer.total_delta / np.sqrt(layer.examples))


def weight_factor(layer: BackwardLayer) -> float:
    """||W delta|| / ||delta|| of the hop from layer l + 1: what the weights do to the signal."""
    return _ratio(layer.total_signal, layer.total_above)


def slope_factor(layer: BackwardLayer) -> float:
    """||g' * W delta|| / ||W delta|| of the hop: what the activation's slope does to the signal.

    weight_factor times slope_factor is delta_norm^(l) / delta_norm^(l+1).
    """
    return _ratio(layer.total_delta, layer.total_signal)


def update_ratio(layer: BackwardLayer) -> float:
    """||theta^(l) - theta^(l) at the last probe|| / ||theta^(l)||."""
    if layer.before is None:
        return np.nan
    return _ratio(norm(np.subtract(layer.theta, layer.before)), norm(layer.theta))


def zero_share(layer: BackwardLayer) -> float:
    """Share of exact zeros among the entries of dC/dW^(l)."""
    return float(1 - np.count_nonzero(layer.gradient[1:]) / layer.gradient[1:].size)


def subnormal_share(layer: BackwardLayer) -> float:
    """Share of subnormal entries in dC/dW^(l): not zero, below the dtype's normal range."""
    size = np.abs(layer.gradient[1:])
    return np.count_nonzero((size > 0) & (size < np.finfo(size.dtype).tiny)) / size.size


def activation_mean(layer: ForwardLayer) -> float:
    """Mean of a^(l) over units and examples."""
    return layer.activity[0]


def activation_variance(layer: ForwardLayer) -> float:
    """Variance of a^(l) over units and examples."""
    return layer.activity[1]


def q(layer: ForwardLayer) -> float:
    """Mean of (z^(l))^2 over units and examples: mean field's length (Poole et al. 2016)."""
    return layer.geometry[0]


def correlation(layer: ForwardLayer) -> float:
    """Mean over pairs of examples of the cosine between their z^(l): mean field's c."""
    return layer.geometry[1]


def saturation(layer: ForwardLayer) -> float:
    """Share of (example, unit) with |g'| < 0.05 max |g'|, for bounded activations."""
    if layer.activation is None or layer.slope is None or not layer.activation.bounded:
        return np.nan
    return float(np.mean(layer.slope < 0.05 * layer.activation.max_slope))


def dead(layer: ForwardLayer) -> float:
    """Share of units whose g' is 0 on the whole probe batch."""
    if layer.slope is None:
        return np.nan
    return 1 - np.count_nonzero(layer.slope.any(axis=1)) / len(layer.slope)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else np.nan


BACKWARD: dict[str, Callable[[BackwardLayer], float]] = {
    probe.__name__: probe
    for probe in (
        grad_norm,
        bias_grad_norm,
        delta_norm,
        weight_factor,
        slope_factor,
        update_ratio,
        zero_share,
        subnormal_share,
    )
}
FORWARD: dict[str, Callable[[ForwardLayer], float]] = {
    probe.__name__: probe
    for probe in (activation_mean, activation_variance, q, correlation, saturation, dead)
}
PROBES = (*BACKWARD, *FORWARD)


class Prober:
    """The probe batch and the buffers to look at one network after another.

    One at a time, whatever the stack: the buffers stay in cache, and a run's numbers cannot depend
    on its neighbours.
    """

    def __init__(self, stack: Stack, rows: Array, columns: Array) -> None:
        """Take the probe batch: rows (B, n_0 + 1) with the constant unit, targets (K, B)."""
        self._alone = Stack(stack.architecture, stack.theta[:1].copy())
        self._propagation = Propagation(self._alone, rows, scale=1)
        np.copyto(self._propagation.targets, columns)

    def __call__(
        self, stack: Stack, before: Array | None, which: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float64]]:
        """Measure every layer of the networks `which` (R,).

        Args:
            stack: the networks; they are not changed.
            before: their parameters (R, P) at the last probe, or None.
            which: those to look at; the rows of the others are NaN.

        Returns:
            Each probe's values, (R, L) float64.
        """
        values = np.full((len(PROBES), len(stack), len(stack.layers)), np.nan)
        looks = dict(zip(PROBES, values, strict=True))
        for r in map(int, np.flatnonzero(which)):
            self._alone.theta[:] = stack.theta[r]
            self._look_forward(r, looks)
            self._look_backward(r, looks, None if before is None else before[r])
        return looks

    def _look_forward(self, r: int, looks: dict[str, NDArray[np.float64]]) -> None:
        """Propagate the probe batch and fill row r of the looks."""
        alone, p = self._alone, self._propagation
        for number in p.forward_by_layer():
            hidden, z = number < len(alone.layers), p.z[number]
            layer = ForwardLayer(
                activation=alone.activation if hidden else None,
                z=z[0],
                a=p.a[number][0, 1:] if hidden else alone.cost.output(z)[0],
                slope=p.slope[number][0] if hidden else None,
            )
            for name, probe in FORWARD.items():
                looks[name][r, number - 1] = probe(layer)

    def _look_backward(
        self, r: int, looks: dict[str, NDArray[np.float64]], before: Array | None
    ) -> None:
        """Go back from where the forward pass ended and fill row r of the looks."""
        alone, p = self._alone, self._propagation
        befores = [] if before is None else alone.architecture.layers(before)
        total_above = np.nan
        for number in p.backward_by_layer():
            layer = BackwardLayer(
                delta=p.delta[number][0],
                signal=p.backward_signal[number][0] if number < len(alone.layers) else None,
                total_above=total_above,
                gradient=p.gradients[number - 1][0],
                theta=alone.layers[number - 1][0],
                before=befores[number - 1] if befores else None,
            )
            for name, probe in BACKWARD.items():
                looks[name][r, number - 1] = probe(layer)
            total_above = layer.total_delta
