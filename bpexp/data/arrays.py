"""Data sets of users: the arrays of an npz file."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data.dataset import Dataset
from bpexp.data.labels import listed
from bpexp.data.own import check_kind, check_task, make_own_dataset
from bpexp.data.preparation import readable
from bpexp.errors import ConfigError, DataError, out_of_range, reason

MAGIC = b"\x93NUMPY"
LARGEST = 2**32  # bytes of the arrays that are read
SPLITS = ("x_train", "y_train", "x_test", "y_test")
SPARSE = {"indices", "indptr", "data", "shape"}  # arrays that scipy.sparse.save_npz writes
SAVE = "save x and y as arrays with numpy.savez"
# The first bytes of files of other formats, and the message about each.
BEGINNINGS = {
    MAGIC: f"is a single array (npy), not an npz file; {SAVE}",
    b"\x89HDF": f"is an HDF5 file, not an npz file; {SAVE}",
    b"PAR1": "is a Parquet file; data=parquet reads it",
    b"\x80": f"is a pickle, which is never read; {SAVE}",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
}


def npz(
    *,
    path: str = "",
    task: str | None = None,
    standardize: bool = False,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """A file of your own: x and y (split 80/20), or x_train, y_train, x_test and y_test.

    By default the task depends on y. Integers, booleans and text are labels of a classification.
    Floating-point numbers are labels if they are whole and there are at least ten examples a class
    on average; otherwise they are targets of a regression. Labels other than 0 .. K - 1 are mapped
    to these in sorted order, and their names are kept.

    Args:
        path: the npz file: numbers x (N, ...), and labels y (N,) or targets y (N,) or (N, K). Other
            arrays in it are not read.
        task: classification or regression; null: determined from the values of y.
        standardize: shift and scale each input, and each target of a regression, to mean 0 and
            variance 1 over the training split; the test split has the same shift and scale.
        seed: the seed of the split of x and y.
        limit: keep the first examples of the training split only.
    """
    if not path:
        raise ConfigError(out_of_range("data.path", path, "the path of an npz file"))
    check_task(task)
    given = _read(Path(os.path.expanduser(path)))
    return make_own_dataset(
        "npz", path,
        [x for name, x in given.items() if name.startswith("x")],
        [y for name, y in given.items() if name.startswith("y")],
        task=task, standardize=standardize, seed=seed, limit=limit,
    )  # fmt: skip


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that are used: x and y, or those of SPLITS, in this order.

    At most LARGEST bytes are unpacked, and pickles are not read.
    """
    try:
        with readable(path).open("rb") as opened:
            start = opened.read(8)
        for beginning, message in BEGINNINGS.items():
            if start.startswith(beginning):
                raise DataError(f"{path}: {message}")
        with zipfile.ZipFile(path) as archive:
            members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
            used = _used(path, members)
            size = sum(members[name].file_size for name in used.values())
            if size > LARGEST:
                raise DataError(f"{path}: {size} bytes unpacked are over {LARGEST}")
            arrays = {key: _array(path, archive, members[name]) for key, name in used.items()}
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy.lib.format raise many types
        raise DataError(f"{path}: cannot be read: {reason(error)}") from None
    return {name: check_kind(str(path), name, array) for name, array in arrays.items()}


def _used(path: Path, members: Collection[str]) -> dict[str, str]:
    """Return the member of the archive that holds each array; case does not matter."""
    found = {name.lower(): name for name in members} | {name: name for name in members}
    for wanted in (SPLITS, ("x", "y")):
        if found.keys() >= {*wanted}:
            return {name: found[name] for name in wanted}
    if SPARSE <= found.keys():
        raise DataError(
            f"{path}: holds a sparse matrix and no y; numpy.savez saves x=matrix.toarray() and y"
        )
    names = listed(sorted(members)) or "nothing"
    raise DataError(f"{path}: holds {names}, not x and y, or {', '.join(SPLITS)}")


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read an array after checking its header: NumPy allocates what the header declares."""
    with archive.open(member) as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise DataError(f"{path}: {member.filename} is not a NumPy array")
        file.seek(0)
        version = np.lib.format.read_magic(file)
        form = np.lib.format
        header = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, _, dtype = header(file)
    if dtype.hasobject:
        raise DataError(
            f"{path}: {member.filename} holds objects (a pickle, which is never read): a sparse "
            "matrix is saved as .toarray(), text as .astype(str)"
        )
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise DataError(f"{path}: {member.filename} is shorter than its header says")
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
