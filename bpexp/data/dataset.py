"""A data set: two splits of labelled examples, checked once and never changed."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from bpexp.errors import ConfigError, DataError, out_of_range, reason

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples; all arrays are C-contiguous and read-only.

    Attributes:
        name: of the loader.
        x_train: inputs (N, n), float32 for images (exact quotients rounded once), else float64.
        y_train: labels (N,), int64, 0 .. n_classes - 1.
        x_test: inputs (M, n).
        y_test: labels (M,).
        n_classes: K.
        digest: 32 hexadecimal digits that stand for the four arrays.
        source: where the examples came from, for people.
        image_shape: (height, width) where the inputs are images, else None.
    """

    name: str
    x_train: Array
    y_train: NDArray[np.int64]
    x_test: Array
    y_test: NDArray[np.int64]
    n_classes: int
    digest: str
    source: str
    image_shape: tuple[int, int] | None = None

    @property
    def n_features(self) -> int:
        """The number of inputs, n."""
        return int(self.x_train.shape[1])

    @property
    def train_chance(self) -> float:
        """Training accuracy of always guessing the training split's commonest class."""
        return float(np.bincount(self.y_train).max() / len(self.y_train))

    @property
    def chance(self) -> float:
        """Test accuracy of always guessing the training split's commonest class."""
        commonest = np.bincount(self.y_train, minlength=self.n_classes).argmax()
        return float(np.mean(self.y_test == commonest))


def make_dataset(
    name: str,
    source: str,
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    *,
    n_classes: int | None = None,
    limit: int | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Dataset:
    """Check two splits and freeze them.

    Args:
        name: of the loader.
        source: where the examples came from.
        train: inputs (N, n) and labels (N,).
        test: inputs (M, n) and labels (M,).
        n_classes: K; by default the largest label plus one.
        limit: keep the first examples of the training split only.
        image_shape: (height, width) of images.

    Raises:
        ConfigError: `limit` is below 1.
        DataError: the arrays are no data set.
    """
    if limit is not None and limit < 1:
        raise ConfigError(out_of_range("data.limit", limit, "an integer of at least 1, or null"))
    x_train, y_train = _checked(source, "training", *train)
    x_test, y_test = _checked(source, "test", *test)
    if x_train.shape[1] != x_test.shape[1]:
        raise DataError(
            f"{source}: {x_train.shape[1]} features in training, {x_test.shape[1]} in test"
        )
    found = int(max(y_train.max(), y_test.max())) + 1
    classes = found if n_classes is None else n_classes
    if classes < 2 or found > classes:
        raise DataError(f"{source}: labels up to {found - 1} for {classes} classes")
    arrays = [x_train[:limit], y_train[:limit], x_test, y_test]
    arrays = [np.ascontiguousarray(array) for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    x_train, y_train, x_test, y_test = arrays
    digest = _digest(arrays)
    return Dataset(name, x_train, y_train, x_test, y_test, classes, digest, source, image_shape)


def _checked(source: str, split: str, x: Array, y: Array) -> tuple[Array, NDArray[np.int64]]:
    if x.ndim < 2 or y.ndim != 1:
        raise DataError(f"{source}: {split} shapes {x.shape} and {y.shape} are not (N, n), (N,)")
    if len(x) != len(y):
        raise DataError(f"{source}: {len(x)} {split} examples but {len(y)} labels")
    x = x.reshape(len(x), -1)
    if not x.size:
        raise DataError(f"{source}: the {split} split is empty")
    if not np.issubdtype(y.dtype, np.integer) or y.dtype == np.uint64:
        raise DataError(f"{source}: {split} labels of dtype {y.dtype} are not integers")
    if y.min() < 0:
        raise DataError(f"{source}: {split} label {y.min()} is negative")
    if x.dtype not in (np.float32, np.float64) or not np.isfinite(x).all():
        raise DataError(f"{source}: {split} inputs are not finite floating-point numbers")
    return x, y.astype(np.int64)


def _digest(arrays: list[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{array.shape}{little.dtype.str}".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()[:32]


def readable(path: Path) -> Path:
    """Return the path of a file at hand.

    Raises:
        DataError: there is none, or it is a folder, a device or a pipe, which might never end.
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


def stratified(
    x: Array, y: Array, seed: int, source: str
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Split 80/20 so that every class gives a fifth of its examples, rounded, to the test split.

    Raises:
        ConfigError: the seed is negative.
        DataError: there are too few examples to split, or no labels of examples.
    """
    if seed < 0:
        raise ConfigError(out_of_range("data.seed", seed, "an integer of at least 0"))
    if y.ndim != 1 or len(x) != len(y) or len(y) < 10:
        raise DataError(f"{source}: shapes {x.shape} and {y.shape} are not (N, ...), (N,), N >= 10")
    order = default_rng(SeedSequence(seed)).permutation(len(y))
    test = np.zeros(len(y), bool)
    for label in np.unique(y):
        members = order[y[order] == label]
        test[members[: round(len(members) / 5)]] = True
    held, kept = order[test[order]], order[~test[order]]
    return (x[kept], y[kept]), (x[held], y[held])
