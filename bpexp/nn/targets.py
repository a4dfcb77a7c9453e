"""Targets of examples as columns of a table, from which a step gathers a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bpexp.nn.activations import Array

Columns = Array | NDArray[np.bool_]
"""Targets (K, ...), outputs first; targets of classes may be booleans."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of N examples, as columns of a table.

    All examples of a class share a column. The table of classes fits into the cache, which the
    targets of all examples may not.

    Attributes:
        table: (K, M), floating point: the identity matrix for classes, else a column for each
            example.
        index: (N,) int64; the target of example i is table[:, index[i]].
        classes: whether the columns are classes.
    """

    table: Array
    index: NDArray[np.int64]
    classes: bool

    @classmethod
    def of(cls, y: NDArray[np.generic], n_outputs: int, dtype: DTypeLike, labels: bool) -> Targets:
        """Return the table of targets.

        Args:
            y: labels (N,) if `labels`, or targets (N, K), for one output also (N,).
            n_outputs: K.
            dtype: dtype of the table.
            labels: whether a one-dimensional y holds labels of classes.

        Raises:
            ValueError: y has another shape, or labels that are not integers.
        """
        if labels and y.ndim == 1:
            if not np.issubdtype(y.dtype, np.integer):
                raise ValueError(f"y: labels of dtype {y.dtype} are not integers")
            return cls(np.eye(n_outputs, dtype=dtype), y.astype(np.int64), True)
        wide = y[:, None] if y.ndim == 1 else y
        if wide.ndim != 2 or wide.shape[1] != n_outputs:
            raise ValueError(f"y: shape {y.shape} is not (N, {n_outputs})")
        return cls(np.ascontiguousarray(wide.T, dtype), np.arange(len(y)), False)

    def __len__(self) -> int:
        """Return N, the number of examples."""
        return len(self.index)

    def head(self, n: int) -> Targets:
        """Return the targets of the first n examples, or all if there are fewer."""
        return Targets(self.table, self.index[:n], self.classes)

    def at(self, index: NDArray[np.int64]) -> Columns:
        """Return columns of the table, (K, B), for classes as booleans.

        Comparing narrow integers takes half the time of gathering columns.
        """
        if self.classes:
            return np.asarray(index.astype(self._numbers.dtype) == self._numbers[:, None])
        return np.asarray(self.table.take(index, 1))

    @cached_property
    def columns(self) -> Array:
        """The targets of all examples, (K, N)."""
        return self.table.take(self.index, 1)

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean target, (K,): the frequency of each class, or each number's mean."""
        return self.table.astype(np.float64) @ self._shares

    @cached_property
    def variance(self) -> float:
        """Mean over examples of ||t - mean||^2, summed over the K outputs."""
        squares = np.square(self.table - self.mean[:, None], dtype=np.float64)
        return float(squares.sum(axis=0) @ self._shares)

    @cached_property
    def _numbers(self) -> NDArray[np.integer]:
        return np.arange(len(self.table), dtype=np.min_scalar_type(len(self.table)))

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        """Return the share of examples with each column of the table, (M,)."""
        return np.bincount(self.index, minlength=self.table.shape[1]) / len(self.index)
