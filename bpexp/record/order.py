"""The order of a study's runs in frames and in MLflow's table, which is that of its sweeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpexp.record.layout import SWEEP, SWEEPS

SortKey = tuple[float, int, int, int]


def sort_keys(study: Path, starts: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], SortKey]:
    """Return the keys to sort a study's runs by: sweep by sweep, each in the order of its grid.

    Sweeps are sorted by the time at which the first of their runs started; if that is equal, the
    larger sweep is first. A run in several sweeps belongs to the first of them. A run in no sweep
    is sorted as if it were a sweep of one run.

    Args:
        study: the study's folder.
        starts: the start lines of the runs' journals.

    Returns:
        The sort key of each identity and attempt.
    """
    begun: dict[str, float] = {}
    known = [(start["identity"], int(start["attempt"]), start["time"]) for start in starts]
    for identity, _, time in known:
        begun[identity] = min(time, begun.get(identity, time))
    sweeps = []
    for path in study.glob(f"{SWEEPS}/*/{SWEEP}"):
        members = [identity for identity in _members(path) if identity in begun]
        if members:
            sweeps.append((min(begun[identity] for identity in members), -len(members), members))
    keys: dict[str, tuple[float, int, int]] = {}
    for time, size, members in sorted(sweeps):
        for number, identity in enumerate(members):
            keys.setdefault(identity, (time, size, number))
    return {
        (identity, attempt): (*keys.get(identity, (time, 0, 0)), attempt)
        for identity, attempt, time in known
    }


@dataclass(frozen=True)
class Place:
    """The place of a run in MLflow's table of its study.

    Attributes:
        sweep: the id of the newest sweep that contains the run; None if no sweep does.
        order: text to sort by: the number of the sweep, then the number of the run in it.
        swept: the keys that differ within that sweep, each with its values in the order given.
    """

    sweep: str | None = None
    order: str = ""
    swept: Mapping[str, list[Any]] = field(default_factory=dict)


def places(sweeps: Iterable[Mapping[str, Any]]) -> dict[str, Place]:
    """Return the place of each run by the name of its folder.

    Sweeps are numbered in the order in which they were first begun, so that a new sweep changes the
    places of its own members only.

    Args:
        sweeps: the records of a study's sweeps, see `bpexp.record.studies.Study.sweeps`.
    """
    found: dict[str, Place] = {}
    for number, sweep in enumerate(sorted(sweeps, key=begun), start=1):
        alone = not sweep["multirun"]
        for index, member in enumerate(sweep["members"], start=1):
            order = f"{number:03d}.{index:04d}"
            if alone:
                found.setdefault(member["folder"], Place(None, order))
            else:
                swept = sweep.get("swept", {})
                found[member["folder"]] = Place(str(sweep["id"]), order, swept)
    return found


def begun(sweep: Mapping[str, Any]) -> float:
    """Return when a sweep was first begun; version 0.1 recorded only when it last was."""
    return float(sweep.get("begun", sweep["time"]))


def first_begun(path: Path) -> float | None:
    """Return when a sweep was first begun; None if its record is missing or damaged.

    Args:
        path: the sweep's sweep.json.
    """
    try:
        return begun(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _members(path: Path) -> list[str]:
    """Return the identities of a sweep's runs in the order of its grid; none if it is damaged."""
    try:
        return [str(member["identity"]) for member in json.loads(path.read_text())["members"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []
