"""Arrays of layers by name, as views of one flat buffer that holds them one after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
"""A layer's arrays by name."""


@dataclass(frozen=True)
class ArraySpec:
    """One array of a layer.

    Attributes:
        name: unique within the layer; in saved files the layer's number follows.
        shape: the shape in one network.
        initial: the value of its entries before `Layer.draw`.
        decayed_from: the first row on which weight decay acts; None for no rows.
    """

    name: str
    shape: tuple[int, ...]
    initial: float = 0.0
    decayed_from: int | None = None

    @property
    def size(self) -> int:
        """The number of entries."""
        return prod(self.shape)


def views(flat: NDArray[Any], specs: Iterable[Sequence[ArraySpec]]) -> list[Arrays]:
    """Return the arrays of each layer by name, as views of a flat buffer.

    Args:
        flat: (..., entries of all arrays).
        specs: the arrays of each layer.
    """
    found, start = [], 0
    for layer in specs:
        arrays = {}
        for spec in layer:
            part = flat[..., start : start + spec.size]
            arrays[spec.name] = part.reshape((*flat.shape[:-1], *spec.shape))
            start += spec.size
        found.append(arrays)
    return found


def initial(specs: Sequence[ArraySpec]) -> NDArray[np.float64]:
    """Return a flat buffer that holds the arrays' initial values."""
    return np.repeat([spec.initial for spec in specs], [spec.size for spec in specs])
