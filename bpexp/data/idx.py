"""IDX files, the format of MNIST, gzipped or not.

An IDX file is two zero bytes, a type code (8: unsigned byte), the number of dimensions, each
dimension as a big-endian 32-bit integer, and the values (LeCun, Cortes & Burges).
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from bpexp.data.preparation import readable
from bpexp.errors import DataError, reason

UNSIGNED_BYTE = 8
LARGEST = 2**30  # bytes of values; MNIST's largest file has 47 million
PART = 2**24  # bytes of one read
GZIP = b"\x1f\x8b"  # the first bytes of a gzip file


def read_idx(path: Path, n_dimensions: int, checksum: str | None = None) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes.

    Args:
        path: the file, gzipped or not; the ending of its name does not matter.
        n_dimensions: 3 for images, 1 for labels.
        checksum: SHA-256 of the unpacked file, or None.

    Raises:
        DataError: the file is missing, damaged, or of another type or number of dimensions.
    """
    try:
        with _open(readable(path)) as file:
            header = file.read(4 + 4 * n_dimensions)
            shape = _shape(path, header, n_dimensions)
            size = int(np.prod(shape, dtype=object))
            if not 0 < size <= LARGEST:
                raise DataError(f"{path}: dimensions {shape} are empty or over {LARGEST} bytes")
            # One byte more than the header declares is enough to detect a longer file without
            # unpacking it. It is read in parts, because a read allocates its whole size first.
            values = b"".join(_parts(file, size + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from None
    if len(values) != size:
        found = "more" if len(values) > size else f"only {len(values)}"
        raise DataError(f"{path}: {found} bytes of values where the header says {size}")
    if checksum is not None:
        found = hashlib.sha256(header + values).hexdigest()
        if found != checksum:
            raise DataError(f"{path}: SHA-256 of the content is {found}, not {checksum}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return cast(IO[bytes], gzip.open(path) if packed else path.open("rb"))


def _parts(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size and (part := file.read(min(PART, size))):
        yield part
        size -= len(part)


def _shape(path: Path, header: bytes, n_dimensions: int) -> tuple[int, ...]:
    if len(header) < 4 + 4 * n_dimensions:
        raise DataError(f"{path}: {len(header)} bytes are too short for an IDX header")
    if header[:2] != b"\0\0":
        raise DataError(f"{path}: not an IDX file: it begins with {header[:4].hex()}")
    if header[2] != UNSIGNED_BYTE:
        raise DataError(f"{path}: IDX type 0x{header[2]:02x} is not 0x08 (unsigned byte)")
    if header[3] != n_dimensions:
        raise DataError(f"{path}: {header[3]} dimensions, not {n_dimensions}")
    return tuple(int(n) for n in np.frombuffer(header[4:], ">u4"))
