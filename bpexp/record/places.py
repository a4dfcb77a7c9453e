"""The places of a study's runs in MLflow's table: the sweep of each, and its order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """The place of a run among the runs of its study.

    Attributes:
        sweep: the id of the newest sweep that has the run; None if it was run alone.
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
