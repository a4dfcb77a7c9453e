"""Slopes of a function g that is given as NumPy code: computed numerically, and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.errors import ConfigError

Floats = NDArray[np.float64]
Function = Callable[[NDArray[Any]], NDArray[Any]]

IMAGINARY = 1e-100  # its square is below the rounding of any number
WIDE, NARROW = 2.0**-8, 2.0**-17  # steps of differences; powers of 2 are exact
SIXTH_ORDER = {1: 45 / 60, 2: -9 / 60, 3: 1 / 60}
AGREEMENT = 1e-9  # of the two differences, relative to their rounding
TOLERANCE = 1e-6  # of a slope, relative
KINK = 1e-3  # difference of the one-sided slopes, relative


def grid() -> Floats:
    """Return where functions are checked: densely in [-8, 8], and in both tails to +-60."""
    tail = np.geomspace(8, 60, 60)
    return np.sort(np.concatenate([np.linspace(-8, 8, 1283) + 1e-3 / 3, tail, -tail]))


def numerical_slope(g: Function) -> Function:
    """Return a function that computes g'(z) in float64.

    Where g is made of functions that NumPy has for complex numbers too, g'(z) = Im g(z + i h) / h,
    h = 1e-100, which is as accurate as g itself. This is tried, and kept if it agrees with
    differences. Else g'(z) is the central difference of sixth order, whose error is about 1e-13
    |g|, or, near a kink, that of second order; the first is taken where the two differ by at most
    1e-9 (|g| + |g'|).
    """

    def complex_step(z: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.imag(g(z.astype(np.complex128) + 1j * IMAGINARY)) / IMAGINARY)

    z = grid()
    with np.errstate(all="ignore"):
        expected, smooth = differences(g, z), ~kinks(g, z)
        try:
            found = complex_step(z)
            allowed = TOLERANCE * np.abs(expected) + 1e-10 * (np.abs(g(z)) + np.abs(z * expected))
            agrees = found.shape == z.shape and (np.abs(found - expected) <= allowed)[smooth].all()
        except Exception:  # of any kind: g is not made for complex numbers
            agrees = False
    return complex_step if agrees else lambda z: differences(g, z)


def differences(g: Function, z: NDArray[Any]) -> Floats:
    """Return g'(z) as central differences in float64."""
    z = z.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = (g(z + NARROW) - g(z - NARROW)) / (2 * NARROW)
        wide = np.zeros_like(z)
        for multiple, weight in SIXTH_ORDER.items():
            wide += weight * (g(z + multiple * WIDE) - g(z - multiple * WIDE)) / WIDE
        rounding = np.abs(g(z)) + np.maximum(1, np.abs(z)) * np.abs(narrow)
        return np.where(np.abs(wide - narrow) <= AGREEMENT * rounding, wide, narrow)


def kinks(g: Function, z: Floats) -> NDArray[np.bool_]:
    """Return where the slopes of g on the two sides of z differ."""
    right, left = (g(z + NARROW) - g(z)) / NARROW, (g(z) - g(z - NARROW)) / NARROW
    return np.asarray(np.abs(right - left) > KINK * (np.abs(right) + np.abs(left)) + 1e-4)


def check_slope(label: str, g: Function, slope: Function) -> None:
    """Compare g' with the numerical slope of g on the grid, away from kinks.

    Args:
        label: names g in the message.
        g: takes z (N,) float64.
        slope: what is said to be g'.

    Raises:
        ConfigError: they differ by more than 1e-6, relatively; with the first such point.
    """
    z = grid()
    reference = numerical_slope(g)
    with np.errstate(all="ignore"):
        given, expected, size = np.asarray(slope(z)), reference(z), np.abs(g(z))
        rounding = 1e-15 * size if reference.__name__ == "complex_step" else 1e-10 * size
        wrong = ~(np.abs(given - expected) <= TOLERANCE * np.abs(expected) + rounding)
        wrong &= ~kinks(g, z)
    if wrong.any():
        at = np.flatnonzero(wrong)[np.abs(z[wrong]).argmin()]  # the nearest to 0 says most
        raise ConfigError(
            f"{label}: g' is wrong: at z = {z[at]:.6g} it returns {given[at]:.6g}, and the slope "
            f"of g there is {expected[at]:.6g}"
        )
