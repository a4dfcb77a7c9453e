"""Where the runs of a study stand: in which sweep, at which place, beside which levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where a run stands among the runs of its study.

    Attributes:
        sweep: the id of the newest sweep that has the run, None if it was run alone.
        order: text that sorts runs as they were asked for: the sweep's number, then the run's.
        swept: the keys that differ within that sweep, each with its values in the order given.
    """

    sweep: str | None = None
    order: str = ""
    swept: Mapping[str, list[Any]] = field(default_factory=dict)


def places(sweeps: Iterable[Mapping[str, Any]]) -> dict[str, Place]:
    """Return the place of each run by the name of its folder.

    A sweep keeps its number when its command is given again, and a new one has the next, so that
    places change only for the members of a new sweep.

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
    """Return when a sweep was first begun; older records have the time of the last time only."""
    return float(sweep.get("begun", sweep["time"]))
