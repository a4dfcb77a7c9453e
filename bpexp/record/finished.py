"""The list of a study's finished runs, so that a plan need not read the journal of each."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from bpexp.record.files import replacing
from bpexp.record.layout import FINISHED_RUNS


def listed(study: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of all entries of a study's folder, and of those that are finished runs.

    Finished runs may be missing in the list. A listed run is finished, because a run stays finished
    until its folder is deleted. Journals are not read, so that a plan reads one file for any number
    of runs.

    Args:
        study: the study's folder, which need not exist.
    """
    # The folder is read before the list: a run is removed from the list before its folder is
    # created again.
    try:
        names = frozenset(os.listdir(study))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset(), frozenset()
    try:
        finished = frozenset((study / FINISHED_RUNS).read_text().split())
    except (OSError, ValueError):  # no list, or one that is damaged
        finished = frozenset()
    return names, finished & names


def list_finished(study: Path, runs: Collection[str], finished: Collection[str]) -> None:
    """Write the list of a study's finished runs, without runs whose folders were deleted.

    Args:
        study: the study's folder.
        runs: the names of the folders whose states are known.
        finished: those that are finished.

    Raises:
        StorageError: the disk is full or read-only.
    """
    others = listed(study)[1].difference(runs)
    with replacing(study / FINISHED_RUNS, durable=False) as file:
        file.write("".join(f"{name}\n" for name in sorted(others.union(finished))).encode())
