"""Mean-field theory of wide random networks: length, correlation and gradient from layer to layer.

Poole et al. 2016 (arXiv 1606.05340) and Schoenholz et al. 2017 (arXiv 1611.01232): with
Var W = sigma_w2 / n_in and Var b = sigma_b2 the pre-activations of a wide layer are Gaussian. A map
from layer to layer gives their variance q^l, and another one their correlation c^l between two
inputs.

Both maps describe averages over draws of the weights. Where the mean of g is not 0 (sigmoid, ReLU),
a large part of z is common to all examples. The q of one network of width n then differs from q^l
by about sqrt(2 / n) a layer, however many examples it is averaged over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bpexp.nn import ACTIVATIONS, Choice
from bpexp.nn.activations import Activation
from bpexp.theory.gaussian import FINE, USUAL, Rule, Vector, mean, mean_product

# Beyond these lengths q is taken to grow without bound, or to shrink to 0. The lower one is small
# because softsign at sigma_w2 = 1 + e has q* = e^2 / 10.
LARGEST_LENGTH, SMALLEST_LENGTH = 1e9, 1e-24
BESIDE = 1.001  # relative to q*: the length from which the stability of q* is tested
ROUNDING = 1e-13  # relative; larger than the rounding errors of quadrature
INFINITESIMAL, FAR = 1e-300, 1e30  # arguments at which g' has its limits at 0 and at infinity


@dataclass(frozen=True)
class MeanField:
    """An activation at (sigma_w2, sigma_b2).

    >>> round(MeanField(Choice("tanh"), 1.76, 0.05).chi_1(), 6)
    0.999796

    Attributes:
        activation: g, by name and parameters.
        sigma_w2: n_in Var W.
        sigma_b2: Var b.
        first_length: q of the first layer, above 0. It decides the limit of q if q has several, as
            for SiLU at (1.995, 0.5).
    """

    activation: Choice
    sigma_w2: float
    sigma_b2: float = 0.0
    first_length: float = 1.0

    @property
    def g(self) -> Activation:
        """The activation, built."""
        return self.activation.build(ACTIVATIONS)

    def next_length(self, q: float) -> float:
        """Return q^(l+1) = sigma_w2 E[g(sqrt(q^l) z)^2] + sigma_b2 (Poole et al., eq. 3)."""
        return self.sigma_w2 * activity(self.g, q) + self.sigma_b2

    def fixed_length(self) -> float:
        """Return q*, the limit of q; infinity or 0 if q grows or shrinks without bound.

        The map is increasing, so q converges monotonically from `first_length` to the nearest fixed
        point in the direction in which q changes. Steps of a factor 4 bracket this point, and
        bisection finds it. Iterating the map would converge too slowly at the margin of stability
        (tanh at sigma_w2 = 1, sigma_b2 = 0). ReLU at sigma_w2 = 2, sigma_b2 = 0 preserves every
        length; q* is then `first_length`.
        """
        return self._fixed_length

    @cached_property
    def _fixed_length(self) -> float:
        def drift(q: float) -> float:
            return self.next_length(q) / q - 1

        near = self.first_length
        moves = drift(near)
        if abs(moves) <= ROUNDING:
            return near
        step = 4.0 if moves > 0 else 0.25
        far = step * near
        while drift(far) * moves > 0:
            if moves > 0 and far >= LARGEST_LENGTH:
                return np.inf
            if moves < 0 and far <= SMALLEST_LENGTH:
                return 0.0
            near, far = far, step * far
        return _crossing(lambda q: drift(q) * moves, near, far)

    def chi(self, q: float) -> float:
        """Return chi = sigma_w2 E[g'(sqrt(q) z)^2], of which chi_1 is the value at q = q*.

        This is eq. 5 of Schoenholz et al.
        """
        return self.sigma_w2 * slope_moment(self.g, q)

    def chi_1(self) -> float:
        """Return chi(q*), the factor of E||delta||^2 from a layer to the one below it.

        If q shrinks to 0 or grows without bound, chi_1 is the limit: sigma_w2 times the mean of the
        squares of g'(0+) and g'(0-), or of g'(inf) and g'(-inf).
        """
        q = self.fixed_length()
        if 0 < q < np.inf:
            return self.chi(q)
        z = INFINITESIMAL if q == 0 else FAR
        slopes = self.g(np.array([z, -z]))[1]
        return self.sigma_w2 * float(np.square(slopes).mean())

    def next_correlation(self, c: float, q: float, rule: Rule = FINE) -> float:
        """Return c^(l+1) of two inputs of equal length.

            c^(l+1) = (sigma_w2 E[g(u1) g(u2)] + sigma_b2) / q^(l+1)

        Schoenholz et al., eq. 4, where q = q*, and q* is the divisor.

        Args:
            c: the inputs' correlation c^l.
            q: their length q^l.
            rule: the quadrature rule.
        """
        g = self.g
        product = mean_product(lambda u: g(u)[0], q, c, rule)
        return (self.sigma_w2 * product + self.sigma_b2) / self.next_length(q)

    def fixed_correlation(self) -> float:
        """Return c*: 1 if chi_1 <= 1, else the stable fixed point below 1.

        c* is also 1 if q has no finite, positive limit. As q grows, every g of the table acts
        piecewise linearly, so the correlation tends to 1. As q shrinks to 0, g acts as its linear
        part, which preserves every c.
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
        """Return xi_c, in layers (Schoenholz et al., eq. 9).

            xi_c = -1 / ln(sigma_w2 E[g'(u1) g'(u2)]) at c*

        Differences of correlation from c* fall by a factor e over xi_c layers. xi_c is infinite on
        the critical line. If q has no finite, positive limit, the network loses the length of the
        signal, and xi_c is the number of layers over which it changes by a factor e,
        1 / |ln chi_1|.
        """
        c = self.fixed_correlation()
        if c == 1:
            return abs(_layers(self.chi_1()))
        g, q = self.g, self.fixed_length()
        return abs(_layers(self.sigma_w2 * mean_product(lambda u: g(u)[1], q, c)))

    def gradient_scale(self) -> float:
        """Return xi_grad = -1 / ln chi_1, in layers (Schoenholz et al., eq. 17).

        E||delta||^2 falls by a factor e over xi_grad layers; it grows if xi_grad is negative.
        """
        return _layers(self.chi_1())


def normalised_field(field: MeanField, norm: Choice) -> MeanField:
    """Return the mean field with the maps of a network that normalises before g.

    With layer and RMS normalisation q = 1. The next layer divides by
    s = sigma_w2 E[g(z)^2] + sigma_b2, which has the same effect as dividing both variances by s. So
    chi = sigma_w2 E[g'(z)^2] / s, which is E[g'(z)^2] / E[g(z)^2] without biases.

    Batch normalisation with a large batch subtracts the mean over examples and divides by
    s = sigma_w2 Var g(z) (Yang et al. 2019, arXiv 1902.08129). The map of correlations over the
    batch is (E[g(z_1) g(z_2)] - E[g(z)]^2) / Var g(z), which is the map of a mean field with the
    variances 1 / Var g(z) and -E[g(z)]^2 / Var g(z). Its fixed point is c* = 0, where

        chi = E[g'(z)^2] / Var g(z) > 1,  1 / xi_c = -ln(E[g'(z)]^2 / Var g(z))

    Args:
        field: activation and variances.
        norm: the norm, by name and parameters; its eps is taken to be small.
    """
    if norm.name == "none":
        return field
    if norm.name != "batch":
        s = field.next_length(1.0)
        return MeanField(field.activation, field.sigma_w2 / s, field.sigma_b2 / s)
    g = field.g
    squared = mean(lambda z: g(z)[0], 1.0) ** 2
    variance = activity(g, 1.0) - squared
    return MeanField(field.activation, 1 / variance, -squared / variance)


def activity(g: Activation, q: float) -> float:
    """Return E[g(sqrt(q) z)^2], z ~ N(0, 1)."""
    return mean(lambda u: np.square(g(u)[0]), q)


def slope_moment(g: Activation, q: float) -> float:
    """Return E[g'(sqrt(q) z)^2], z ~ N(0, 1)."""
    return mean(lambda u: np.square(g(u)[1]), q)


def critical_sigma_w2(activation: Choice, sigma_b2: float) -> float:
    """Return the sigma_w2 between 1e-3 and 1e3 at which chi_1 = 1.

    At sigma_b2 = 0 it is 1 / g'(0)^2 for tanh, softsign and ELU, since q* is 0 below it.

    Args:
        activation: g, by name and parameters.
        sigma_b2: Var b.

    Raises:
        ValueError: there is no such sigma_w2, or q* is discontinuous where chi_1 crosses 1.
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

    q* determines both: sigma_w2 = 1 / E[g'(sqrt(q*) z)^2] and sigma_b2 = q* - sigma_w2 E[g(sqrt(q*)
    z)^2]. Points with sigma_b2 < 0 are left out, and so are points with an unstable q*, to which no
    network converges (GELU and SiLU have them). For ReLU and leaky ReLU all points are the same.

    Args:
        activation: g, by name and parameters.
        lengths: values of q*, (N,).
    """
    g = activation.build(ACTIVATIONS)
    sigma_w2 = np.array([1 / slope_moment(g, float(q)) for q in lengths])
    sigma_b2 = lengths - sigma_w2 * [activity(g, float(q)) for q in lengths]
    beyond = sigma_w2 * [activity(g, float(BESIDE * q)) for q in lengths] + sigma_b2
    is_stable = beyond <= BESIDE * lengths * (1 + ROUNDING)
    kept = (sigma_b2 > -ROUNDING * lengths) & is_stable
    return sigma_w2[kept], np.maximum(sigma_b2[kept], 0.0)


def _crossing(f: Callable[[float], float], positive: float, other: float) -> float:
    """Return the point where f changes from positive to not positive, by bisection in logarithm.

    Args:
        f: the function.
        positive: a point at which f is positive.
        other: a point at which f is not positive.
    """
    while (middle := float(np.sqrt(positive * other))) not in (positive, other):
        positive, other = (middle, other) if f(middle) > 0 else (positive, middle)
    return other


def _layers(rate: float) -> float:
    """Return -1 / ln rate."""
    log = float(np.log(rate)) if rate > 0 else -np.inf
    return np.inf if abs(log) < 1e-12 else -1 / log
