"""Data sets that are made, and a user's own file."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from bpexp.data.dataset import Dataset, make_dataset, readable, stratified
from bpexp.errors import ConfigError, DataError, out_of_range, reason

MAGIC = b"\x93NUMPY"
LARGEST = 2**32  # bytes of a user's file, unpacked


def parity(*, bits: int = 10, limit: int | None = None) -> Dataset:
    """Numbers of n bits, even (1) or odd (0): 700 of 1024 to train, the rest, larger, to test.

    The set of 'Neural Networks: The Backward Pass' (Tashfeen), most significant bit first.

    Args:
        bits: n, from 3 to 20.
        limit: keep the first examples of the training split only.
    """
    if not 3 <= bits <= 20:
        raise ConfigError(out_of_range("data.bits", bits, "an integer from 3 to 20"))
    numbers = np.arange(2**bits)
    x = (numbers[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.float64)
    y = (numbers % 2 == 0).astype(np.int64)
    cut = round(2**bits * 700 / 1024)
    return make_dataset(
        "parity", f"{bits}-bit numbers", (x[:cut], y[:cut]), (x[cut:], y[cut:]), limit=limit
    )


def gaussian(
    *,
    features: int = 64,
    examples: int = 1024,
    test: int = 256,
    classes: int = 10,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """Standard normal inputs with random labels: for theory.

    Args:
        features: n.
        examples: N, of the training split.
        test: M, of the test split.
        classes: K.
        seed: of inputs and labels.
        limit: keep the first examples of the training split only.
    """
    sizes = {"features": features, "examples": examples, "test": test, "classes": classes - 1}
    for name, size in sizes.items():
        if not 1 <= size <= 10**7 or features * (examples + test) > 2**27:
            given = size + (name == "classes")
            allowed = "a size from 1 (2 classes) whose set fits in 1 GiB"
            raise ConfigError(out_of_range(f"data.{name}", given, allowed))
    if seed < 0:
        raise ConfigError(out_of_range("data.seed", seed, "an integer of at least 0"))
    rng = default_rng(seed)
    x = rng.standard_normal((examples + test, features))
    y = rng.integers(0, classes, examples + test)
    return make_dataset(
        "gaussian",
        "standard normal inputs, random labels",
        (x[:examples], y[:examples]),
        (x[examples:], y[examples:]),
        n_classes=classes,
        limit=limit,
    )


def npz(*, path: str = "", seed: int = 0, limit: int | None = None) -> Dataset:
    """A file of your own: x and y (split 80/20), or x_train, y_train, x_test and y_test.

    Args:
        path: the npz file; x (N, ...) numbers, y (N,) integers from 0.
        seed: of the split, where there is one to make.
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
        train, test = stratified(arrays["x"], arrays["y"], seed, path)
    else:
        names = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"{path}: holds {names}, not x and y, or {', '.join(sorted(given))}")
    return make_dataset("npz", path, train, test, limit=limit)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Read an npz file's arrays; nothing is unpacked beyond LARGEST, nothing is executed."""
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
    """Read an array, unless its header claims more than is there: memory is asked for by it."""
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
