"""A data set: two splits of examples with their targets, checked once and never changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.errors import ConfigError, DataError, out_of_range
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import TASKS

Array = NDArray[Any]
Examples = tuple[Array, Array]
"""Inputs (N, n), and labels (N,) or targets (N, K)."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples; all arrays are C-contiguous and read-only.

    Attributes:
        name: of the loader.
        x_train: inputs (N, n), float32 for images (exact quotients rounded once), else float64.
        y_train: labels (N,) int64, 0 .. K - 1, or targets (N, K) float64, as the task says.
        x_test: inputs (M, n).
        y_test: labels (M,) or targets (M, K).
        n_outputs: K, the number of classes, or of targets an example.
        digest: 32 hexadecimal digits that stand for the four arrays and the task.
        source: where the examples came from, for people.
        task: the name of what is learnt, a row of `bpexp.nn.tasks.TASKS`.
        image_shape: (height, width) where the inputs are images, else None.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    n_outputs: int
    digest: str
    source: str
    task: str = "classification"
    image_shape: tuple[int, int] | None = None

    @property
    def n_features(self) -> int:
        """The number of inputs, n."""
        return int(self.x_train.shape[1])

    @cached_property
    def train_chance(self) -> float:
        """Primary metric of the best constant guess on the training split."""
        return self._chance(self.y_train)

    @cached_property
    def chance(self) -> float:
        """Primary metric of the best constant guess on the test split.

        The guess is the mean target of the training split: its commonest class in classification.
        """
        return self._chance(self.y_test)

    def targets(self, y: Array, dtype: DTypeLike = np.float64) -> Targets:
        """Return labels or targets of this data set as columns of a table of floats."""
        return Targets.of(y, self.n_outputs, dtype, TASKS[self.task].labels)

    def _chance(self, y: Array) -> float:
        task, targets = TASKS[self.task], self.targets(y)
        guess = self.targets(self.y_train).mean[:, None]
        return task.score(np.broadcast_to(guess, targets.columns.shape), targets)


def make_dataset(
    name: str,
    source: str,
    train: Examples,
    test: Examples,
    *,
    task: str = "classification",
    n_classes: int | None = None,
    limit: int | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Dataset:
    """Check two splits and freeze them.

    Args:
        name: of the loader.
        source: where the examples came from.
        train: inputs (N, n), and labels (N,) or targets (N, K).
        test: the same of M other examples.
        task: what is learnt, a row of `bpexp.nn.tasks.TASKS`.
        n_classes: K of labels; by default the largest label plus one.
        limit: keep the first examples of the training split only.
        image_shape: (height, width) of images.

    Raises:
        ConfigError: `limit` is below 1.
        DataError: the arrays are no data set.
    """
    if limit is not None and limit < 1:
        raise ConfigError(out_of_range("data.limit", limit, "an integer of at least 1, or null"))
    check = _labels if TASKS[task].labels else _numbers
    x_train, x_test = _inputs(source, "training", *train), _inputs(source, "test", *test)
    y_train, y_test = check(source, "training", train[1]), check(source, "test", test[1])
    x_train, y_train = x_train[:limit], y_train[:limit]
    if x_train.shape[1] != x_test.shape[1]:
        raise DataError(
            f"{source}: {x_train.shape[1]} features in training, {x_test.shape[1]} in test"
        )
    arrays = [np.ascontiguousarray(array) for array in (x_train, y_train, x_test, y_test)]
    for array in arrays:
        array.flags.writeable = False
    x_train, y_train, x_test, y_test = arrays
    if TASKS[task].labels:
        n_outputs = _count_classes(source, y_train, y_test, n_classes)
    else:
        n_outputs = _count_numbers(source, y_train, y_test)
    return Dataset(
        name, x_train, y_train, x_test, y_test, n_outputs, _digest(task, arrays), source, task,
        image_shape,
    )  # fmt: skip


def _inputs(source: str, split: str, x: Array, y: Array) -> Array:
    """Return inputs (N, n) of a split."""
    if x.ndim < 2 or y.ndim not in (1, 2):
        shapes = f"{split} shapes {x.shape} and {y.shape}"
        raise DataError(f"{source}: {shapes} are not (N, n), and (N,) or (N, K)")
    if len(x) != len(y):
        raise DataError(f"{source}: {len(x)} {split} examples but {len(y)} targets")
    x = x.reshape(len(x), -1)
    if not x.size:
        raise DataError(f"{source}: the {split} split is empty")
    if x.dtype not in (np.float32, np.float64) or not np.isfinite(x).all():
        raise DataError(f"{source}: {split} inputs are not finite floating-point numbers")
    return x


def _labels(source: str, split: str, y: Array) -> Array:
    """Return labels (N,) as int64."""
    if y.ndim != 1:
        raise DataError(f"{source}: {split} labels of shape {y.shape} are not (N,)")
    if not np.issubdtype(y.dtype, np.integer) or y.dtype == np.uint64:
        raise DataError(f"{source}: {split} labels of dtype {y.dtype} are not integers")
    if y.min() < 0:
        raise DataError(f"{source}: {split} label {y.min()} is negative")
    return y.astype(np.int64)


def _numbers(source: str, split: str, y: Array) -> Array:
    """Return targets (N, K) as float64."""
    y = y.reshape(len(y), -1).astype(np.float64)
    if not y.size or not np.isfinite(y).all():
        raise DataError(f"{source}: {split} targets are not finite numbers")
    return y


def _count_classes(source: str, y_train: Array, y_test: Array, n_classes: int | None) -> int:
    found = int(max(y_train.max(), y_test.max())) + 1
    classes = found if n_classes is None else n_classes
    if classes < 2 or found > classes:
        raise DataError(f"{source}: labels up to {found - 1} for {classes} classes")
    return classes


def _count_numbers(source: str, y_train: Array, y_test: Array) -> int:
    if y_train.shape[1] != y_test.shape[1]:
        raise DataError(
            f"{source}: {y_train.shape[1]} targets in training, {y_test.shape[1]} in test"
        )
    for split, y in (("training", y_train), ("test", y_test)):
        if (y == y[0]).all():  # R2 compares with the targets' variance
            raise DataError(f"{source}: {split} targets are all equal: there is nothing to learn")
    return int(y_train.shape[1])


def _digest(task: str, arrays: list[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{array.shape}{little.dtype.str}".encode())
        digest.update(little.tobytes())
    if task != "classification":  # digests are older than tasks
        digest.update(task.encode())
    return digest.hexdigest()[:32]
