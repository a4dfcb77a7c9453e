"""The order of a study's runs: that of the sweeps that made them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bpexp.record.layout import SWEEP, SWEEPS

Place = tuple[float, int, int, int]


def sweep_places(study: Path, starts: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Place]:
    """Return a key to sort runs by: sweep by sweep, and each in the order of its grid.

    Sweeps are in the order in which the first of their runs started, of those that share it the
    largest first, and a run stands in the first sweep that has it. A run of no sweep stands as if
    it were one of its own.

    Args:
        study: the study's folder.
        starts: the start lines of the runs' journals.

    Returns:
        A place for each identity and attempt.
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
    places: dict[str, tuple[float, int, int]] = {}
    for time, size, members in sorted(sweeps):
        for number, identity in enumerate(members):
            places.setdefault(identity, (time, size, number))
    return {
        (identity, attempt): (*places.get(identity, (time, 0, 0)), attempt)
        for identity, attempt, time in known
    }


def _members(path: Path) -> list[str]:
    """Return the identities of a sweep's runs in the order of its grid; none if it is damaged."""
    try:
        return [str(member["identity"]) for member in json.loads(path.read_text())["members"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []
