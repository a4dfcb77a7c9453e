"""Locks between processes that write to one store or mirror one run."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bpexp.tracking.address import database


@contextlib.contextmanager
def initialising(uri: str) -> Iterator[None]:
    """Let one process at a time create or migrate a local SQLite store.

    Several at once race in MLflow's migration and leave the file unusable. The first use switches
    on write-ahead logging, with which several processes write faster.

    Args:
        uri: the store; nothing is locked unless it is a local SQLite file.
    """
    path = database(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        yield


@contextlib.contextmanager
def mirroring(folder: Path) -> Iterator[bool]:
    """Let one process at a time mirror a run or a sweep.

    Args:
        folder: of the run or sweep.

    Yields:
        Whether no process has mirrored it before.
    """
    path = folder / "mirror.lock"
    first = not path.exists()
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield first
