"""Artifacts of a folder that was copied or moved: found by the store's paths, and put right.

MLflow stores the absolute path of every experiment's and run's artifacts. In a copy of a folder the
store would write into the original; in a folder that was moved it would create the old one again.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from bpexp.tracking.address import database, local_folder
from bpexp.tracking.failures import StoreError
from bpexp.tracking.locks import initialising

MLRUNS = "mlruns"
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def former_folder(uri: str, root: Path, location: str) -> Path | None:
    """Return the folder from which a store was copied or moved, None if it was not.

    A location that has another form than <folder>/mlruns/<name> was chosen by a user and is
    respected, and so is that of a store that several folders share.

    Args:
        uri: the store.
        root: the folder that holds runs/, absolute.
        location: the artifact location of an experiment.
    """
    file, artifacts = database(uri), local_folder(location)
    if file is None or artifacts is None or artifacts.parent.name != MLRUNS:
        return None
    former, store = artifacts.parents[1].resolve(), file.resolve().parent
    if not artifacts.is_absolute() or former in (root, store):
        return None
    own = store.is_relative_to(root)
    return former if own or not former.exists() else None


def refuse_misplaced(uri: str, root: Path, study: str, location: str) -> None:
    """Refuse to touch artifacts in the folder from which this one was copied or moved.

    Args:
        uri: the store.
        root: the folder that holds runs/, absolute.
        study: the study's name.
        location: the artifact location of its experiment.

    Raises:
        StoreError: they lie there; the message names the command that puts it right.
    """
    if former := former_folder(uri, root, location):
        raise StoreError(
            f"study: the artifacts of {study!r} lie in {former}, from which this folder was copied "
            f"or moved; `python -m bpexp.sync --relocate` has them in {root}"
        )


def relocate(uri: str, root: Path) -> int:
    """Let a copied or moved store have its artifacts in its own folder.

    Args:
        uri: the store.
        root: the folder that holds runs/, absolute.

    Returns:
        The number of experiments whose location was changed.
    """
    file = database(uri)
    if file is None or not file.exists():
        return 0
    store, changed = file.resolve().parent, 0
    with initialising(uri), contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
        query = "SELECT artifact_location FROM experiments"
        for (location,) in connection.execute(query).fetchall():
            if former_folder(uri, root, location) is None:
                continue
            name = Path(location).name  # quoted, if the location is an address
            folders = [root / MLRUNS, store / MLRUNS]
            there = next((folder for folder in folders if folder.exists()), folders[0])
            new = f"{there.as_uri()}/{name}"
            for table, column in COLUMNS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (new, len(location) + 1, location, len(location) + 1, f"{location}/"),
                )
            changed += 1
        connection.commit()
    return changed
