"""A data set: a training and a test split, checked once and read-only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.data.labels import find_classes, listed
from bpexp.errors import ConfigError, DataError, out_of_range
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import TASKS

Array = NDArray[Any]
Examples = tuple[Array, Array]
"""Inputs (N, n), and labels (N,) or targets (N, K)."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test examples; all arrays are C-contiguous and read-only.

    Attributes:
        name: the loader's name.
        x_train: inputs (N, n), float32 for images, else float64.
        y_train: labels (N,) int64, 0 .. K - 1, or targets (N, K) float64, depending on the task.
        x_test: inputs (M, n).
        y_test: labels (M,) or targets (M, K).
        n_outputs: K, the number of classes, or of targets of an example.
        digest: a hash of the four arrays, the task and the classes, 32 hexadecimal digits.
        source: a description of the examples' origin.
        task: the name of the task, a row of `bpexp.nn.tasks.TASKS`.
        image_shape: (height, width) if the inputs are images, else None.
        classes: the name of each class if the labels were not 0 .. K - 1, else None.
        notes: messages for the user about how the examples were read.
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
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """The number of inputs, n."""
        return int(self.x_train.shape[1])

    @cached_property
    def chance(self) -> float:
        """The primary metric of the best constant guess on the training split.

        The guess is the mean target of that split, which is its most frequent class in
        classification.
        """
        return self._guess(self.y_train)

    @cached_property
    def chance_test(self) -> float:
        """The primary metric of the same guess on the test split; NaN if that is empty."""
        return self._guess(self.y_test) if len(self.y_test) else math.nan

    def _guess(self, y: Array) -> float:
        """Return the primary metric on labels or targets of guessing the training split's mean."""
        targets, guess = self.targets(y), self.targets(self.y_train).mean[:, None]
        return TASKS[self.task].score(np.broadcast_to(guess, targets.columns.shape), targets)

    def targets(self, y: Array, dtype: DTypeLike = np.float64) -> Targets:
        """Return labels or targets of this data set as `Targets`.

        Args:
            y: labels (N,) or targets (N, K).
            dtype: the dtype of the result.
        """
        return Targets.of(y, self.n_outputs, dtype, TASKS[self.task].labels)

    @cached_property
    def largest(self) -> float:
        """The largest absolute value of the inputs, and of the targets in regression."""
        arrays = [self.x_train, self.x_test]
        if not TASKS[self.task].labels:
            arrays += [self.y_train, self.y_test]
        return max(float(np.abs(array).max()) for array in arrays)

    def __repr__(self) -> str:
        """Return name and sizes."""
        kind = "classes" if TASKS[self.task].labels else "targets"
        named = f" {listed(self.classes)}" if self.classes else ""
        return (
            f"<Dataset {self.name}: {len(self.x_train)} and {len(self.x_test)} examples of "
            f"{self.n_features} inputs, {self.n_outputs} {kind}{named}>"
        )


def make_dataset(
    name: str,
    source: str,
    train: Examples,
    test: Examples,
    *,
    task: str = "classification",
    n_classes: int | None = None,
    classes: tuple[str, ...] | None = None,
    limit: int | None = None,
    image_shape: tuple[int, int] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Check two splits and return them as a Dataset.

    Args:
        name: the loader's name.
        source: a description of the examples' origin.
        train: inputs (N, n), and labels (N,) or targets (N, K).
        test: inputs and labels or targets of M other examples.
        task: the name of the task, a row of `bpexp.nn.tasks.TASKS`.
        n_classes: K of labels 0 .. K - 1; None: the labels that occur are mapped to 0 .. K - 1.
        classes: the names of the classes, if labels are mapped already.
        limit: keep only the first examples of the training split.
        image_shape: (height, width) of images.
        notes: messages for the user about how the examples were read.

    Raises:
        ConfigError: `limit` is below 1.
        DataError: shapes, dtypes or values of the arrays are invalid.
    """
    if limit is not None and limit < 1:
        raise ConfigError(out_of_range("data.limit", limit, "an integer of at least 1, or null"))
    x_train, x_test = _inputs(source, "training", *train), _inputs(source, "test", *test)
    if x_train.shape[1] != x_test.shape[1]:
        raise DataError(
            f"{source}: {x_train.shape[1]} features in training, {x_test.shape[1]} in test"
        )
    if not TASKS[task].labels:
        y_train, y_test = _numbers(source, "training", train[1]), _numbers(source, "test", test[1])
    elif n_classes is None:
        found = find_classes(source, [train[1], test[1]])
        (y_train, y_test), n_classes, classes = found
        notes = [*notes, *found.notes(source)]
    else:
        y_train, y_test = (_labels(source, y, n_classes) for y in (train[1], test[1]))
    arrays = [
        np.ascontiguousarray(array) for array in (x_train[:limit], y_train[:limit], x_test, y_test)
    ]
    for array in arrays:
        array.flags.writeable = False
    x_train, y_train, x_test, y_test = arrays
    return Dataset(
        name, x_train, y_train, x_test, y_test,
        n_outputs=n_classes or _count_numbers(source, y_train, y_test),
        digest=_digest(task, arrays, classes),
        source=source,
        task=task,
        image_shape=image_shape,
        classes=classes,
        notes=tuple(notes),
    )  # fmt: skip


def _inputs(source: str, split: str, x: Array, y: Array) -> Array:
    """Return inputs (N, n) of a split."""
    if x.ndim < 2 or y.ndim not in (1, 2):
        shapes = f"{split} shapes {x.shape} and {y.shape}"
        raise DataError(f"{source}: {shapes} are not (N, n), and (N,) or (N, K)")
    if len(x) != len(y):
        raise DataError(f"{source}: {len(x)} {split} examples but {len(y)} targets")
    if not len(x):
        raise DataError(f"{source}: the {split} split is empty")
    if not x.size:
        raise DataError(f"{source}: {split} inputs of shape {x.shape} have no columns")
    x = x.reshape(len(x), -1)
    if x.dtype not in (np.float32, np.float64) or not np.isfinite(x).all():
        raise DataError(f"{source}: {split} inputs are not finite floating-point numbers")
    return x


def _labels(source: str, y: Array, n_classes: int) -> Array:
    """Return labels (N,), 0 .. K - 1, as int64."""
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"{source}: labels of shape {y.shape} and dtype {y.dtype} are not integers (N,)"
        )
    if n_classes < 2 or y.min() < 0 or y.max() >= n_classes:
        raise DataError(f"{source}: labels from {y.min()} to {y.max()} for {n_classes} classes")
    return y.astype(np.int64)


def _numbers(source: str, split: str, y: Array) -> Array:
    """Return targets (N, K) as float64."""
    y = y.reshape(len(y), -1).astype(np.float64)
    if not y.size or not np.isfinite(y).all():
        raise DataError(f"{source}: {split} targets are not finite numbers")
    return y


def _count_numbers(source: str, y_train: Array, y_test: Array) -> int:
    if y_train.shape[1] != y_test.shape[1]:
        raise DataError(
            f"{source}: {y_train.shape[1]} targets in training, {y_test.shape[1]} in test"
        )
    for split, y in (("training", y_train), ("test", y_test)):
        if (y == y[0]).all():  # R2 compares with the targets' variance
            raise DataError(f"{source}: {split} targets are all equal: there is nothing to learn")
    return int(y_train.shape[1])


def _digest(task: str, arrays: list[Array], classes: tuple[str, ...] | None) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{array.shape}{little.dtype.str}".encode())
        digest.update(little.tobytes())
    if task != "classification":  # version 0.1 had this task only and did not hash it
        digest.update(task.encode())
    if classes is not None:  # they are saved with the networks
        digest.update(json.dumps(classes).encode())
    return digest.hexdigest()[:32]
