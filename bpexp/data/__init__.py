"""Data sets: a table of loaders, functions of keyword parameters that return a Dataset."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from bpexp.data.arrays import npz
from bpexp.data.dataset import Dataset
from bpexp.data.images import fashion_mnist, mnist
from bpexp.data.made import gaussian, parity, teacher
from bpexp.data.shipped import diabetes, digits
from bpexp.data.tables import csv, parquet
from bpexp.errors import ConfigError, one_of
from bpexp.parameters import check_parameters

DATASETS: dict[str, Callable[..., Dataset]] = {
    loader.__name__: loader
    for loader in (
        *(digits, mnist, fashion_mnist, parity, npz, csv, parquet),
        *(gaussian, diabetes, teacher),
    )
}

__all__ = ["DATASETS", "Dataset", "load", "load_once"]


def load(name: str, **parameters: bool | int | float | str | None) -> Dataset:
    """Load a data set by its name.

    >>> load("parity").x_train.shape
    (700, 10)

    Raises:
        ConfigError: the name is not in the table, or a parameter is unknown, of another type or
            out of range.
        DataError: a file is missing or damaged.
    """
    if name not in DATASETS:
        raise ConfigError(one_of("data", name, DATASETS))
    return DATASETS[name](**check_parameters("data", name, DATASETS[name], parameters))


@lru_cache(maxsize=8)
def load_once(name: str, **parameters: bool | int | float | str | None) -> Dataset:
    """Load a data set as `load` does, with a cache."""
    return load(name, **parameters)
