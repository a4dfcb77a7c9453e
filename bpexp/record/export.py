"""The tables of a run as Parquet files: written when it is finished, read instead of its journal.

The end line of a journal names the tables that were written before it. A table that is missing or
damaged is computed from the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bpexp.record.files import replacing
from bpexp.record.history import History, ends, read, status
from bpexp.record.layout import CONFIG, table_file
from bpexp.record.metrics import (
    Columns,
    array_names,
    curve_columns,
    layer_columns,
    measurement_columns,
)

TABLES: dict[str, Callable[[History], Columns]] = {
    "curves": curve_columns,
    "layers": layer_columns,
}
"""The tables of every run. Each instrument in the `arrays` of observations has one more."""

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's is ten times as fast


def write_config(start: Mapping[str, Any], folder: Path) -> None:
    """Write the resolved configuration of a start line as config.yaml."""
    with replacing(folder / CONFIG, durable=False) as file:
        file.write(yaml.dump(start["config"], Dumper=DUMPER, sort_keys=False).encode())


def write_tables(history: History, folder: Path) -> list[str]:
    """Write each table that has rows as Parquet.

    Returns:
        The names of the tables written.
    """
    written = []
    for name in (*TABLES, *array_names(history)):
        columns = _columns(history, name)
        if any(len(values) for values in columns.values()):
            with replacing(table_file(folder, name), durable=False) as file:
                file.write(_encoded(columns))
            written.append(name)
    return written


def read_tables(
    folder: Path, names: Collection[str], start: Mapping[str, Any], end: Mapping[str, Any] | None
) -> dict[str, Columns]:
    """Return tables of a run, by name. Tables of instruments that were not measured have no rows.

    Args:
        folder: the run's folder.
        names: names of TABLES or instruments; empty: all tables of the run.
        start: the first line of the run's journal.
        end: its end line, which names the tables that were written; None without an end.
    """
    if end is not None and "tables" in end:
        from pyarrow import ArrowException

        written = end["tables"]
        with suppress(OSError, ArrowException):
            return {
                name: _read_table(folder, name, start, name in written)
                for name in names or dict.fromkeys([*TABLES, *written])
            }
    history = read(folder)
    return {name: _columns(history, name) for name in names or (*TABLES, *array_names(history))}


def _columns(history: History, name: str) -> Columns:
    """Return a table of TABLES, or that of an instrument."""
    return TABLES[name](history) if name in TABLES else measurement_columns(history, name)


def _read_table(folder: Path, name: str, start: Mapping[str, Any], written: bool) -> Columns:
    """Return a table from Parquet; columns that an older version did not write are NaN."""
    empty = _columns(History(dict(start)), name)
    if not written:
        return empty
    columns = _decoded(table_file(folder, name))
    rows = len(next(iter(columns.values())))
    lacking = {column: np.full(rows, np.nan) for column in empty if column not in columns}
    return {**columns, **lacking}


def complete(folder: Path) -> None:
    """Write the files of a run that are missing, after version 0.1 or a power cut."""
    start, end = ends(folder)
    if not (folder / CONFIG).exists():
        write_config(start, folder)
    if status(end) == "FINISHED":
        tables = end.get("tables", TABLES) if end else ()
        if not all(_is_whole(table_file(folder, name)) for name in tables):
            write_tables(read(folder), folder)


def _is_whole(path: Path) -> bool:
    """Return whether a file exists and ends as Parquet files do."""
    try:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            return file.read() == b"PAR1"
    except OSError:
        return False


def _encoded(columns: Columns) -> memoryview:
    """Return columns in Parquet's format.

    Arrow arrays are made from NumPy's memory, because `pyarrow.array` would import pandas. The file
    is encoded in memory, because pyarrow's many small writes are slow.
    """
    import pyarrow as pa  # it starts a thread, so the process that forks workers must not import it
    import pyarrow.parquet as pq

    arrays = []
    for values in columns.values():
        flat = np.ascontiguousarray(values)
        kind = pa.from_numpy_dtype(flat.dtype)
        arrays.append(pa.Array.from_buffers(kind, len(flat), [None, pa.py_buffer(flat)]))
    output = pa.BufferOutputStream()
    table = pa.Table.from_arrays(arrays, names=list(columns))
    pq.write_table(table, output, use_dictionary=False, write_statistics=False)  # few values repeat
    return memoryview(output.getvalue())


def _decoded(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read(use_threads=False)
    return {name: table[name].to_numpy() for name in table.column_names}
