"""Mean field: what wide random networks do to signals, forwards and backwards.

Poole et al. 2016 (arXiv 1606.05340) and Schoenholz et al. 2017 (arXiv 1611.01232): with
Var W = sigma_w2 / n_in and Var b = sigma_b2 the pre-activations of a wide layer are Gaussian, of a
variance q^l and, between two inputs, a correlation c^l that follow maps from layer to layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpexp.nn import ACTIVATIONS, Choice
from bpexp.nn.activations import Activation
from bpexp.theory.gaussian import Vector, mean, mean_product

HUGE, TINY = 1e12, 1e-12  # a length beyond these runs away from every fixed point


@dataclass(frozen=True)
class MeanField:
    """An activation at (sigma_w2, sigma_b2).

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
        """q*, where q settles from `start`.

        0 or infinity where it runs away. ReLU at sigma_w2 = 2, sigma_b2 = 0 keeps every length:
        then q* is `start`.
        """
        q = start
        for _ in range(100_000):
            after = self.next_length(q)
            if after > HUGE:
                return np.inf
            if after < TINY:
                return 0.0
            if abs(after - q) <= 1e-14 * q:
                return after
            q = after
        return q

    def chi(self, q: float) -> float:
        """Chi = sigma_w2 E[g'(sqrt(q) z)^2]; chi_1 at q = q* (Schoenholz et al., eq. 5)."""
        return self.sigma_w2 * slope_moment(self.g, q)

    def chi_1(self) -> float:
        """The factor by which E||delta||^2 changes a layer, at the fixed point."""
        return self.chi(self._somewhere())

    def next_correlation(self, c: float, q: float) -> float:
        """c^(l+1) = (sigma_w2 E[g(u1) g(u2)] + sigma_b2) / q at a length q = q* (eq. 4)."""
        g = self.g
        product = mean_product(lambda u: g(u)[0], q, c)
        return (self.sigma_w2 * product + self.sigma_b2) / q

    def fixed_correlation(self) -> float:
        """c*: 1 where chi_1 <= 1, else the stable point below 1, by bisection."""
        q = self.fixed_length()
        if not 0 < q < np.inf or self.chi(q) <= 1:
            return 1.0
        low, high = 0.0, 1 - 1e-9
        if self.next_correlation(low, q) <= low:
            return 0.0
        while high - low > 1e-10:
            middle = (low + high) / 2
            if self.next_correlation(middle, q) > middle:
                low = middle
            else:
                high = middle
        return low

    def correlation_scale(self) -> float:
        """xi_c = -1 / ln(sigma_w2 E[g'(u1) g'(u2)]) at c*: layers that a signal survives (eq. 9).

        Infinite on the critical line. Where q runs away, |ln chi_1| takes the logarithm's place.
        """
        c, q = self.fixed_correlation(), self._somewhere()
        g = self.g
        rate = self.chi(q) if c == 1 else self.sigma_w2 * mean_product(lambda u: g(u)[1], q, c)
        return _layers(rate)

    def gradient_scale(self) -> float:
        """xi_grad = -1 / ln chi_1: layers in which E||delta||^2 falls by e; negative: it grows."""
        log = np.log(self.chi_1())
        return np.inf if abs(log) < 1e-12 else float(-1 / log)

    def _somewhere(self) -> float:
        """q*, or 1 where there is none: chi does not depend on q for ReLU and its kin."""
        q = self.fixed_length()
        return q if 0 < q < np.inf else 1.0


def activity(g: Activation, q: float) -> float:
    """E[g(sqrt(q) z)^2]."""
    return mean(lambda u: _squared(g(u)[0]), q)


def slope_moment(g: Activation, q: float) -> float:
    """E[g'(sqrt(q) z)^2]."""
    return mean(lambda u: _squared(g(u)[1]), q)


def critical_sigma_w2(activation: Choice, sigma_b2: float) -> float:
    """The sigma_w2 at which chi_1 = 1 for this sigma_b2, by bisection between 1e-3 and 1e3.

    Raises:
        ValueError: there is none.
    """
    low, high = 1e-3, 1e3
    below = MeanField(activation, low, sigma_b2).chi_1() - 1
    if below * (MeanField(activation, high, sigma_b2).chi_1() - 1) > 0:
        raise ValueError(f"{activation.name} is nowhere critical at sigma_b2 = {sigma_b2}")
    while high / low - 1 > 1e-9:
        middle = np.sqrt(low * high)
        if (MeanField(activation, middle, sigma_b2).chi_1() - 1) * below > 0:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))


def _layers(rate: float) -> float:
    log = abs(np.log(rate)) if rate > 0 else np.inf
    return np.inf if log < 1e-12 else float(1 / log)


def _squared(x: Vector) -> Vector:
    return np.square(x)
