"""Locks between processes that create a store or mirror a run; the record of mirrored lines."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bpexp.record.history import count_lines
from bpexp.record.locks import lock
from bpexp.secrets import without_secrets
from bpexp.tracking.address import database

LOCK = "mirror.lock"  # in the folder of a run or a sweep; for a run with `note_mirrored`'s JSON


@contextlib.contextmanager
def initialising(uri: str) -> Iterator[None]:
    """Allow one process at a time to create or migrate a local SQLite store.

    Concurrent migrations by MLflow leave the file unusable. Write-ahead logging is switched on,
    because several processes write faster with it.

    Args:
        uri: the store's address; nothing is locked unless it is a local SQLite file.
    """
    path = database(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as file:
        lock(file)
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        yield


@contextlib.contextmanager
def mirroring(folder: Path) -> Iterator[bool]:
    """Allow one process at a time to mirror a run or a sweep.

    Args:
        folder: the folder of the run or sweep.

    Yields:
        Whether no process has mirrored it before.
    """
    path = folder / LOCK
    first = not path.exists()
    with path.open("a") as file:
        lock(file)
        yield first


def note_mirrored(folder: Path, lines: int, uri: str) -> None:
    """Record how much of a run's journal is in a store. The caller holds the lock of `mirroring`.

    Args:
        folder: the run's folder.
        lines: the number of the journal's lines that are in the store.
        uri: the store's address.
    """
    noted = json.dumps({"lines": lines, "store": without_secrets(uri)})
    path = folder / LOCK
    if path.read_text() != noted:
        path.write_text(noted)


def is_mirrored(folder: Path) -> bool:
    """Return whether the whole journal of a run is in a store, as `note_mirrored` recorded.

    MLflow is not imported and no server is queried. A local store that no longer exists does not
    count.
    """
    try:
        noted = json.loads((folder / LOCK).read_text())
    except (OSError, ValueError):
        return False
    local = database(noted["store"])
    return bool(noted["lines"] == count_lines(folder)) and (local is None or local.exists())
