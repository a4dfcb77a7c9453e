"""A run's folder on another machine, copied file by file while it grows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

Change = tuple[str, int | None, bytes | None]
"""A change of a file: its name, the offset of the bytes (None to replace the whole file), and the
bytes (None if the file was deleted)."""


def apply(changes: Iterable[Change], folder: Path) -> None:
    """Apply to a folder the changes that `FolderChanges.read` returned for another folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, begin, content in changes:
        path = folder / name
        if content is None:
            path.unlink(missing_ok=True)
        elif begin is None:  # atomic: a reader sees the old file or the complete new one
            temporary = path.with_name(f"{name}.tmp")
            temporary.write_bytes(content)
            temporary.replace(path)
        else:  # in place: the file may be open and locked
            with path.open("r+b") as file:
                file.seek(begin)
                file.write(content)
                file.truncate()


class FolderChanges:
    """The changes of the files in a folder between calls of `read`.

    For a file that has grown, such as a journal, the change is the bytes that were added. For a
    file that was replaced or has become shorter, it is the whole file. Files whose names end in
    .tmp are incomplete and are left out.
    """

    def __init__(self, folder: Path) -> None:
        """Begin without known files; the first `read` returns all files."""
        self._folder = folder
        # Files are kept open, because the inode number of an open file is not used again.
        self._known: dict[str, IO[bytes]] = {}

    def read(self) -> list[Change]:
        """Return the changes since the last call, and all files in the first."""
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
