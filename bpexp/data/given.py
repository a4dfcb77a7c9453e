"""A data set from examples in memory: arrays, lists, frames, Bunches and tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data.dataset import Dataset
from bpexp.data.own import check_kind, make_own_dataset
from bpexp.data.tables import column, inputs
from bpexp.errors import ConfigError, DataError, one_of, out_of_range, reason

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "dataset"


def dataset(
    x: Any,
    y: Any = None,
    *,
    test: Any = None,
    names: Sequence[object] | None = None,
    task: str | None = None,
    standardize: bool = False,
    seed: int = 0,
) -> Dataset:
    """Return a data set of examples in memory, for functions such as `bpexp.train`.

    >>> dataset([[0, 1], [1, 0]] * 10, ["even", "odd"] * 10)
    <Dataset dataset: 16 and 4 examples of 2 inputs, 2 classes even, odd>

    An array is any object that NumPy converts (`__array__`) or imports (DLPack): NumPy arrays,
    lists, and PyTorch tensors and JAX arrays in the processor's memory. Sparse matrices of SciPy
    are converted to dense arrays. A frame is one of pandas or of another library that has
    `__arrow_c_stream__`; a column of text or categories becomes one input for each of its values.
    The values are copied.

    Args:
        x: numeric inputs (N, ...); or a frame; or, without y, a Bunch of scikit-learn or another
            mapping with `data` and `target`.
        y: labels (N,), integers, booleans, text or whole numbers, or targets (N,) or (N, K); or, if
            x is a frame, the name of its column. Labels and targets are distinguished as in
            `bpexp.data.arrays.npz`.
        test: the test split: a pair (x, y), or one frame or Bunch like x. None: a random fifth of
            the examples, of each class in classification.
        names: the name of each class; labels are then these names or the numbers 0 .. K - 1.
            None: the `target_names` of a Bunch, else the labels as text, in sorted order.
        task: classification or regression; None: determined from the values of y.
        standardize: shift and scale each input, and each target of a regression, to mean 0 and
            variance 1 over the training split; the test split has the same shift and scale.
        seed: the seed of the split.

    Raises:
        ConfigError: an argument is out of range.
        DataError: shapes, types or values of the examples are invalid.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(out_of_range("seed", seed, "an integer of at least 0"))
    pairs = [_pair(x, y, "y")]
    if test is not None:
        is_pair = isinstance(test, tuple | list) and len(test) == 2
        column_name = y if isinstance(y, str) else None
        pairs.append((*test,) if is_pair else _pair(test, column_name, "test"))
    ys = [_targets(own) for _, own in pairs]
    if names is None and isinstance(x, Mapping) and task != "regression":
        given = x.get("target_names")
        labels = all(own.dtype.kind in "iu" for own in ys)
        names = [*given] if labels and given is not None and len(given) > 1 else None
    xs, notes = _inputs([own for own, _ in pairs])
    return make_own_dataset(
        "dataset", SOURCE, xs, ys,
        task=task,
        names=names,
        standardize=standardize,
        seed=int(seed),
        notes=notes,
        spelled=lambda parameter, value: f'{parameter}="{value}"',
    )  # fmt: skip


def _pair(x: Any, y: Any, argument: str) -> tuple[Any, Any]:
    """Return inputs and targets of one argument or two."""
    if y is None and isinstance(x, Mapping) and {"data", "target"} <= {*x}:
        return x["data"], x["target"]
    if y is None:
        allowed = "a pair (x, y)" if argument == "test" else "labels or targets"
        raise ConfigError(f"{argument}: missing; {allowed}, or a Bunch with data and target")
    if not isinstance(y, str):
        return x, y
    if not _is_frame(x):
        raise ConfigError(f"{argument}: {y!r} names a column, and x is a {type(x).__name__}")
    table = _table(x)
    if y not in table.column_names:
        raise ConfigError(one_of(argument, y, table.column_names))
    return table.drop_columns([y]), column(SOURCE, table, y)


def _inputs(xs: Sequence[Any]) -> tuple[list[NDArray[Any]], list[str]]:
    """Return the inputs of each split, and messages for the user."""
    if all(map(_is_frame, xs)):
        tables, notes = inputs(SOURCE, [_table(x) for x in xs])
        return [*tables], notes
    arrays = [check_kind(SOURCE, "x", _array("x", x)) for x in xs]
    for array in arrays:
        _refuse_nan("x", array)
    return [array.copy() for array in arrays], []


def _targets(y: Any) -> NDArray[Any]:
    """Return labels or targets; labels (N, 1) become (N,)."""
    array = check_kind(SOURCE, "y", _array("y", y))
    _refuse_nan("y", array)
    column_of_labels = array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind != "f"
    return array.ravel() if column_of_labels else array.copy()


def _refuse_nan(name: str, array: NDArray[Any]) -> None:
    if array.dtype.kind == "f" and (missing := np.isnan(array)).any():
        place = ", ".join(map(str, np.argwhere(missing)[0].tolist()))
        raise DataError(f"{SOURCE}: {name}[{place}] is NaN: a value is missing")


def _array(name: str, value: Any) -> NDArray[Any]:
    """Return an array of numbers or text, without copying where NumPy can share memory."""
    try:
        if hasattr(value, "toarray"):  # a sparse matrix
            value = value.toarray()
        if np.ma.is_masked(value):  # asarray would return what the mask hides
            raise DataError(f"{SOURCE}: {name} is a masked array: values are missing")
        foreign = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        array = np.from_dlpack(value) if foreign else np.asarray(value)
        return _of_objects(name, array) if array.dtype == object else array
    except DataError:
        raise
    except Exception as error:  # each library raises exceptions of its own
        raise DataError(f"{SOURCE}: {name} cannot be read as an array: {reason(error)}") from None


def _of_objects(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Convert an array of Python objects, as pandas has for text, to text or numbers."""
    values = array.ravel().tolist()
    for position, value in enumerate(values):
        if value is None or type(value).__name__ == "NAType" or value is np.nan:
            place = ", ".join(map(str, np.unravel_index(position, array.shape)))
            raise DataError(f"{SOURCE}: {name}[{place}] is {value}: a value is missing")
    kinds = sorted({type(value).__name__ for value in values})
    if not {*kinds} <= {"str"} and not {*kinds} <= {"bool", "int", "float"}:
        raise DataError(f"{SOURCE}: {name} holds {', '.join(kinds)}, not numbers or text")
    return np.array(values).reshape(array.shape)


def _is_frame(x: object) -> bool:
    """Return whether x has columns: a frame, not a Series or an array."""
    return hasattr(x, "__arrow_c_stream__") and len(getattr(x, "shape", ())) == 2


def _table(frame: Any) -> pa.Table:
    """Return a frame as a table without the index of pandas."""
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame
    try:
        if hasattr(frame, "reset_index"):
            frame = frame.reset_index(drop=True)
            frame.columns = frame.columns.map(str)
        return pa.table(frame)
    except Exception as error:  # for example a column of mixed types
        raise DataError(f"{SOURCE}: x cannot be read as a table: {reason(error)}") from None
