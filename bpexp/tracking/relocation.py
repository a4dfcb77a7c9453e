"""Artifact paths of a folder that was copied or moved: detect and correct them.

MLflow stores the absolute path of the artifacts of every experiment and run. The store of a copied
folder would write into the original; that of a moved folder would create the old folder again.
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
    """Return the folder from which a store was copied or moved; None if it was not.

    A location of another form than <folder>/mlruns/<name> was chosen by a user, and a store outside
    of `root` may be shared by several folders; neither counts as moved.

    Args:
        uri: the store's address.
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
    """Refuse to change artifacts in the folder from which this one was copied or moved.

    Args:
        uri: the store's address.
        root: the folder that holds runs/, absolute.
        study: the study's name.
        location: the artifact location of its experiment.

    Raises:
        StoreError: the artifacts are there; the message names the command that corrects it.
    """
    if former := former_folder(uri, root, location):
        raise StoreError(
            f"study: the artifacts of {study!r} are in {former}, from which this folder was copied "
            f"or moved; `python -m bpexp.sync --relocate` changes their paths to {root}"
        )


def relocate(uri: str, root: Path) -> int:
    """Change the artifact paths of a copied or moved store to its own folder.

    Args:
        uri: the store's address.
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
            name = Path(location).name  # percent-encoded if the location is a URI
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
