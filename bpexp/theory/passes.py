"""Second moments of signals from layer to layer, forward and backward, in the limit of width.

With K^(l) the moments of the signal that the weights of layer l + 1 multiply, and
D^(l)_ij = E[dC/du_i . dC/du_j], u = W^T a + b of layer l,

    U^(l) = n_{l-1} Var W^(l) K^(l-1) + Var b^(l),  K^(0)_ij = x_i . x_j / n_0
    Pi^(l) = n_l Var W^(l+1) D^(l+1)

(Lee et al. 2018, arXiv 1711.00165; Schoenholz et al. 2017, arXiv 1611.01232).
`bpexp.theory.moments` computes K^(l) from U^(l), and D^(l) from Pi^(l).

In a residual network (`bpexp.nn.skips`) each block adds its branch to the stream. If a branch ends
with weights, it is uncorrelated with the stream, so that mean squares add up, forward and backward
(Yang & Schoenholz 2017, arXiv 1712.08969, theorems 3.2 and 3.4 for order full). With the stream's
moments P and the gradient's Lambda = E[dC/dx_i . dC/dx_j] at the stream x:

    pre    P <- P + s^2 U,                          D = s^2 Lambda, u of the block's last layer
    post   P <- P + s^2 K + s (M m^T + m M^T),      Pi = s^2 Lambda
           M <- M + s m, the means of the stream; K and m moments and means of g(z)
    full   P <- P + s^2 (n Var V K + Var c),        Pi = s^2 n Var V Lambda
    all    Lambda <- Lambda + the branch's gradient: D of its first layer in order pre, else Pi

In order post the branch is g(z) itself, whose mean over units is not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from bpexp.nn import Architecture, Choice
from bpexp.nn.skips import SKIPS, Skip
from bpexp.theory.batch_norm import BatchNormMoments
from bpexp.theory.moments import BatchMoments, Linear, Moment, Moments, PairMoments, norm_eps

Factory = Callable[[Moment], Moments]
"""From the covariance of u to the moments of its layer."""


class Stream(NamedTuple):
    """Moments of a signal of a residual network.

    Attributes:
        square: E[x_i x_j], a mean over units.
        mean: E[x_i].
    """

    square: Moment
    mean: Moment


class Forward(NamedTuple):
    """Moments of the forward pass.

    Attributes:
        read: K^(0) .. K^(L-1).
        hidden: the hidden layers' moments.
        output: U^(L), the covariance of the outputs z^(L).
        streams: P and M of the hidden layers where the stream is defined, by number.
        branches: moments of each block's branch before it is multiplied by s, by number of its last
            layer. Layer 1 begins the stream.
    """

    read: list[Moment]
    hidden: list[Moments]
    output: Moment
    streams: dict[int, Stream]
    branches: dict[int, Stream]


class Backward(NamedTuple):
    """Moments of the backward pass, sums over units.

    Attributes:
        a: Pi of the hidden layers, by number.
        z: E[delta_i . delta_j] of all layers, by number.
        u: D^(l) of all layers, by number.
        streams: Lambda of the hidden layers where the stream is defined, by number.
    """

    a: dict[int, Moment]
    z: dict[int, Moment]
    u: dict[int, Moment]
    streams: dict[int, Moment]


def batch_moments(activation: Choice, norm: Choice) -> Factory:
    """Return the factory of the moments of all pairs of a batch."""
    eps = norm_eps(norm)
    if eps is not None and norm.name == "batch":
        return lambda u: BatchNormMoments(activation, eps, u)
    return lambda u: BatchMoments(activation, eps, u)


def pair_moments(activation: Choice, norm: Choice) -> Factory:
    """Return the factory of the moments of an example and a typical pair."""
    return lambda u: PairMoments(activation, norm, u)


@dataclass(frozen=True)
class Wide:
    """A network in the limit of width.

    Attributes:
        sizes: units of each layer, inputs first.
        variances: (Var W, Var b) of each layer.
        skip: the skip connections; None for a plain network.
        outer: (Var V, Var c) of order full.
    """

    sizes: tuple[int, ...]
    variances: tuple[tuple[float, float], ...]
    skip: Skip | None
    outer: tuple[float, float]

    @classmethod
    def of(cls, architecture: Architecture, variances: Sequence[tuple[float, float]]) -> Wide:
        """Return the wide network of an architecture.

        Args:
            architecture: the network. If its skip connections do not state Var V, this is Var W of
                the second layer.
            variances: (Var W, Var b) of each layer.
        """
        skip, outer = architecture.skip.build(SKIPS), (0.0, 0.0)
        if skip is not None and skip.order == "full" and len(variances) > 2:
            own = skip.outer_weight_variance
            width = architecture.sizes[1]
            outer = variances[1][0] if own is None else own / width, skip.outer_bias_variance
        return cls(architecture.sizes, tuple(variances), skip, outer)

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.sizes) - 2

    @property
    def _order(self) -> str | None:
        return self.skip.order if self.skip else None

    @property
    def scale(self) -> float:
        """s, the factor of branches before training."""
        return self.skip.factor(self.skip.blocks(self.depth)) if self.skip else 0.0

    def is_in_stream(self, number: int) -> bool:
        """Return whether the stream begins or a block ends at a hidden layer."""
        return self.skip is not None and (number - 1) % self.skip.every == 0

    @property
    def outer_layers(self) -> range:
        """The layers with outer weights: the last layers of blocks in order full."""
        return (
            range(1 + self.skip.every, self.depth + 1, self.skip.every)
            if self.skip and self.skip.order == "full"
            else range(0)
        )

    def hop(self, number: int) -> float:
        """Return n_{l-1} Var W^(l) of layer l."""
        return self.sizes[number - 1] * self.variances[number - 1][0]

    def forward(self, inputs: Moment, moments: Factory) -> Forward:
        """Propagate moments to the outputs.

        Args:
            inputs: K^(0).
            moments: makes the moments of a layer from the covariance of u.
        """
        order, read = self._order, [inputs]
        hidden: list[Moments] = []
        streams: dict[int, Stream] = {}
        branches: dict[int, Stream] = {}
        for number in range(1, self.depth + 1):
            u = self._sums(number, read[-1])
            first, in_stream = number == 1, self.is_in_stream(number)
            if in_stream and order == "pre":
                branches[number] = Stream(u, np.zeros(u.shape[:-1]))
                u = self._join(streams, number, branches[number]).square
            layer = Linear(u) if first and order == "full" else moments(u)
            hidden.append(layer)
            read.append(layer.a)
            if in_stream and order != "pre":
                outer = number in self.outer_layers
                branches[number] = self._outer(layer) if outer else Stream(layer.a, layer.mean)
                read[-1] = self._join(streams, number, branches[number]).square
        return Forward(read, hidden, self._sums(self.depth + 1, read[-1]), streams, branches)

    def backward(self, found: Forward, delta: Moment) -> Backward:
        """Propagate moments of the gradient from the outputs to layer 1.

        Args:
            found: the forward pass.
            delta: E[delta_i . delta_j] of the output layer.
        """
        order, last = self._order, self.depth + 1
        back = Backward({}, {last: delta}, {last: delta}, {})
        stream: Moment = np.zeros_like(delta)
        for number in range(self.depth, 0, -1):
            layer = found.hidden[number - 1]
            signal = self.hop(number + 1) * back.u[number + 1]
            in_stream = self.is_in_stream(number)
            square = 1.0 if number == 1 else self.scale**2
            if in_stream and order != "pre":
                stream = back.streams[number] = stream + signal
                outer = self.sizes[1] * self.outer[0] if number in self.outer_layers else 1.0
                signal = square * outer * stream
            back.a[number] = signal
            back.z[number], back.u[number] = layer.delta(signal), layer.below(signal)
            if in_stream and order == "pre":
                stream = back.streams[number] = stream + back.u[number]
                back.u[number] = square * stream
        return back

    def stream_gradients(self, found: Forward) -> dict[int, float]:
        """Return E||dC/dx||^2 by layer of the stream, in ascending order, up to a common factor.

        Var W of the output layer, which may be 0, is replaced by 1.

        Args:
            found: the forward pass of a typical pair.
        """
        unit = replace(self, variances=(*self.variances[:-1], (1.0, 0.0)))
        streams = unit.backward(found, np.array([1.0, np.nan])).streams
        return {number: float(streams[number][0]) for number in sorted(streams)}

    def _sums(self, number: int, read: Moment) -> Moment:
        """Return U^(l) from K^(l-1)."""
        return np.asarray(self.hop(number) * read + self.variances[number - 1][1])

    def _outer(self, layer: Moments) -> Stream:
        """Return the moments of V g(z) + c."""
        weight, bias = self.outer
        square = self.sizes[1] * weight * layer.a + bias
        return Stream(np.asarray(square), np.zeros_like(layer.mean))

    def _join(self, streams: dict[int, Stream], number: int, branch: Stream) -> Stream:
        """Add a branch to the stream, or begin the stream with it; return the stream."""
        if number == 1:
            streams[1] = branch
        else:
            assert self.skip is not None
            below, s = streams[number - self.skip.every], self.scale
            crossed = np.multiply.outer(below.mean, s * branch.mean)
            square = below.square + s**2 * branch.square + crossed + crossed.T
            streams[number] = Stream(square, below.mean + s * branch.mean)
        return streams[number]
