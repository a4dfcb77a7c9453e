"""An activation from a function of z that returns g(z), or g(z) and g'(z)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.errors import ConfigError, reason
from bpexp.nn.activations import Activation, Array, Scratch
from bpexp.nn.tape import Emit
from bpexp.register.slopes import check_slope, grid, numerical_slope

FAR = 1e4  # |z| at which limits are evaluated


def plain_activation(label: str, function: Callable[[Any], Any]) -> Activation:
    """Return the activation of a function of arrays, after checking it.

    `bounded`, `max_slope` and `negative_slope` are found from the function's values.

    Args:
        label: the activation's name in messages.
        function: an elementwise function of z of any shape, which returns g(z), or g(z) and g'(z).

    Raises:
        ConfigError: the function is not elementwise, is not finite or changes z, or g' is not the
            slope of g.
    """
    g: Callable[[Any], Any] = function
    slope_of: Callable[[Any], Any]
    if _check_values(label, function):
        g, slope_of = _part(function, 0), _part(function, 1)
        check_slope(label, g, slope_of)
        write = _writer_of_pairs(function)
    else:
        slope_of = numerical_slope(g)
        write = _writer_of_values(g, slope_of)

    def evaluate(emit: Emit, z: Array, a: Array, slope: Array | None, scratch: Scratch) -> None:
        emit(write, z, a, slope)

    with np.errstate(all="ignore"):
        return Activation(
            evaluate,
            bounded=_is_bounded(g),
            max_slope=_largest(slope_of),
            negative_slope=_limit(slope_of),
        )


Write = Callable[[Array, Array, Array | None], None]


def _part(function: Callable[[Any], Any], index: int) -> Callable[[Any], Any]:
    return lambda z: np.asarray(function(z)[index])


def _writer_of_pairs(function: Callable[[Any], Any]) -> Write:
    def write(z: Array, a: Array, slope: Array | None) -> None:
        if slope is None:
            a[...] = function(z)[0]
        else:
            a[...], slope[...] = function(z)

    return write


def _writer_of_values(g: Callable[[Any], Any], slope_of: Callable[[Any], Any]) -> Write:
    def write(z: Array, a: Array, slope: Array | None) -> None:
        a[...] = g(z)
        if slope is not None:
            slope[...] = slope_of(z)

    return write


def _check_values(label: str, function: Callable[[Any], Any]) -> bool:
    """Check the function's values on the grid; return whether it returns a pair.

    Raises:
        ConfigError: see `plain_activation`.
    """
    z = grid()
    given, few = z.copy(), z[::-3].reshape(1, -1)
    try:
        with np.errstate(all="ignore"):
            found, again = function(given), function(few.copy())
    except Exception as error:  # of any kind: the function is the user's
        raise ConfigError(f"{label}: {type(error).__name__}: {reason(error)}") from None
    if not np.array_equal(given, z):
        raise ConfigError(f"{label}: it changes its argument z; return new arrays")
    pair = isinstance(found, tuple)
    for name, values, others in zip(
        ("g", "g'"), found if pair else (found,), again if pair else (again,), strict=False
    ):
        _check_array(label, name, z, np.asarray(values))
        _check_array(label, name, few, np.asarray(others))
        expected, other = np.asarray(values)[::-3], np.asarray(others)[0]
        differ = ~np.isclose(expected, other, rtol=1e-9, atol=0)
        if differ.any():
            at = int(differ.argmax())
            raise ConfigError(
                f"{label}: {name} is not elementwise: at z = {few[0, at]:.6g} it is "
                f"{expected[at]:.6g} or {other[at]:.6g}, depending on the other elements"
            )
    return pair


def _check_array(label: str, name: str, z: Array, values: NDArray[Any]) -> None:
    if values.shape != z.shape or values.dtype.kind not in "bif":
        raise ConfigError(
            f"{label}: {name} is an array of {values.dtype} of shape {values.shape} for z of shape "
            f"{z.shape}, and not of real numbers of that shape"
        )
    if not np.isfinite(values).all():
        at = int((~np.isfinite(values)).argmax())
        raise ConfigError(f"{label}: {name} is {values.flat[at]} at z = {z.flat[at]:.6g}")


def _is_bounded(g: Callable[[Any], Any]) -> bool:
    """Return whether g has two horizontal asymptotes."""
    near, far = g(np.array([-FAR, FAR])), g(np.array([-2 * FAR, 2 * FAR]))
    return bool((np.abs(far - near) <= 1e-3 * np.maximum(1, np.abs(near))).all())


def _largest(slope_of: Callable[[Any], Any]) -> float:
    """Return max |g'|, found on the grid and then on finer and finer grids around the maximum."""
    z, width = grid(), 0.02
    for _ in range(4):
        peak = z[np.abs(slope_of(z)).argmax()]
        z, width = peak + np.linspace(-width, width, 401), width / 200
    return float(np.abs(slope_of(z)).max())


def _limit(slope_of: Callable[[Any], Any]) -> float:
    """Return the limit of g'(z) for z to minus infinity; 0 if there is none."""
    near, far = (float(slope_of(np.array([z]))[0]) for z in (-FAR, -2 * FAR))
    converged = np.isfinite(far) and abs(far - near) <= 1e-6 * max(1, abs(far))
    return far if converged and abs(far) > 1e-6 else 0.0
