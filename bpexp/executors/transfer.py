"""A run's folder on another machine, copied file by file while it grows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

Change = tuple[str, int | None, bytes | None]
"""A file's name; where its bytes belong, None for a whole file; the bytes, None if it is gone."""


def apply(changes: Iterable[Change], folder: Path) -> None:
    """Make the changes to a folder that `FolderChanges.read` found in another one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, begin, content in changes:
        path = folder / name
        if content is None:
            path.unlink(missing_ok=True)
        elif begin is None:  # a reader sees the old file or the whole new one
            temporary = path.with_name(f"{name}.tmp")
            temporary.write_bytes(content)
            temporary.replace(path)
        else:  # in place: the file may be open and locked
            with path.open("r+b") as file:
                file.seek(begin)
                file.write(content)
                file.truncate()


class FolderChanges:
    """What has changed in a folder since the last time.

    A file that has only grown, as a journal does, yields what was added. One that another file has
    replaced is yielded whole. Files whose names end in .tmp are not complete, and left out.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with all files unknown."""
        self._folder = folder
        # Open files: another file cannot have the number (inode) of one that is open.
        self._known: dict[str, IO[bytes]] = {}

    def read(self) -> list[Change]:
        """Return the changes since the last call."""
        paths = {
            path.name: path
            for path in sorted(self._folder.iterdir())
            if path.is_file() and path.suffix != ".tmp"
        }
        changes: list[Change] = []
        for name in [*self._known]:
            if name not in paths:
                self._known.pop(name).close()
                changes.append((name, None, None))
        for name, path in paths.items():
            changes += self._of(name, path)
        return changes

    def close(self) -> None:
        """Close the files."""
        for file in self._known.values():
            file.close()
        self._known.clear()

    def _of(self, name: str, path: Path) -> list[Change]:
        known = self._known.get(name)
        if known is not None and os.path.samestat(os.fstat(known.fileno()), path.stat()):
            begin = known.tell()
            if path.stat().st_size >= begin:
                added = known.read()
                return [(name, begin, added)] if added else []
            known.seek(0)
            return [(name, 0, known.read())]
        if known is not None:
            known.close()
        opened = path.open("rb")
        self._known[name] = opened
        return [(name, None, opened.read())]
