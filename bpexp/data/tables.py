"""Tables with named columns, from CSV and Parquet files or frames, as arrays of numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data.dataset import Dataset
from bpexp.data.labels import listed
from bpexp.data.own import check_task, make_own_dataset
from bpexp.data.preparation import readable
from bpexp.errors import ConfigError, DataError, one_of, out_of_range, quoted, reason

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 2**29  # numbers of a table: 4 GiB
FEWEST_LIMITED = 20  # categories of a column; more may be at most half the rows
DELIMITERS = ",;\t"
INDEX = re.compile(r"__index_level_\d+__")  # columns in which pandas writes the index of a frame


def csv(
    *,
    path: str = "",
    target: str = "",
    task: str | None = None,
    standardize: bool = False,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """A CSV file of your own: names of columns, then one example a line, split 80/20.

    All columns but the target are inputs. A column of text is one input for each of its values, 1
    where it occurs and else 0. A missing value is refused, with its row and column. Commas,
    semicolons or tabs separate columns.

    Args:
        path: the file.
        target: the column of labels or targets, which are distinguished as in an npz file.
        task: classification or regression; null: determined from the values of the column.
        standardize: shift and scale each input, and each target of a regression, to mean 0 and
            variance 1 over the training split; the test split has the same shift and scale.
        seed: the seed of the split.
        limit: keep the first examples of the training split only.
    """
    options = {"task": task, "standardize": standardize, "seed": seed, "limit": limit}
    return _from_file("csv", _read_csv, path, target, options)


def parquet(
    *,
    path: str = "",
    target: str = "",
    task: str | None = None,
    standardize: bool = False,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """A Parquet file of your own: one example a row, split 80/20; columns as in a CSV file.

    The index of a frame that pandas wrote is not an input.

    Args:
        path: the file.
        target: the column of labels or targets, which are distinguished as in an npz file.
        task: classification or regression; null: determined from the values of the column.
        standardize: shift and scale each input, and each target of a regression, to mean 0 and
            variance 1 over the training split; the test split has the same shift and scale.
        seed: the seed of the split.
        limit: keep the first examples of the training split only.
    """
    options = {"task": task, "standardize": standardize, "seed": seed, "limit": limit}
    return _from_file("parquet", _read_parquet, path, target, options)


def inputs(source: str, tables: Sequence[pa.Table]) -> tuple[list[NDArray[np.float64]], list[str]]:
    """Return the columns of tables of one data set as inputs (N, n), and messages for the user.

    Args:
        source: a description of the tables' origin, for messages.
        tables: one table, or those of the training and the test split.

    Raises:
        DataError: a value is missing, or a column holds neither numbers nor categories.
    """
    names = tables[0].column_names
    for table in tables[1:]:
        if table.column_names != names:
            held = listed(table.column_names)
            raise DataError(f"{source}: the test split has the columns {held}, not {listed(names)}")
    parts: list[list[NDArray[Any]]] = [[] for _ in tables]
    notes, width = [], 0
    for name in names:
        columns = [column(source, table, name) for table in tables]
        if all(values.dtype.kind in "biuf" for values in columns):
            width += 1
        else:
            columns = [values.astype(str) for values in columns]
            kinds = _categories(source, name, columns)
            width += len(kinds)
            _check_size(source, len(columns[0]), width)
            columns = [values[:, None] == kinds for values in columns]
            notes.append(
                f"{source}: column {quoted(name)} is {len(kinds)} inputs, one for each value"
            )
        for part, values in zip(parts, columns, strict=True):
            part.append(values.astype(np.float64))
    if not names:
        raise DataError(f"{source}: holds no column of inputs")
    return [np.column_stack(part) for part in parts], notes


def column(source: str, table: pa.Table, name: str) -> NDArray[Any]:
    """Return a column (N,): numbers, booleans or text.

    Raises:
        DataError: a value is missing or of another type.
    """
    import pyarrow as pa

    values = table.column(name)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    missing = np.asarray(values.is_null(nan_is_null=True).to_numpy(), bool)
    if missing.any():
        row = int(missing.argmax()) + 1
        raise DataError(f"{source}: row {row}, column {quoted(name)}: the value is missing")
    kind = values.type
    if pa.types.is_decimal(kind):
        values, kind = values.cast(pa.float64()), pa.float64()
    if any(is_text(kind) for is_text in (pa.types.is_string, pa.types.is_large_string)):
        text = np.array(values.to_pylist(), str)
        _refuse_numbers_in_text(source, name, text)
        return text
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        wanted = "numbers, booleans or text"
        raise DataError(f"{source}: column {quoted(name)} holds {kind}, not {wanted}")
    return np.asarray(values.to_numpy())


def _from_file(
    name: str, read: Callable[[Path], pa.Table], path: str, target: str, options: dict[str, Any]
) -> Dataset:
    if not path:
        wanted = "CSV" if name == "csv" else "Parquet"
        raise ConfigError(out_of_range("data.path", path, f"the path of a {wanted} file"))
    check_task(options["task"])
    try:
        table = read(readable(Path(os.path.expanduser(path))))
    except DataError:
        raise
    except Exception as error:  # pyarrow raises its own exceptions, OSError and ValueError
        raise DataError(f"{path}: cannot be read: {reason(error)}") from None
    try:
        names = table.column_names
    except UnicodeDecodeError:  # pyarrow checks the encoding of the rows only
        raise DataError(f"{path}: cannot be read: the names of columns are not UTF-8") from None
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: two columns have the name {quoted(twice)}")
    if target not in names:
        raise ConfigError(one_of("data.target", target, names))
    xs, notes = inputs(path, [table.drop_columns([target])])
    ys = [column(path, table, target)]
    return make_own_dataset(name, path, xs, ys, notes=notes, **options)


def _read_csv(path: Path) -> pa.Table:
    from pyarrow import csv

    with path.open("rb") as opened:
        header = opened.readline(2**16).decode(errors="replace")
    return csv.read_csv(
        path,
        parse_options=csv.ParseOptions(delimiter=max(DELIMITERS, key=header.count)),
        convert_options=csv.ConvertOptions(strings_can_be_null=True),
    )


def _read_parquet(path: Path) -> pa.Table:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        _check_size(str(path), file.metadata.num_rows, file.metadata.num_columns)
        table = file.read()
    return table.select([name for name in table.column_names if not INDEX.fullmatch(name)])


def _check_size(source: str, rows: int, columns: int) -> None:
    if rows * columns > LARGEST:
        raise DataError(f"{source}: {rows} rows of {columns} columns are over {LARGEST} numbers")


def _categories(source: str, name: str, columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the distinct values, sorted; refuse a column with too many of them, such as an id."""
    kinds, rows = np.unique(np.concatenate(columns)), sum(map(len, columns))
    if len(kinds) > max(FEWEST_LIMITED, rows // 2):
        raise DataError(
            f"{source}: column {quoted(name)} holds {len(kinds)} different texts in {rows} rows, "
            "too many for categories; leave it out"
        )
    return kinds


def _refuse_numbers_in_text(source: str, name: str, text: NDArray[Any]) -> None:
    """Refuse a column of numbers that was read as text because of a few values such as '?'."""
    numeric = np.array([_is_number(value) for value in text.tolist()], bool)
    if 2 * numeric.sum() > len(text) and not numeric.all():
        row = int((~numeric).argmax())
        raise DataError(
            f"{source}: row {row + 1}, column {quoted(name)}: {str(text[row])!r} is not a number"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
