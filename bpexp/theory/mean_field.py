"""Mean field: what wide random networks do to signals, forwards and backwards.

Poole et al. 2016 (arXiv 1606.05340) and Schoenholz et al. 2017 (arXiv 1611.01232): with
Var W = sigma_w2 / n_in and Var b = sigma_b2 the pre-activations of a wide layer are Gaussian, of a
variance q^l and, between two inputs, a correlation c^l that follow maps from layer to layer.

Both maps speak of averages over draws of the weights. Where g has a mean other than 0 (sigmoid,
ReLU), all examples share a large part of z, so the q of one network, averaged over however many
examples, still scatters around q^l by about sqrt(2 / n) a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpexp.nn import ACTIVATIONS, Choice
from bpexp.nn.activations import Activation
from bpexp.theory.gaussian import FINE, USUAL, Rule, Vector, mean, mean_product

LONGEST, SHORTEST = 1e9, 1e-9  # a length that passes these runs away from every fixed point
ROUNDING = 1e-13  # relative; more than quadrature and float64 err


@dataclass(frozen=True)
class MeanField:
    """An activation at (sigma_w2, sigma_b2).

    >>> round(MeanField(Choice("tanh"), 1.76, 0.05).chi_1(), 6)
    0.999796

    Attributes:
        activation: g, by name and parameters.
        sigma_w2: n_in Var W.
        sigma_b2: Var b.
    """

    activation: Choice
    sigma_w2: float
    sigma_b2: float = 0.0

    @property
    def g(self) -> Activation:
        """The activation, built."""
        return self.activation.build(ACTIVATIONS)

    def next_length(self, q: float) -> float:
        """q^(l+1) = sigma_w2 E[g(sqrt(q^l) z)^2] + sigma_b2 (Poole et al., eq. 3)."""
        return self.sigma_w2 * activity(self.g, q) + self.sigma_b2

    def fixed_length(self, start: float = 1.0) -> float:
        """q*, where q settles from `start`: infinity or 0 where it grows or shrinks without end.

        The map is increasing, so q moves one way, to the first fixed point that it meets; this is
        found between steps of a factor 4, then by bisection: on the margin of stability (tanh at
        sigma_w2 = 1, sigma_b2 = 0) iteration would take as many layers as q* has digits to lose.
        ReLU at sigma_w2 = 2, sigma_b2 = 0 keeps every length: then q* is `start`.
        """

        def drift(q: float) -> float:
            return self.next_length(q) / q - 1

        moves = drift(start)
        if abs(moves) <= ROUNDING:
            return start
        step = 4.0 if moves > 0 else 0.25
        near, far = start, step * start
        while drift(far) * moves > 0:
            if not SHORTEST < far < LONGEST:
                return np.inf if moves > 0 else 0.0
            near, far = far, step * far
        return _crossing(lambda q: drift(q) * moves, near, far)

    def chi(self, q: float) -> float:
        """Chi = sigma_w2 E[g'(sqrt(q) z)^2]; chi_1 at q = q* (Schoenholz et al., eq. 5)."""
        return self.sigma_w2 * slope_moment(self.g, q)

    def chi_1(self) -> float:
        """The factor by which E||delta||^2 changes a layer at q*, or in the limit without one."""
        return self.chi(self._settled())

    def next_correlation(self, c: float, q: float, rule: Rule = FINE) -> float:
        """c^(l+1) of two inputs of one length q: (sigma_w2 E[g(u1) g(u2)] + sigma_b2) / q^(l+1).

        Schoenholz et al., eq. 4, there at q = q*, where the divisor is q* itself.
        """
        g = self.g
        product = mean_product(lambda u: g(u)[0], q, c, rule)
        return (self.sigma_w2 * product + self.sigma_b2) / self.next_length(q)

    def fixed_correlation(self) -> float:
        """c*: 1 where chi_1 <= 1, else the stable point below 1.

        1 also where q runs away: to infinity every g of the table does as leaky does, which draws
        all signals together; to 0 they do as the identity, which keeps every c.
        """
        q = self.fixed_length()
        if not 0 < q < np.inf or self.chi(q) <= 1 + ROUNDING:
            return 1.0

        def drift(c: float) -> float:
            return self.next_correlation(c, q, USUAL) - c

        if drift(0.0) <= 1e-9:
            return 0.0
        low, high = 0.0, 1 - 1e-9
        while high - low > 1e-10:
            middle = (low + high) / 2
            low, high = (middle, high) if drift(middle) > 0 else (low, middle)
        return low

    def correlation_scale(self) -> float:
        """xi_c = -1 / ln(sigma_w2 E[g'(u1) g'(u2)]) at c*: layers that a signal survives (eq. 9).

        Infinite on the critical line. Where q runs away, the signal's length is what is lost: xi_c
        is then the layers in which it changes by a factor e, 1 / |ln chi_1|.
        """
        c, q = self.fixed_correlation(), self._settled()
        if c == 1:
            return abs(_layers(self.chi(q)))
        g = self.g
        return abs(_layers(self.sigma_w2 * mean_product(lambda u: g(u)[1], q, c)))

    def gradient_scale(self) -> float:
        """xi_grad = -1 / ln chi_1: layers in which E||delta||^2 falls by e; negative: it grows."""
        return _layers(self.chi_1())

    def _settled(self) -> float:
        """q*, or a length near enough to 0 or infinity that chi is at its limit."""
        return float(np.clip(self.fixed_length(), SHORTEST, LONGEST))


def activity(g: Activation, q: float) -> float:
    """E[g(sqrt(q) z)^2]."""
    return mean(lambda u: np.square(g(u)[0]), q)


def slope_moment(g: Activation, q: float) -> float:
    """E[g'(sqrt(q) z)^2]."""
    return mean(lambda u: np.square(g(u)[1]), q)


def critical_sigma_w2(activation: Choice, sigma_b2: float) -> float:
    """The sigma_w2 between 1e-3 and 1e3 at which chi_1 = 1 for this sigma_b2.

    Raises:
        ValueError: there is none, or q* jumps where chi_1 passes 1.
    """

    def excess(sigma_w2: float) -> float:
        return MeanField(activation, sigma_w2, sigma_b2).chi_1() - 1

    low, high = 1e-3, 1e3
    found = _crossing(lambda w: -excess(w), low, high) if excess(low) < 0 < excess(high) else low
    if abs(excess(found)) > 1e-3:
        raise ValueError(f"{activation.name} is nowhere critical at sigma_b2 = {sigma_b2}")
    return found


def critical_line(activation: Choice, lengths: Vector) -> tuple[Vector, Vector]:
    """Return (sigma_w2, sigma_b2) of the points with chi_1 = 1, one for each q* in `lengths`.

    At a given q* both follow at once: sigma_w2 = 1 / E[g'(sqrt(q*) z)^2], and
    sigma_b2 = q* - sigma_w2 E[g(sqrt(q*) z)^2]. Points with sigma_b2 < 0 are left out. For ReLU and
    its kin all are one point.
    """
    g = activation.build(ACTIVATIONS)
    sigma_w2 = np.array([1 / slope_moment(g, float(q)) for q in lengths])
    sigma_b2 = lengths - sigma_w2 * [activity(g, float(q)) for q in lengths]
    kept = sigma_b2 > -ROUNDING * lengths
    return sigma_w2[kept], np.maximum(sigma_b2[kept], 0.0)


def _crossing(f: Callable[[float], float], positive: float, other: float) -> float:
    """Where f turns from positive to not positive, by bisection of the logarithm."""
    while abs(other / positive - 1) > 1e-14:
        middle = float(np.sqrt(positive * other))
        if middle in (positive, other):
            break
        positive, other = (middle, other) if f(middle) > 0 else (positive, middle)
    return other


def _layers(rate: float) -> float:
    """-1 / ln rate."""
    log = float(np.log(rate)) if rate > 0 else -np.inf
    return np.inf if abs(log) < 1e-12 else -1 / log
