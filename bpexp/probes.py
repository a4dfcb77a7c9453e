"""What is looked at: one number a layer, from a forward and a backward pass that change nothing.

A probe is a row of PROBES: a name and a function of `Layer`, which holds everything the two passes
know of one layer. NaN says that the quantity is not defined there.
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
class Layer:
    """One layer of one network on the probe batch of B examples.

    Attributes:
        activation: g of the hidden layers; None in the output layer.
        z: z^(l), (n, B).
        a: a^(l), (n, B), without the constant unit; in the output layer the network's output.
        slope: g'(z^(l)), (n, B); None in the output layer.
        delta: delta^(l), (n, B), each column of its example's own cost.
        signal: W^(l+1) delta^(l+1), (n, B); None in the output layer.
        above: the next layer; None for the output layer.
        gradient: dC/dtheta^(l) summed over the examples, (n_in + 1, n), row 0 the biases.
        theta: theta^(l), (n_in + 1, n).
        before: theta^(l) at the last probe; None at the first.
    """

    activation: Activation | None
    z: Array
    a: Array
    slope: Array | None
    delta: Array
    signal: Array | None
    above: Layer | None
    gradient: Array
    theta: Array
    before: Array | None

    @property
    def examples(self) -> int:
        """B."""
        return int(self.z.shape[1])

    @cached_property
    def total_delta(self) -> float:
        """Frobenius norm of delta^(l)."""
        return norm(self.delta)

    @cached_property
    def total_signal(self) -> float:
        """Frobenius norm of W^(l+1) delta^(l+1)."""
        return np.nan if self.signal is None else norm(self.signal)

    @cached_property
    def activity(self) -> tuple[float, float]:
        """Mean and variance of a^(l) over units and examples, from one copy in float64."""
        wide = self.a.astype(np.float64, order="C").ravel()
        mean = wide.mean()
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
        if self.examples < 2 or not squares.all():
            return q, np.nan
        total = wide @ (1 / np.sqrt(squares))
        pairs = self.examples * (self.examples - 1)
        return q, float((total @ total - self.examples) / pairs)


def norm(x: Array) -> float:
    """Frobenius norm in float64, right over the whole range of x's dtype.

    Squares of float32 numbers fit float64; those of float64 numbers need a scale when they leave
    its range.
    """
    wide = np.asarray(x, dtype=np.float64, order="C").ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(wide @ wide)
    if 1e-280 < square < 1e280 or not wide.size:
        return float(np.sqrt(square))
    largest = float(np.abs(wide).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    wide = wide / largest
    return largest * float(np.sqrt(wide @ wide))


def grad_norm(layer: Layer) -> float:
    """Compute ||dC/dW^(l)||_F of the mean cost; the bias row is left out."""
    return norm(layer.gradient[1:]) / layer.examples


def bias_grad_norm(layer: Layer) -> float:
    """Compute ||dC/db^(l)||_2 of the mean cost."""
    return norm(layer.gradient[0]) / layer.examples


def delta_norm(layer: Layer) -> float:
    """Root mean square over the examples of ||delta_i^(l)||_2, each of its own cost."""
    return float(layer.total_delta / np.sqrt(layer.examples))


def weight_factor(layer: Layer) -> float:
    """||W delta|| / ||delta|| of the hop from layer l + 1: what the weights do to the signal."""
    if layer.above is None:
        return np.nan
    return _ratio(layer.total_signal, layer.above.total_delta)


def slope_factor(layer: Layer) -> float:
    """||g' * W delta|| / ||W delta|| of the hop: what the activation's slope does to the signal.

    weight_factor times slope_factor is delta_norm^(l) / delta_norm^(l+1).
    """
    return np.nan if layer.above is None else _ratio(layer.total_delta, layer.total_signal)


def activation_mean(layer: Layer) -> float:
    """Mean of a^(l) over units and examples."""
    return layer.activity[0]


def activation_variance(layer: Layer) -> float:
    """Variance of a^(l) over units and examples."""
    return layer.activity[1]


def q(layer: Layer) -> float:
    """Mean of (z^(l))^2 over units and examples: mean field's length (Poole et al. 2016)."""
    return layer.geometry[0]


def correlation(layer: Layer) -> float:
    """Mean over pairs of examples of the cosine between their z^(l): mean field's c."""
    return layer.geometry[1]


def saturation(layer: Layer) -> float:
    """Share of (example, unit) with |g'| < 0.05 max |g'|, for bounded activations."""
    if layer.activation is None or layer.slope is None or not layer.activation.bounded:
        return np.nan
    return float(np.mean(layer.slope < 0.05 * layer.activation.max_slope))


def dead(layer: Layer) -> float:
    """Share of units whose g' is 0 on the whole probe batch."""
    if layer.slope is None:
        return np.nan
    return 1 - np.count_nonzero(layer.slope.any(axis=1)) / len(layer.slope)


def update_ratio(layer: Layer) -> float:
    """||theta^(l) - theta^(l) at the last probe|| / ||theta^(l)||."""
    if layer.before is None:
        return np.nan
    return _ratio(norm(np.subtract(layer.theta, layer.before)), norm(layer.theta))


def zero_share(layer: Layer) -> float:
    """Share of exact zeros among the entries of dC/dW^(l)."""
    return float(1 - np.count_nonzero(layer.gradient[1:]) / layer.gradient[1:].size)


def subnormal_share(layer: Layer) -> float:
    """Share of subnormal entries in dC/dW^(l): not zero, below the dtype's normal range."""
    size = np.abs(layer.gradient[1:])
    return np.count_nonzero((size > 0) & (size < np.finfo(size.dtype).tiny)) / size.size


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else np.nan


PROBES: dict[str, Callable[[Layer], float]] = {
    probe.__name__: probe
    for probe in (
        grad_norm,
        bias_grad_norm,
        delta_norm,
        weight_factor,
        slope_factor,
        activation_mean,
        activation_variance,
        q,
        correlation,
        saturation,
        dead,
        update_ratio,
        zero_share,
        subnormal_share,
    )
}


class Prober:
    """The probe batch and the buffers to look at one network after another.

    One at a time, whatever the stack: the buffers stay in cache, and a run's numbers cannot depend
    on its neighbours.
    """

    def __init__(self, stack: Stack, rows: Array, columns: Array) -> None:
        """Take the probe batch: rows (B, n_0 + 1) with the constant unit, targets (K, B)."""
        self._alone = Stack(stack.architecture, stack.theta[:1].copy())
        self._propagation = Propagation(self._alone, rows, keep=True, divisor=1)
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
        looks = np.full((len(stack), len(PROBES), len(stack.layers)), np.nan)
        for r in map(int, np.flatnonzero(which)):
            layers = self._look(stack, r, None if before is None else before[r])
            for index, layer in enumerate(layers):
                looks[r, :, index] = [probe(layer) for probe in PROBES.values()]
        return dict(zip(PROBES, looks.swapaxes(0, 1), strict=True))

    def _look(self, stack: Stack, r: int, before: Array | None) -> list[Layer]:
        """Propagate network r's probe batch both ways and return its layers, first to last."""
        alone, p = self._alone, self._propagation
        alone.theta[:] = stack.theta[r]
        p.forward()
        p.backward()
        last = len(alone.layers)
        befores = [None] * last if before is None else stack.architecture.layers(before)
        layers: list[Layer] = []
        above = None
        for number in range(last, 0, -1):
            hidden = number < last
            above = Layer(
                activation=alone.activation if hidden else None,
                z=p.z[number][0],
                a=p.a[number][0, 1:] if hidden else alone.cost.output(p.z[number])[0],
                slope=p.slope[number][0] if hidden else None,
                delta=p.delta[number][0],
                signal=p.backward_signal[number][0] if hidden else None,
                above=above,
                gradient=p.gradients[number - 1][0],
                theta=alone.layers[number - 1][0],
                before=befores[number - 1],
            )
            layers.append(above)
        return layers[::-1]
