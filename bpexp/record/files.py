"""Atomic file replacement; a full or read-only disk raises StorageError."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bpexp.errors import StorageError
from bpexp.record.locks import lock


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a file for writing that replaces `path` when the context ends without an exception.

    A reader sees the old file or the complete new one. Processes that replace the same file wait
    for each other. The temporary file of a killed process is overwritten.

    Args:
        path: the file to replace or create.
        durable: flush the file to the disk first. Without it a power cut may leave an empty or
            incomplete file, which is acceptable for files that can be computed again.

    Raises:
        StorageError: the disk is full or read-only.
    """
    temporary = path.with_name(path.name + ".tmp")
    with space(path.parent), _locked(temporary) as file:
        try:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _locked(path: Path) -> IO[bytes]:
    """Open an empty file and lock it until it is closed; wait while another process locks it."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        lock(file)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate()
                return file
        file.close()  # it was renamed while this process waited: open another


@contextmanager
def space(folder: Path) -> Iterator[None]:
    """Convert an OSError of a full or read-only disk to StorageError.

    Args:
        folder: the folder that the message names.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"{folder}: {error.strerror}; what is recorded is safe, and the same command "
                "continues when there is space"
            ) from None
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise StorageError(f"{folder}: a file is in the place of a folder") from None
        if isinstance(error, IsADirectoryError):
            path = error.filename2 or error.filename
            raise StorageError(f"{path}: a folder is in the place of a file") from None
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise StorageError(f"{folder}: cannot be written: {error.strerror}") from None
        raise


def make_folder(folder: Path) -> None:
    """Create a folder and its parents where they are missing.

    Raises:
        StorageError: the disk is full or read-only.
    """
    with space(folder):
        folder.mkdir(parents=True, exist_ok=True)
