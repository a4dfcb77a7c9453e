"""Make a Dataset of a user's own examples: determine the task and classes, split and scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data.dataset import Array, Dataset, make_dataset
from bpexp.data.labels import Classes, are_labels, as_text, find_classes, listed
from bpexp.data.preparation import split, standardised
from bpexp.errors import ConfigError, DataError, one_of, quoted

TASKS = ("classification", "regression")
KINDS = {"c": "complex numbers", "U": "text", "S": "text", "M": "dates", "m": "times"}


def as_data_key(parameter: str, value: str) -> str:
    """Return a parameter and its value as an override of the command line."""
    return f"data.{parameter}={value}"


def make_own_dataset(
    name: str,
    source: str,
    xs: Sequence[Array],
    ys: Sequence[Array],
    *,
    task: str | None = None,
    names: Sequence[object] | None = None,
    standardize: bool = False,
    seed: int = 0,
    limit: int | None = None,
    notes: Sequence[str] = (),
    spelled: Callable[[str, str], str] = as_data_key,
) -> Dataset:
    """Return a data set of one array of examples, which is split, or of two splits.

    Args:
        name: the loader's name.
        source: a description of the examples' origin.
        xs: inputs (N, ...) float32 or float64: one array, which is split 80/20, or those of the
            training and of the test split.
        ys: labels (N,), or targets (N,) or (N, K): as many arrays as xs.
        task: classification or regression; None: determined from the values of ys.
        names: the name of each class; None: the labels as text.
        standardize: shift and scale each input, and each target of a regression, to mean 0 and
            variance 1 over the training split, before `limit`; the test split likewise.
        seed: the seed of the split.
        limit: keep the first examples of the training split only.
        notes: messages for the user about how the examples were read.
        spelled: returns a parameter and its value as the user writes them, for messages.

    Raises:
        ConfigError: a parameter is out of range.
        DataError: shapes, types or values of the arrays are invalid.
    """
    check_task(task, spelled("task", "").rstrip('="'))
    notes, classes = [*notes], None
    if task is None and all(map(are_labels, ys)):
        task = "classification"
        if any(y.dtype.kind == "f" for y in ys):
            hint = f"{spelled('task', 'regression')} reads them as targets"
            notes.append(f"{source}: y holds whole numbers, which are read as labels; {hint}")
    if task == "classification":
        classes = find_classes(source, ys) if names is None else _named(source, ys, names)
        ys = classes.labels
        notes += classes.notes(source) if names is None else []
    elif any(y.dtype.kind not in "biuf" for y in ys):
        hint = f"{spelled('task', 'classification')} takes labels"
        raise DataError(f"{source}: targets are not numbers; {hint}")
    if len(ys) == 2:
        train, test = (xs[0], ys[0]), (xs[1], ys[1])
    else:
        y = ys[0] if classes else ys[0].astype(float)
        train, test = split(xs[0], y, seed, source, spelled("task", "regression"))
    if standardize:
        inputs = _standardised(train[0], test[0])
        targets = (train[1], test[1]) if classes else _standardised(train[1], test[1])
        train, test = zip(inputs, targets, strict=True)
    if classes:
        notes += _absent(source, classes, train[1][:limit])
    return make_dataset(
        name, source, train, test,
        task=task or "regression",
        n_classes=classes.number if classes else None,
        classes=classes.names if classes else None,
        limit=limit,
        notes=notes,
    )  # fmt: skip


def check_task(task: str | None, field: str = "data.task") -> None:
    """Check the name of a task before a file is read.

    Raises:
        ConfigError: there is no such task; the message lists the tasks.
    """
    if task is not None and task not in TASKS:
        raise ConfigError(one_of(field, task, TASKS))


def check_kind(source: str, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array named x... as floating-point numbers, and one named y... unchanged.

    Raises:
        DataError: x holds no numbers, or y neither labels nor targets.
    """
    inputs = name.startswith("x")
    if array.dtype.kind not in ("biuf" if inputs else "biufUST"):
        wanted = "real numbers" if inputs else "labels or targets"
        raise DataError(
            f"{source}: {name} holds {KINDS.get(array.dtype.kind, array.dtype)}, not {wanted}"
        )
    if not inputs or array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float64)


def _named(source: str, ys: Sequence[Array], names: Sequence[object]) -> Classes:
    """Return labels, which are class names or numbers 0 .. K - 1, as the numbers of `names`."""
    known = tuple(map(str, names))
    if len(known) < 2 or len({*known}) < len(known):
        raise DataError(f"{source}: names: {listed(known)} are not two or more different names")
    labels = []
    for y in ys:
        if y.dtype.kind in "UTS":
            numbers = {name: number for number, name in enumerate(known)}
            found = as_text(y) if y.dtype.kind == "S" else y
            for value in np.unique(found).tolist():
                if value not in numbers:
                    shown = listed(known)
                    raise DataError(f"{source}: the label {quoted(value)} is not one of {shown}")
            y = np.array([numbers[value] for value in found.ravel().tolist()]).reshape(y.shape)
        whole = y.dtype.kind in "biu" or bool((y == np.trunc(y)).all())
        if y.ndim != 1 or not whole or (y.size and not 0 <= y.min() <= y.max() < len(known)):
            raise DataError(
                f"{source}: labels are not numbers of the {len(known)} classes {listed(known)}, "
                f"0 to {len(known) - 1}, of shape (N,)"
            )
        labels.append(y.astype(np.int64))
    plain = known == tuple(map(str, range(len(known))))
    return Classes(labels, len(known), None if plain else known)


def _standardised(train: Array, test: Array) -> tuple[Array, Array]:
    """Standardise columns in float64; return invalid arrays as they are, for a later check."""
    if train.shape[1:] != test.shape[1:] or not train.size:
        return train, test
    columns = [array.reshape(*array.shape[:1], -1).astype(np.float64) for array in (train, test)]
    with np.errstate(all="ignore"):
        return standardised(columns[0], columns[1])


def _absent(source: str, classes: Classes, labels: NDArray[Any]) -> list[str]:
    """Return the message about classes without a training example."""
    missing = sorted({*range(classes.number)} - {*labels.tolist()})
    if not missing:
        return []
    names = listed([classes.names[i] if classes.names else i for i in missing])
    return [f"{source}: no training example is of class {names}"]
