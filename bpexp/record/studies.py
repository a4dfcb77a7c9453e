"""Studies on disk: which there are, and their runs, sweeps, size and age."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from bpexp.errors import BpexpError, one_of
from bpexp.record.history import JournalError
from bpexp.record.journal import in_use
from bpexp.record.layout import JOURNAL, RUNS, SWEEP, SWEEPS
from bpexp.record.places import begun
from bpexp.record.run import Run


@dataclass(frozen=True)
class Study:
    """A folder below runs/.

    Attributes:
        folder: the study's folder.
    """

    folder: Path

    @classmethod
    def named(cls, name: str, root: Path) -> Self:
        """Return a study by its name.

        Args:
            name: the study's name.
            root: the folder that holds runs/.

        Raises:
            BpexpError: there is no such study.
        """
        there = [study.name for study in studies(root)]
        if name not in there:
            wrong = one_of("study", name, there) if there else f"study: no runs in {root / RUNS}"
            raise BpexpError(wrong)
        return cls(root / RUNS / name)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.folder.name

    @cached_property
    def runs(self) -> list[Run]:
        """All attempts of all runs, in the order in which they started; see `damaged`."""
        return self._read[0]

    @cached_property
    def damaged(self) -> list[str]:
        """A line for each journal that cannot be read: which, and why."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[list[Run], list[str]]:
        runs, damaged = [], []
        for journal in sorted(self.folder.glob(f"*/{JOURNAL}")):
            try:
                if run := Run.at(journal.parent):
                    runs.append(run)
            except JournalError as error:
                damaged.append(str(error))
        return sorted(runs, key=lambda run: run.start["time"]), damaged

    @cached_property
    def sweeps(self) -> list[dict[str, Any]]:
        """The records of its sweeps, in the order in which they were first begun."""
        found = [json.loads(path.read_text()) for path in self.folder.glob(f"{SWEEPS}/*/{SWEEP}")]
        return sorted(found, key=begun)

    def find(self, text: str) -> Run:
        """Return the run whose identity or folder's name begins with a text, or that has this name.

        Args:
            text: at least the first characters of an identity; or a run's name.

        Raises:
            BpexpError: no run matches, or several do.
        """
        matches = [run for run in self.runs if text == run.folder.name] or [
            run for run in self.runs if run.folder.name.startswith(text)
        ]
        matches = matches or [run for run in self.runs if run.start["name"] == text]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise BpexpError(
                f"run: {text!r} is {len(matches)} runs: "
                f"{', '.join(run.folder.name for run in matches[:5])}"
            )
        names = {name for run in self.runs for name in (run.folder.name, run.start["name"])}
        raise BpexpError(one_of("run", text, names))


def studies(root: Path) -> list[Study]:
    """Return the studies that hold a run or a sweep, by name.

    Args:
        root: the folder that holds runs/.
    """
    folders = sorted(path for path in (root / RUNS).glob("*") if path.is_dir())
    return [
        Study(folder)
        for folder in folders
        if any(folder.glob(f"*/{JOURNAL}")) or any(folder.glob(f"{SWEEPS}/*/{SWEEP}"))
    ]


def state(run: Run) -> str:
    """Return finished, failed, killed, or of a run without an end: training or unfinished."""
    if run.end is not None:
        return run.status.lower()
    return "training" if in_use(run.folder) else "unfinished"


def size(folders: Iterable[Path]) -> int:
    """Return how many bytes the files of these folders take."""
    files = (path for folder in folders for path in folder.rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file())


def last_used(run: Run) -> float:
    """Return when a run's journal was last written, in seconds since 1970."""
    return (run.folder / JOURNAL).stat().st_mtime
