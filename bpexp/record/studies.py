"""Studies on disk: list them, and read their runs, sweeps, size and age."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Self

from bpexp.config.identity import configuration, differing, flatten
from bpexp.errors import BpexpError, one_of, reason
from bpexp.nn.tasks import TASKS
from bpexp.record.history import JournalError, first
from bpexp.record.journal import in_use
from bpexp.record.layout import JOURNAL, RUNS, SWEEP, SWEEPS
from bpexp.record.order import begun, sort_keys
from bpexp.record.run import Run, newest

ROWS = 20  # rows of a study's table in a notebook


@dataclass(frozen=True, repr=False)
class Study:
    """A study below runs/, or the runs of one of its sweeps.

    Loaders accept it instead of a study's name. A notebook shows it as a table of its runs.

    Attributes:
        folder: the study's folder.
        members: the identities of the runs; None: all runs of the study.
    """

    folder: Path
    members: frozenset[str] | None = None

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

    def loaded(self, *, superseded: bool = False) -> Iterator[Run]:
        """Yield the runs in the order of their sweeps, in which loaders return them.

        Args:
            superseded: include runs that newer ones of the same configuration supersede.
        """
        found = [
            (start, journal.parent)
            for journal in sorted(self.folder.glob(f"*/{JOURNAL}"))
            if (start := first(journal.parent))
            and (self.members is None or start["identity"] in self.members)
        ]
        keys = sort_keys(self.folder, [start for start, _ in found])
        if not superseded:
            found = newest(
                (
                    configuration(start["config"], start.get("digest", "")),
                    (start["algorithm"], start["attempt"], start["time"]),
                    (start, path),
                )
                for start, path in found
            )
        found.sort(key=lambda run: (keys[run[0]["identity"], run[0]["attempt"]], run[1]))
        for _, path in found:
            if run := Run.at(path):
                yield run

    def __repr__(self) -> str:
        """Return the name, the number of runs in each state, and the folder."""
        states = [state(run) for run in self.loaded()]
        counts = ", ".join(f"{states.count(name)} {name}" for name in dict.fromkeys(states))
        return f"<Study {self.name!r}: {counts or 'no'} runs in {os.path.relpath(self.folder)}>"

    def _repr_html_(self) -> str:
        """Return a table of its runs: the keys that differ, scores and verdict."""
        runs = [*self.loaded()]
        flats = [flatten(run.start["config"]) for run in runs]
        swept = differing(flats)
        metrics = [*dict.fromkeys(TASKS[run.task].metric for run in runs)]
        rows = [
            [
                run.start["name"],
                *(flat.get(key, "") for key in swept),
                *(_score(run, metric) for metric in metrics),
                (run.end or {}).get("verdict") or state(run),
            ]
            for run, flat in zip(runs[:ROWS], flats, strict=False)
        ]
        head = _row("th", ["run", *swept, *metrics, "verdict"])
        body = "".join(_row("td", row) for row in rows)
        more = f"<p>... and {len(runs) - ROWS} more</p>" if len(runs) > ROWS else ""
        return f"<p>{escape(repr(self))}</p><table>{head}{body}</table>{more}"

    @cached_property
    def runs(self) -> list[Run]:
        """All attempts of all runs, in the order in which they started; see `damaged`."""
        return self._read[0]

    @cached_property
    def damaged(self) -> list[str]:
        """The error message of each journal and each sweep's record that cannot be read."""
        return [*self._read[1], *self._read_sweeps[1]]

    @cached_property
    def _read(self) -> tuple[list[Run], list[str]]:
        runs, damaged = [], []
        for journal in sorted(self.folder.glob(f"*/{JOURNAL}")):
            try:
                if run := Run.at(journal.parent):
                    runs.append(run)
            except JournalError as error:
                damaged.append(str(error))
            except OSError as error:
                damaged.append(f"{journal}: cannot be read: {reason(error)}")
        return sorted(runs, key=lambda run: run.start["time"]), damaged

    @cached_property
    def sweeps(self) -> list[dict[str, Any]]:
        """The records of its sweeps, in the order in which they were first begun."""
        return self._read_sweeps[0]

    @cached_property
    def _read_sweeps(self) -> tuple[list[dict[str, Any]], list[str]]:
        found, damaged = [], []
        for path in sorted(self.folder.glob(f"{SWEEPS}/*/{SWEEP}")):
            try:
                record = json.loads(path.read_text())
                begun(record)
                found.append(record)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                damaged.append(f"{path}: damaged; the sweep's command writes it again")
        return sorted(found, key=begun), damaged

    def find(self, text: str) -> Run:
        """Return the run that a text identifies.

        Args:
            text: the first characters of an identity, which is the name of the run's folder, or a
                run's whole name.

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
                f"run: {text!r} matches {len(matches)} runs: "
                f"{', '.join(run.folder.name for run in matches[:5])}"
            )
        names = {name for run in self.runs for name in (run.folder.name, run.start["name"])}
        raise BpexpError(one_of("run", text, names))


def _score(run: Run, metric: str) -> str:
    value = run.metrics.final.get(f"{metric}/test")
    return "" if value is None else f"{value:.3f}"


def _row(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in cells)}</tr>"


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
    """Return finished, failed or killed; without an end line, training or unfinished."""
    if run.end is not None:
        return run.status.lower()
    return "training" if in_use(run.folder) else "unfinished"


def size(folders: Iterable[Path]) -> int:
    """Return the total size of the files in folders, in bytes."""
    files = (path for folder in folders for path in folder.rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file())


def last_used(run: Run) -> float:
    """Return the time at which a run's journal was last written, in seconds since 1970."""
    return (run.folder / JOURNAL).stat().st_mtime
