"""The order of a study's runs in frames: that of the sweeps that made them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bpexp.record.layout import SWEEP, SWEEPS

Place = tuple[float, int, int, int]


def sweep_places(study: Path, starts: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Place]:
    """Return a key to sort runs by: sweep by sweep, and in the order of the grid within each.

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
