"""Steps of loaders before they make a Dataset: check paths, scale columns, split examples."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from bpexp.data.dataset import Array, Examples
from bpexp.errors import ConfigError, DataError, out_of_range, reason


def readable(path: Path) -> Path:
    """Return the path after checking that it is a regular file.

    Raises:
        DataError: it does not exist or is a folder, a device or a pipe; reading could block.
    """
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from None
    if not stat.S_ISREG(kind):
        raise DataError(f"{path}: not a file")
    return path


def pixels(x: NDArray[np.uint8], largest: int, scale: bool) -> NDArray[np.float32]:
    """Return pixels 0 .. largest as float32, divided by `largest` if `scale`."""
    return x.astype(np.float32) / np.float32(largest) if scale else x.astype(np.float32)


def standardised(train: Array, test: Array) -> tuple[Array, Array]:
    """Shift and scale columns so that those of `train` have mean 0 and variance 1.

    Columns of equal numbers are shifted only. Both splits are shifted and scaled alike.

    Args:
        train: (N, n) float64.
        test: (M, n) float64.
    """
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1
    return (train - mean) / deviation, (test - mean) / deviation


def split(
    x: Array, y: Array, seed: int, source: str, regression: str = "data.task=regression"
) -> tuple[Examples, Examples]:
    """Split examples 80/20 at random, stratified by class.

    A fifth of the examples of each class, rounded, is in the test split.

    Args:
        x: inputs (N, ...).
        y: integer labels (N,), or floating-point targets, which are not stratified.
        seed: the seed of the split.
        source: a description of the examples' origin, for messages.
        regression: what the user writes for targets that are not classes, for messages.

    Raises:
        ConfigError: the seed is negative.
        DataError: there are fewer than 10 examples, x and y differ in length, or no class has the
            three examples of which one is held out.
    """
    if seed < 0:
        raise ConfigError(out_of_range("data.seed", seed, "an integer of at least 0"))
    if not y.ndim or len(x) != len(y) or len(y) < 10:
        shapes = f"shapes {x.shape} and {y.shape}"
        raise DataError(f"{source}: {shapes} are not (N, ...), and (N,) or (N, K), N >= 10")
    order = default_rng(SeedSequence(seed)).permutation(len(y))
    strata = y if y.ndim == 1 and y.dtype.kind in "iu" else np.zeros(len(y), np.int64)
    test = np.zeros(len(y), bool)
    for stratum in np.unique(strata):
        members = order[strata[order] == stratum]
        test[members[: round(len(members) / 5)]] = True
    if not test.any():
        raise DataError(
            f"{source}: no class has 3 examples, so none is held out; for targets of a regression, "
            f"which are not classes, choose {regression}"
        )
    held, kept = order[test[order]], order[~test[order]]
    return (x[kept], y[kept]), (x[held], y[held])
