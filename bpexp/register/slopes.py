"""Compute the slope of a function g of NumPy arrays numerically, and check a given slope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.errors import ConfigError

Floats = NDArray[np.float64]
Function = Callable[[NDArray[Any]], NDArray[Any]]

IMAGINARY = 1e-100  # the complex step; the error of its square is below any rounding
WIDE, COARSE, NARROW = 2.0**-8, 2.0**-15, 2.0**-17  # steps of differences; powers of 2 are exact
SIXTH_ORDER = {1: 45 / 60, 2: -9 / 60, 3: 1 / 60}
AGREEMENT = 1e-9  # largest difference of two estimates that agree, relative to g and g'
TOLERANCE = 1e-6  # relative tolerance of a slope
ROUNDING = 1e-15  # tolerance relative to the largest slope, since larger terms may cancel
WINDOW = 41  # points of the grid
KINK = 1e-3  # difference of the one-sided slopes, relative


def grid() -> Floats:
    """Return the points at which functions are checked: dense in [-8, 8], with tails to +-60."""
    tail = np.geomspace(8, 60, 60)
    return np.sort(np.concatenate([np.linspace(-8, 8, 1283) + 1e-3 / 3, tail, -tail]))


def numerical_slope(g: Function) -> Function:
    """Return a function that computes g'(z) in float64.

    If g accepts complex numbers, and the result agrees with finite differences, the slope is

        g'(z) = Im g(z + i h) / h,   h = 1e-100,

    which is as accurate as g itself. Otherwise it is the central difference of sixth order, with
    an error of about 1e-13 |g|. Where this differs from the central difference of second order by
    more than 1e-9 (|g| + max(1, |z|) |g'|) and the rounding of g, as near a kink, the latter is
    used.
    """
    if _takes_complex(g):
        return lambda z: _complex_step(g, z)
    return lambda z: differences(g, z)[0]


def _takes_complex(g: Function) -> bool:
    """Return whether the complex step agrees with differences on the grid, away from kinks."""
    z = grid()
    with np.errstate(all="ignore"):
        expected, error = _differences_on_grid(g)
        try:
            found = _complex_step(g, z)
            agree = np.abs(found - expected) <= TOLERANCE * np.abs(expected) + error
            return found.shape == z.shape and bool((agree | kinks(g, z)).all())
        except Exception:  # of any kind: g is not made for complex numbers
            return False


def _complex_step(g: Function, z: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.imag(g(z.astype(np.complex128) + 1j * IMAGINARY)) / IMAGINARY)


def differences(g: Function, z: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Return g'(z) as central differences in float64, their size, and their rounding.

    The size is |g| + max(1, |z|) |g'|. The rounding is estimated from two differences of second
    order with different steps. It may be much larger than the rounding of g(z) if large terms in g
    cancel.
    """
    z = z.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow, coarse = ((g(z + h) - g(z - h)) / (2 * h) for h in (NARROW, COARSE))
        wide = np.zeros_like(z)
        for multiple, weight in SIXTH_ORDER.items():
            wide += weight * (g(z + multiple * WIDE) - g(z - multiple * WIDE)) / WIDE
        size = np.abs(g(z)) + np.maximum(1, np.abs(z)) * np.abs(narrow)
        rounding = 8 * np.abs(narrow - coarse)
        agree = np.abs(wide - narrow) <= AGREEMENT * size + rounding
        return np.where(agree, wide, narrow), size, rounding


def _differences_on_grid(g: Function) -> tuple[Floats, Floats]:
    """Return the slopes on the grid, and bounds of their errors.

    The rounding estimate of a single point may be small by chance. The bound uses the largest one,
    relative to the size, of the WINDOW points around each point.
    """
    slope, size, rounding = differences(g, grid())
    relative = np.divide(rounding, size, out=np.zeros_like(size), where=size > 0)
    padded = np.pad(relative, WINDOW // 2, mode="edge")
    largest = np.lib.stride_tricks.sliding_window_view(padded, WINDOW).max(axis=1)
    return slope, size * (AGREEMENT + largest)


def kinks(g: Function, z: Floats) -> NDArray[np.bool_]:
    """Return whether the left and the right slope of g at each z differ."""
    right, left = (g(z + NARROW) - g(z)) / NARROW, (g(z) - g(z - NARROW)) / NARROW
    return np.asarray(np.abs(right - left) > KINK * (np.abs(right) + np.abs(left)) + 1e-4)


def check_slope(label: str, g: Function, slope: Function) -> None:
    """Compare g' with the numerical slope of g on the grid, away from kinks.

    Args:
        label: the name of g in the message.
        g: a function of z (N,) float64.
        slope: the given g'.

    Raises:
        ConfigError: they differ by more than 1e-6, relatively; the message names the point of these
            that is nearest to 0.
    """
    z = grid()
    with np.errstate(all="ignore"):
        expected, error = _differences_on_grid(g)
        if _takes_complex(g):
            expected, error = _complex_step(g, z), np.zeros_like(z)
        given, error = np.asarray(slope(z)), error + ROUNDING * np.abs(expected).max()
        wrong = ~(np.abs(given - expected) <= TOLERANCE * np.abs(expected) + error)
        wrong &= ~kinks(g, z)
    if wrong.any():
        at = np.flatnonzero(wrong)[np.abs(z[wrong]).argmin()]
        raise ConfigError(
            f"{label}: g' is wrong: at z = {z[at]:.6g} it returns {given[at]:.6g}, and the slope "
            f"of g there is {expected[at]:.6g}"
        )
