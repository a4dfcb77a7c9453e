"""Data sets that ship with scikit-learn: digits and diabetes, read from its files."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bpexp.data.dataset import Dataset, make_dataset
from bpexp.data.preparation import pixels, split, standardised


def digits(*, scale: bool = True, seed: int = 0, limit: int | None = None) -> Dataset:
    """1797 handwritten digits of 8x8 pixels that ship with scikit-learn, split 80/20.

    The test part of the UCI data set (Alpaydin & Kaynak 1998).

    Args:
        scale: divide the pixels, 0 .. 16, by 16.
        seed: the seed of the split.
        limit: keep the first examples of the training split only.
    """
    table = _table("digits.csv.gz", ",")
    if table is None:
        from sklearn.datasets import load_digits

        table = np.column_stack(load_digits(return_X_y=True))
    x, y = table[:, :-1].astype(np.uint8), table[:, -1].astype(np.int64)
    train, test = split(pixels(x, 16, scale), y, seed, "digits")
    source = "scikit-learn (UCI optical recognition of handwritten digits, test part)"
    return make_dataset(
        "digits", source, train, test, n_classes=10, limit=limit, image_shape=(8, 8)
    )


def diabetes(*, scale: bool = True, seed: int = 0, limit: int | None = None) -> Dataset:
    """442 patients, 10 measurements, progress of diabetes after a year: a regression, split 80/20.

    As it ships with scikit-learn (Efron et al. 2004).

    Args:
        scale: shift and scale inputs and targets to mean 0 and variance 1 over the training split;
            costs are then in units of the targets' variance.
        seed: the seed of the split.
        limit: keep the first examples of the training split only.
    """
    x, y = _table("diabetes_data_raw.csv.gz", None), _table("diabetes_target.csv.gz", None)
    if x is None or y is None:
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True, scaled=False)
    train, test = split(x, y.reshape(-1, 1), seed, "diabetes")
    if scale:
        inputs, targets = (standardised(*pair) for pair in zip(train, test, strict=True))
        train, test = zip(inputs, targets, strict=True)
    source = "scikit-learn (Efron et al. 2004, Least angle regression)"
    return make_dataset("diabetes", source, train, test, task="regression", limit=limit)


def _table(file: str, delimiter: str | None) -> NDArray[np.float64] | None:
    """Return the numbers of a file that ships with scikit-learn; None if it is not found.

    Importing scikit-learn takes a second, reading its file milliseconds.
    """
    found = importlib.util.find_spec("sklearn")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "datasets" / "data" / file
        if path.exists():
            with gzip.open(path, "rt") as opened:
                return np.loadtxt(opened, delimiter=delimiter)
    return None
