"""Files that are there whole or not at all, and a disk that says when it is full."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bpexp.errors import StorageError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be written so that a reader sees the old one or the whole new one.

    Processes that replace one file take turns; what a killed one left is written over.
    """
    temporary = path.with_name(path.name + ".tmp")
    with space(path.parent), _turn(temporary) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _turn(path: Path) -> IO[bytes]:
    """Open an empty file under a lock that goes with it; wait while another process has it."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate()
                return file
        file.close()  # it was put into its place while we waited: begin another


@contextmanager
def space(folder: Path) -> Iterator[None]:
    """Name a disk that is full or may not be written.

    Raises:
        StorageError: it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"{folder}: {error.strerror}; what is recorded is safe, and the same command goes "
                "on when there is room"
            ) from None
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise StorageError(f"{folder}: cannot be written: {error.strerror}") from None
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        StorageError: the disk is full or may not be written.
    """
    with space(folder):
        folder.mkdir(parents=True, exist_ok=True)
