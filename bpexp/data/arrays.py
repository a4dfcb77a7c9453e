"""A user's own data set: the arrays of an npz file."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpexp.data.dataset import Dataset, make_dataset
from bpexp.data.preparation import readable, split
from bpexp.errors import ConfigError, DataError, out_of_range, reason

MAGIC = b"\x93NUMPY"
LARGEST = 2**32  # bytes of a file, unpacked


def npz(*, path: str = "", seed: int = 0, limit: int | None = None) -> Dataset:
    """A file of your own: x and y (split 80/20), or x_train, y_train, x_test and y_test.

    The dtype of y says what is learnt: integers are labels (a classification), floating-point
    numbers are targets (a regression).

    Args:
        path: the npz file; x (N, ...) numbers; y (N,) integers from 0, or (N,) or (N, K) floats.
        seed: of the split of x and y.
        limit: keep the first examples of the training split only.
    """
    if not path:
        raise ConfigError(out_of_range("data.path", path, "the path of an npz file"))
    arrays = _read(Path(path))
    given = {"x_train", "y_train", "x_test", "y_test"}
    if given <= arrays.keys():
        train = arrays["x_train"], arrays["y_train"]
        test = arrays["x_test"], arrays["y_test"]
    elif {"x", "y"} <= arrays.keys():
        train, test = split(arrays["x"], arrays["y"], seed, path)
    else:
        names = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"{path}: holds {names}, not x and y, or {', '.join(sorted(given))}")
    numbers = all(y.dtype.kind == "f" for _, y in (train, test))
    task = "regression" if numbers else "classification"
    return make_dataset("npz", path, train, test, task=task, limit=limit)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz file: at most LARGEST bytes unpacked, and no pickles."""
    try:
        with zipfile.ZipFile(readable(path)) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > LARGEST:
                raise DataError(f"{path}: {size} bytes unpacked are over {LARGEST}")
            arrays = {m.filename.removesuffix(".npy"): _array(path, archive, m) for m in members}
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy.lib.format raise a dozen kinds
        raise DataError(f"{path}: cannot be read: {reason(error)}") from None
    return {name: _numbers(path, name, array) for name, array in arrays.items()}


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read an array. Its header must not claim more than is there: NumPy allocates by it."""
    with archive.open(member) as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise DataError(f"{path}: {member.filename} is no NumPy array")
        file.seek(0)
        version = np.lib.format.read_magic(file)
        form = np.lib.format
        header = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, _, dtype = header(file)
    if dtype.hasobject:
        raise DataError(f"{path}: {member.filename} holds objects, a pickle, which is never read")
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise DataError(f"{path}: {member.filename} is shorter than its header says")
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _numbers(path: Path, name: str, array: Any) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        raise DataError(f"{path}: {name} is no array of real numbers")
    if not name.startswith("x") or array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float64)
